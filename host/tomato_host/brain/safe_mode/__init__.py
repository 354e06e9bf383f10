"""Safe mode: when to stop trusting, what to switch off, and when trust has come back."""

from typing import TYPE_CHECKING

from tomato_host.brain.on_demand import names_on_demand

if TYPE_CHECKING:
    from tomato_host.brain.safe_mode.machine import SafeModeState, SafeModeStep, step
    from tomato_host.brain.safe_mode.settings import SafeModeSettings
    from tomato_host.brain.safe_mode.signals import Signals

__all__ = ["SafeModeSettings", "SafeModeState", "SafeModeStep", "Signals", "step"]

__getattr__ = names_on_demand(
    __name__,
    {
        "SafeModeState": "machine",
        "SafeModeStep": "machine",
        "step": "machine",
        "SafeModeSettings": "settings",
        "Signals": "signals",
    },
)
