"""Worlds: what they are made of, what an intent does in them, what their agents may see."""
