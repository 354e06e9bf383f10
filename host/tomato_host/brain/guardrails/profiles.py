"""Who may ask for what, and how strict the guardrails is in each mode: tables, no logic."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.devices import actions_of, names_of
from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType
from shared_schemas.records.base import Mode

ALL_ACTIONS = frozenset(OUTPUT_OF)


def _actions(**facts: object) -> frozenset[ActionType]:
    return frozenset(map(ActionType, actions_of(**facts)))


GENTLE = _actions(risk="gentle")
"""Actions that do no harm when the state is doubtful: air and light only."""

DOSES = _actions(kind="pump")
"""Water for the pots, asked for in ml: plants live by it, so doubt makes it less, not nothing."""

GASES = _actions(kind="valve")
"""CO2: never needed, and harmful to people, so doubt forbids it first."""

RISKY = frozenset(names_of(risk="risky"))
"""What mode SAFE keeps off when the context does not list the outputs."""

PERMITTED: dict[str, frozenset[ActionType]] = {
    "controller": ALL_ACTIONS,
    "person": ALL_ACTIONS,
    "safe_mode": GENTLE | DOSES,
    "policy": ALL_ACTIONS,
    "api": ALL_ACTIONS,
    "mqtt": ALL_ACTIONS - GASES,
    # The language model proposes; gas and heat are not for it.
    "llm": GENTLE | DOSES,
}
"""Actions each origin may ask for. STOP_ALL, NO_ACTION and OFF are open to all of these."""

RANK: dict[str, int] = {"llm": 0, "policy": 1, "controller": 1, "mqtt": 2, "api": 2, "person": 3, "safe_mode": 4}
"""Who gives way: an output held by a higher rank refuses a lower one until the hold ends."""


OWN_ORIGINS = frozenset({"controller", "safe_mode", "policy"})
"""Origins of proposals that the brain makes itself."""


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
    "CAUTION": Profile(GASES, frozenset(), 0.6, 0.5, 0.75, 0.67, 0.1),
    # Water is left to rule `safe_mode`: a leak forbids it, a hot day does not.
    "SAFE": Profile(
        ALL_ACTIONS - GENTLE - DOSES, GASES | _actions(risk="risky", heats=True), 0.4, 0.25, 0.5, 0.67, 0.1
    ),
    "PAUSED": Profile(ALL_ACTIONS, frozenset(), 1.0, 1.0, 1.0, 1.0, 0.0),
}
