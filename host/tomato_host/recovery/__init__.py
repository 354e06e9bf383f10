"""Recovery after a crash: actions an earlier process left open, samples the dataset already holds."""
