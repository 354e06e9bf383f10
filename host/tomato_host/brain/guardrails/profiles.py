"""Who may ask for what, and how strict the guardrails is in each mode: tables, no logic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared_schemas.records.action_v1 import ActionType

Mode = Literal["NORMAL", "CAUTION", "SAFE", "PAUSED"]

A = ActionType
ALL_DEEDS = frozenset(
    {A.WATER, A.CO2_INJECT, A.SET_LIGHT, A.SET_CIRCULATION_FAN, A.SET_EXHAUST_FAN, A.SET_HUMIDIFIER, A.SET_HEATER_MAT}
)
GENTLE = frozenset({A.SET_LIGHT, A.SET_CIRCULATION_FAN, A.SET_EXHAUST_FAN})
"""Actions that do no harm when the state is doubtful: air and light only."""

RISKY = frozenset({"water_pump", "co2_solenoid", "humidifier", "heater_mat"})
"""What mode SAFE keeps off when nobody says more exactly."""

PERMITTED: dict[str, frozenset[ActionType]] = {
    "controller": ALL_DEEDS,
    "person": ALL_DEEDS,
    "safe_mode": GENTLE | {A.WATER},
    "policy": ALL_DEEDS,
    "api": ALL_DEEDS,
    "mqtt": ALL_DEEDS - {A.CO2_INJECT},
    # The language model proposes; gas and heat are not for it.
    "llm": frozenset({A.WATER, A.SET_LIGHT, A.SET_CIRCULATION_FAN, A.SET_EXHAUST_FAN}),
}
"""Actions each origin may ask for. STOP_ALL, NO_ACTION and OFF are open to all of these."""

RANK: dict[str, int] = {"llm": 0, "policy": 1, "controller": 1, "mqtt": 2, "api": 2, "person": 3, "safe_mode": 4}
"""Who gives way: an output held by a higher rank refuses a lower one until the hold ends."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How strict one mode is. Shares are applied to the limits of limits.py and are never above 1."""

    forbidden: frozenset[ActionType]
    forbidden_to_person: frozenset[ActionType]
    dose_share: float
    """Of the largest single dose of water or gas."""
    day_share: float
    """Of the CO2 budget of the day; water keeps its own, a thirsty day is no time to save."""
    actions_share: float
    age_share: float
    """Of the greatest age of state and proposal."""
    extra_confidence: float


PROFILES: dict[Mode, Profile] = {
    "NORMAL": Profile(frozenset(), frozenset(), 1.0, 1.0, 1.0, 1.0, 0.0),
    "CAUTION": Profile(frozenset({A.CO2_INJECT}), frozenset(), 0.6, 0.5, 0.75, 0.67, 0.1),
    # Water is left to rule `safe_mode`: a leak forbids it, a hot day does not.
    "SAFE": Profile(
        ALL_DEEDS - GENTLE - {A.WATER}, frozenset({A.CO2_INJECT, A.SET_HEATER_MAT}), 0.4, 0.25, 0.5, 0.67, 0.1
    ),
    "PAUSED": Profile(ALL_DEEDS, frozenset(), 1.0, 1.0, 1.0, 1.0, 0.0),
}
