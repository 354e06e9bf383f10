"""The brain of the embodied tomato and the process around it."""

__version__ = "0.2.0"
