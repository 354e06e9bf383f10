"""Who may ask for what, and how strict the guardrails is in each mode: tables, no logic."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.devices import OUTPUTS, names_of
from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType
from shared_schemas.records.base import Mode

A = ActionType
ALL_ACTIONS = frozenset(OUTPUT_OF)
GENTLE = frozenset(ActionType(row.action) for row in OUTPUTS if row.risk == "gentle")
"""Actions that do no harm when the state is doubtful: air and light only."""

RISKY = frozenset(names_of(risk="risky"))
"""What mode SAFE keeps off when the context does not list the outputs."""

PERMITTED: dict[str, frozenset[ActionType]] = {
    "controller": ALL_ACTIONS,
    "person": ALL_ACTIONS,
    "safe_mode": GENTLE | {A.WATER},
    "policy": ALL_ACTIONS,
    "api": ALL_ACTIONS,
    "mqtt": ALL_ACTIONS - {A.CO2_INJECT},
    # The language model proposes; gas and heat are not for it.
    "llm": GENTLE | {A.WATER},
}
"""Actions each origin may ask for. STOP_ALL, NO_ACTION and OFF are open to all of these."""

RANK: dict[str, int] = {"llm": 0, "policy": 1, "controller": 1, "mqtt": 2, "api": 2, "person": 3, "safe_mode": 4}
"""Who gives way: an output held by a higher rank refuses a lower one until the hold ends."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How strict one mode is. Shares are applied to the limits of limits.py and are never above 1."""

    forbidden: frozenset[ActionType]
    forbidden_to_operator: frozenset[ActionType]
    dose_share: float
    """Of the largest single dose of water or gas."""
    day_share: float
    """Of the CO2 budget of the day; water keeps its own, a hot day needs more, not less."""
    actions_share: float
    age_share: float
    """Of the greatest age of state and proposal."""
    extra_confidence: float


PROFILES: dict[Mode, Profile] = {
    "NORMAL": Profile(frozenset(), frozenset(), 1.0, 1.0, 1.0, 1.0, 0.0),
    "CAUTION": Profile(frozenset({A.CO2_INJECT}), frozenset(), 0.6, 0.5, 0.75, 0.67, 0.1),
    # Water is left to rule `safe_mode`: a leak forbids it, a hot day does not.
    "SAFE": Profile(
        ALL_ACTIONS - GENTLE - {A.WATER}, frozenset({A.CO2_INJECT, A.SET_HEATER_MAT}), 0.4, 0.25, 0.5, 0.67, 0.1
    ),
    "PAUSED": Profile(ALL_ACTIONS, frozenset(), 1.0, 1.0, 1.0, 1.0, 0.0),
}
