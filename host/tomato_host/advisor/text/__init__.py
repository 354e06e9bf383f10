"""Texts about facts. Code renders the facts, a model may connect them, and only numbers written by code pass."""
