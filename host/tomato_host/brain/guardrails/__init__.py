"""The guardrails: the one guardrails between any proposal and the board."""

from tomato_host.brain.guardrails.context import GuardContext
from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict
from tomato_host.brain.guardrails.settings import GuardSettings

__all__ = ["GuardContext", "GuardSettings", "Guardrails", "Verdict"]
