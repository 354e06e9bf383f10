"""Small worlds to look at: each runs by itself in seconds and returns what happened."""
