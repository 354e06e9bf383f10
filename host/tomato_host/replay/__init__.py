"""Recorded observations through the current brain, and the proof that decisions repeat."""
