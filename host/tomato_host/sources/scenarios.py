"""Named disturbances of the synthetic plant: a table of windows and what they do to the readings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Readings:
    """Everything a synthetic moment consists of, before it becomes a record. None means: no value, see `missing`."""

    values: dict[str, float | None]
    soil: dict[str, float | None]
    flags: dict[str, bool]
    missing: dict[str, str] = field(default_factory=dict)
    board_connected: bool = True

    def add(self, name: str, amount: float) -> None:
        """Shift a quantity that has a value."""
        value = self.values[name]
        if value is not None:
            self.values[name] = value + amount


Effect = Callable[[Readings, float, float], None]
"""Called with the readings, the hours since the window opened, and its strength 0..1 (ramps at both ends)."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A disturbance: what it is, the window in hours after the start, how long it takes to set in, and its effect."""

    name: str
    meaning: str
    begin_h: float
    end_h: float
    effect: Effect
    ramp_h: float = 0.0

    def apply(self, readings: Readings, hour: float) -> None:
        """Change the readings when `hour` (since the start) lies in the window."""
        if self.begin_h <= hour < self.end_h:
            since, left = hour - self.begin_h, self.end_h - hour
            strength = 1.0 if self.ramp_h <= 0 else min(1.0, since / self.ramp_h, left / self.ramp_h)
            self.effect(readings, since, strength)


def _heatwave(r: Readings, since_h: float, strength: float) -> None:
    r.add("air_temp_c", 11.0 * strength)
    r.add("leaf_temp_c", 12.5 * strength)
    r.add("soil_temp_c", 3.0 * strength)
    r.add("rh_pct", -18.0 * strength)


def _dry_inflow(r: Readings, since_h: float, strength: float) -> None:
    r.add("rh_pct", -28.0 * strength)
    r.add("leaf_temp_c", -0.8 * strength)


def _cold_spell(r: Readings, since_h: float, strength: float) -> None:
    r.add("air_temp_c", -12.0 * strength)
    r.add("leaf_temp_c", -11.5 * strength)
    r.add("soil_temp_c", -4.0 * strength)
    r.add("rh_pct", 8.0 * strength)


def _wind_spike(r: Readings, since_h: float, strength: float) -> None:
    r.add("rh_pct", -22.0 * strength)
    r.add("air_temp_c", -4.0 * strength)
    r.flags["door_open"] = True


def _probe_disconnect(r: Readings, since_h: float, strength: float) -> None:
    r.soil["P1"] = None
    r.missing["P1"] = "unplugged"


def _probe_stuck(r: Readings, since_h: float, strength: float) -> None:
    r.soil["P1"] = 31.25


def _probe_jump(r: Readings, since_h: float, strength: float) -> None:
    if r.soil["P1"] is not None:
        r.soil["P1"] = min(100.0, r.soil["P1"] + 22.0)


def _probe_drift(r: Readings, since_h: float, strength: float) -> None:
    if r.soil["P1"] is not None:
        r.soil["P1"] = min(100.0, r.soil["P1"] + 0.5 * since_h)


def _leak(r: Readings, since_h: float, strength: float) -> None:
    r.flags["leak"] = True


def _reservoir_low(r: Readings, since_h: float, strength: float) -> None:
    r.flags["reservoir_ok"] = False


def _board_lost(r: Readings, since_h: float, strength: float) -> None:
    r.board_connected = False
    for name in r.values:
        r.values[name] = None
        r.missing[name] = "timeout"
    for probe in r.soil:
        r.soil[probe] = None
        r.missing[probe] = "timeout"


SCENARIOS: dict[str, Scenario | None] = {
    "normal": None,
    "heatwave": Scenario("heatwave", "hot, dry afternoon: +11 degC for 10 h", 8.0, 18.0, _heatwave, 2.0),
    "dry_inflow": Scenario("dry_inflow", "dry outside air for 8 h", 9.0, 17.0, _dry_inflow, 1.0),
    "cold_spell": Scenario("cold_spell", "cold night: -12 degC for 10 h", 0.0, 10.0, _cold_spell, 2.0),
    "wind_spike": Scenario("wind_spike", "the tent blown open for 30 min", 13.0, 13.5, _wind_spike, 0.1),
    "probe_disconnect": Scenario("probe_disconnect", "soil probe P1 unplugged for 6 h", 8.0, 14.0, _probe_disconnect),
    "probe_stuck": Scenario("probe_stuck", "soil probe P1 frozen at one value for 12 h", 8.0, 20.0, _probe_stuck),
    "probe_jump": Scenario("probe_jump", "soil probe P1 reads 22 % more for 6 h", 8.0, 14.0, _probe_jump),
    "probe_drift": Scenario("probe_drift", "soil probe P1 drifts by 0.5 % an hour", 0.0, 1e9, _probe_drift),
    "leak": Scenario("leak", "water on the floor for 2 h", 15.0, 17.0, _leak),
    "reservoir_low": Scenario("reservoir_low", "reservoir empty from noon on", 12.0, 1e9, _reservoir_low),
    "board_lost": Scenario("board_lost", "the board is silent for 1 h", 10.0, 11.0, _board_lost),
}
"""Scenarios by the name that --scenario takes."""
