"""What faults do to the readings of the synthetic day, and when. Their names are those of `sources/scenarios.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tomato_host.sources.scenarios import CALM


@dataclass(slots=True)
class SyntheticReadings:
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


SignalEffect = Callable[[SyntheticReadings, float, float], None]
"""Called with the readings, the hours since the window opened, and its strength 0..1 (ramps at both ends)."""


@dataclass(frozen=True, slots=True)
class SyntheticFault:
    """A disturbance: what it is, the window in hours after the start, how long it takes to set in, and its effect."""

    name: str
    meaning: str
    begin_h: float
    end_h: float
    effect: SignalEffect
    ramp_h: float = 0.0

    def apply(self, readings: SyntheticReadings, hour: float) -> None:
        """Change the readings when `hour` (since the start) lies in the window."""
        if self.begin_h <= hour < self.end_h:
            since, left = hour - self.begin_h, self.end_h - hour
            strength = 1.0 if self.ramp_h <= 0 else min(1.0, since / self.ramp_h, left / self.ramp_h)
            self.effect(readings, since, strength)


def _heatwave(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.add("air_temp_c", 11.0 * strength)
    r.add("leaf_temp_c", 12.5 * strength)
    r.add("soil_temp_c", 3.0 * strength)
    r.add("rh_pct", -18.0 * strength)


def _dry_inflow(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.add("rh_pct", -28.0 * strength)
    r.add("leaf_temp_c", -0.8 * strength)


def _cold_spell(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.add("air_temp_c", -12.0 * strength)
    r.add("leaf_temp_c", -11.5 * strength)
    r.add("soil_temp_c", -4.0 * strength)
    r.add("rh_pct", 8.0 * strength)


def _wind_spike(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.add("rh_pct", -22.0 * strength)
    r.add("air_temp_c", -4.0 * strength)
    r.flags["door_open"] = True


def _probe_disconnect(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.soil["P1"] = None
    r.missing["P1"] = "unplugged"


def _probe_stuck(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.soil["P1"] = 31.25


def _probe_jump(r: SyntheticReadings, since_h: float, strength: float) -> None:
    if r.soil["P1"] is not None:
        r.soil["P1"] = min(100.0, r.soil["P1"] + 22.0)


def _probe_drift(r: SyntheticReadings, since_h: float, strength: float) -> None:
    if r.soil["P1"] is not None:
        r.soil["P1"] = min(100.0, r.soil["P1"] + 0.5 * since_h)


def _leak(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.flags["leak"] = True


def _reservoir_empty(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.flags["reservoir_ok"] = False


def _link_cut(r: SyntheticReadings, since_h: float, strength: float) -> None:
    r.board_connected = False
    for name in r.values:
        r.values[name] = None
        r.missing[name] = "timeout"
    for probe in r.soil:
        r.soil[probe] = None
        r.missing[probe] = "timeout"


SYNTHETIC_FAULTS: dict[str, SyntheticFault | None] = {
    CALM: None,
    "heatwave": SyntheticFault("heatwave", "hot, dry afternoon: +11 degC for 10 h", 8.0, 18.0, _heatwave, 2.0),
    "dry_inflow": SyntheticFault("dry_inflow", "dry outside air for 8 h", 9.0, 17.0, _dry_inflow, 1.0),
    "cold_spell": SyntheticFault("cold_spell", "cold night: -12 degC for 10 h", 0.0, 10.0, _cold_spell, 2.0),
    "wind_spike": SyntheticFault("wind_spike", "the tent blown open for 30 min", 13.0, 13.5, _wind_spike, 0.1),
    "probe_disconnect": SyntheticFault(
        "probe_disconnect", "soil probe P1 unplugged for 6 h", 8.0, 14.0, _probe_disconnect
    ),
    "probe_stuck": SyntheticFault("probe_stuck", "soil probe P1 frozen at one value for 12 h", 8.0, 20.0, _probe_stuck),
    "probe_jump": SyntheticFault("probe_jump", "soil probe P1 reads 22 % more for 6 h", 8.0, 14.0, _probe_jump),
    "probe_drift": SyntheticFault("probe_drift", "soil probe P1 drifts by 0.5 % an hour", 0.0, 1e9, _probe_drift),
    "leak": SyntheticFault("leak", "water on the floor for 2 h", 15.0, 17.0, _leak),
    "reservoir_empty": SyntheticFault("reservoir_empty", "reservoir empty from noon on", 12.0, 1e9, _reservoir_empty),
    "link_cut": SyntheticFault("link_cut", "the board is silent for 1 h", 10.0, 11.0, _link_cut),
}
"""By name; `calm` changes nothing. A subset of the names in `scenarios.FAULTS`: this day has no board and no pump."""
