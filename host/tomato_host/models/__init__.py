"""Versions of the world model on disk: stored with what they learned from, verified before use, rolled back."""
