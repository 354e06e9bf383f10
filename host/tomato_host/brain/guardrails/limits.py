"""The limits that the guardrails enforces, in thousandths, checked once to lie inside the board's own."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.devices import LIMITS, OUTPUTS, Output
from tomato_host.brain.guardrails.settings import GuardSettings
from tomato_host.brain.settings import BudgetSettings

MILLI = 1_000
HOUR_S, DAY_S = 3_600, 86_400
UNBOUNDED_MILLI = 10**12


def _window_milli(budget: int, unit: str, span_s: int) -> int:
    """A window's budget in thousandths. On-time of a whole hour in an hour (or day in a day) bounds nothing: what is
    under way counts on top of what has ended, so taken literally it would break a light that shines without a pause."""
    return UNBOUNDED_MILLI if unit == "s" and budget >= span_s else budget * MILLI


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """Bounds of one output. Amounts in thousandths: ms of on-time for relays and valves, microlitres for the pump."""

    output: str
    pulse_milli: int
    """Most in one pulse of the board."""
    hour_milli: int
    day_milli: int
    pause_s: float
    """Least time between two accepted actions; 0 where a new action replaces the old one."""
    least_milli: int
    """Below this an action is not worth a relay's wear and is refused rather than clipped to nearly nothing."""


def _tighter(value: int, board: int, name: str) -> int:
    """`value` if it is inside the board's limit. Raises ValueError: a wider guardrail is a bug, not a setting."""
    if not 0 <= value <= board:
        raise ValueError(f"{name}: {value} is outside the board's limit 0..{board}")
    return value


def build_limits(
    settings: GuardSettings, budgets: BudgetSettings, outputs: tuple[Output, ...] = OUTPUTS
) -> dict[str, OutputLimit]:
    """The limit of each action type that drives an output. Raises ValueError when one is wider than the board's."""
    limits: dict[str, OutputLimit] = {}
    for out in outputs:
        name, pump = out.name, out.kind == "pump"
        asked_hour = getattr(settings, out.hour_setting) if out.hour_setting else out.hour_budget
        asked_day = getattr(budgets, out.budget_setting) if out.budget_setting else out.day_budget
        per_hour = _tighter(asked_hour, out.hour_budget, f"{name} per hour")
        per_day = _tighter(asked_day, out.day_budget, f"{name} per day")
        limits[out.action] = OutputLimit(
            output=name,
            pulse_milli=_tighter(settings.water_ml_per_pulse, out.max_dose, "pulse") * MILLI if pump else out.max_on_ms,
            hour_milli=_window_milli(per_hour, out.budget_unit, HOUR_S),
            day_milli=_window_milli(per_day, out.budget_unit, DAY_S),
            pause_s=float(settings.water_pause_s) if pump else 0.0,
            least_milli=5 * MILLI if pump else MILLI,
        )
    return limits


def check_thresholds(settings: GuardSettings) -> None:
    """Raise ValueError when a threshold context is wider than the interlock on the board."""
    pairs = (
        ("rh_high_pct", settings.rh_high_pct, LIMITS["rh_cutoff_pct"]),
        ("co2_high_ppm", settings.co2_high_ppm, LIMITS["co2_cutoff_ppm"]),
        ("soil_temp_high_c", settings.soil_temp_high_c, LIMITS["soil_temp_cutoff_c"]),
        ("air_hot_c", settings.air_hot_c, LIMITS["over_temp_on_c"]),
    )
    for name, value, board in pairs:
        if value > board:
            raise ValueError(f"{name}: {value} is above the board's own {board}")


OUTPUT_NAMES = tuple(out.name for out in OUTPUTS)
