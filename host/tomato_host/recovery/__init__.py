"""What an earlier process left open, and what the dataset holds already."""
