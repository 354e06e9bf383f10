"""Recorded observations through today's brain, and the proof that decisions repeat."""
