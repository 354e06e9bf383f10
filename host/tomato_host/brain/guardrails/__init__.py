"""The guardrails: the one guardrails between any proposal and the board."""

from typing import TYPE_CHECKING

from tomato_host.brain.on_demand import names_on_demand

if TYPE_CHECKING:
    from tomato_host.brain.guardrails.context import GuardContext
    from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict
    from tomato_host.brain.guardrails.settings import GuardSettings

__all__ = ["GuardContext", "GuardSettings", "Guardrails", "Verdict"]

__getattr__ = names_on_demand(
    __name__,
    {
        "GuardContext": "context",
        "Guardrails": "guardrails",
        "Verdict": "guardrails",
        "GuardSettings": "settings",
    },
)
