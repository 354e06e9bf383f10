"""Versions of the world model on disk: kept with what they learned from, verified before they speak, rolled back."""
