"""Safe mode: when to stop trusting, what to switch off, and when trust has come back."""

from tomato_host.brain.safe_mode.machine import SafeModeState, SafeModeStep, step
from tomato_host.brain.safe_mode.settings import SafeModeSettings
from tomato_host.brain.safe_mode.signals import Signals

__all__ = ["SafeModeSettings", "SafeModeState", "SafeModeStep", "Signals", "step"]
