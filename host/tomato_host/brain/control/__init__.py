"""The control layer: decides what to ask for. `rules`, `mpc` and `fixed_timer` each offer `decide(context)`."""

from typing import TYPE_CHECKING

from tomato_host.brain.on_demand import names_on_demand

if TYPE_CHECKING:
    from tomato_host.brain.control.context import ControlDecision, ControllerMemory, DecisionContext
    from tomato_host.brain.control.settings import ControlSettings

__all__ = ["ControlDecision", "ControlSettings", "ControllerMemory", "DecisionContext"]

__getattr__ = names_on_demand(
    __name__,
    {
        "ControlDecision": "context",
        "ControllerMemory": "context",
        "DecisionContext": "context",
        "ControlSettings": "settings",
    },
)
