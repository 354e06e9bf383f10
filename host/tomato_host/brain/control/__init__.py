"""The control layer: decides what to ask for. `rules`, `mpc` and `fixed_timer` each offer `decide(context)`."""

from tomato_host.brain.control.context import ControlDecision, ControllerMemory, DecisionContext
from tomato_host.brain.control.settings import ControlSettings

__all__ = ["ControlDecision", "ControlSettings", "ControllerMemory", "DecisionContext"]
