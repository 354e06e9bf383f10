"""Accepted actions as bounded pulses."""
