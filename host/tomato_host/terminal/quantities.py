"""The quantities that a terminal shows: one table of names, units and digits, each value with target, trend and day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tomato_host.loop.live_values import LiveValues, live_values
from tomato_host.loop.status import Status

BARS = "▁▂▃▄▅▆▇█"
POINTS = 24
ARROWS = {"up": "↗", "down": "↘", "steady": "→", "": ""}


class ShownQuantity(NamedTuple):
    """A row: its name for people, its column (history, observation or live values), and how it is written."""

    name: str
    column: str
    unit: str
    digits: int
    least: float
    """The smallest change between two half hours that is a trend."""


QUANTITIES = (
    ShownQuantity("air", "air_temp_c", "degC", 1, 0.3),
    ShownQuantity("RH", "rh_pct", "%", 0, 1.5),
    ShownQuantity("VPD", "vpd_kpa", "kPa", 2, 0.04),
    ShownQuantity("CO2", "co2_ppm", "ppm", 0, 25.0),
    ShownQuantity("leaf-air", "leaf_air_delta_c", "K", 1, 0.2),
    ShownQuantity("light", "light_lux", "lx", 0, 500.0),
    ShownQuantity("soil temp", "soil_temp_c", "degC", 1, 0.2),
)
DERIVED = ("vpd_kpa", "leaf_air_delta_c")
"""These are derived from the newest observation (`loop/live_values.py`), the others stand in it."""
Present = Mapping[str, float | None]
"""Column or probe: the value now, None where unknown."""


def probe_quantity(probe: str) -> ShownQuantity:
    """The row of a soil probe; its column is the probe's id."""
    return ShownQuantity(probe, probe, "%", 1, 0.3)


class QuantityRow(NamedTuple):
    """One row of a status; None and empty where nothing is known."""

    name: str
    value: float | None
    unit: str
    digits: int
    low: float | None
    high: float | None
    trend: str
    spark: str

    @property
    def is_out(self) -> bool:
        """Whether the value lies outside its target."""
        return (
            self.value is not None
            and self.low is not None
            and self.high is not None
            and not self.low <= self.value <= self.high
        )

    @property
    def text(self) -> str:
        """The value with its unit."""
        return "-" if self.value is None else f"{self.value:.{self.digits}f} {self.unit}"

    @property
    def target(self) -> str:
        """Its band, without the unit."""
        return "" if self.low is None or self.high is None else f"{self.low:g} to {self.high:g}"


def sparkline(values: Sequence[float | None], points: int = POINTS) -> str:
    """The values as one line of bars, the lowest to the highest of them; a blank where nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, spread = min(known), (max(known) - min(known)) or 1.0
    out = ""
    for at in range(points):
        part = values[
            at * len(values) // points : max(at * len(values) // points + 1, (at + 1) * len(values) // points)
        ]
        some = [value for value in part if value is not None]
        out += BARS[round((sum(some) / len(some) - low) / spread * (len(BARS) - 1))] if some else " "
    return out


def trend(times: Sequence[float], values: Sequence[float | None], least: float) -> str:
    """The mean of the last half hour against the half hour before: up, down or steady; empty where one is unknown."""
    if not times:
        return ""

    def mean(begin_s: float, end_s: float) -> float | None:
        found = [v for t, v in zip(times, values, strict=True) if v is not None and begin_s < times[-1] - t <= end_s]
        return sum(found) / len(found) if found else None

    now, before = mean(-1.0, 1_800.0), mean(1_800.0, 3_600.0)
    if now is None or before is None:
        return ""
    return "steady" if abs(now - before) < least else "up" if now > before else "down"


def present_values(status: Status, live: LiveValues | None = None) -> dict[str, float | None]:
    """What every display shows as the present, by column and probe; empty before the first observation.

    All of it is of the newest observation, and all of it is None when that is too old. `live` are the values that
    another process has computed from this status (`loop/live_values.py`).
    """
    seen = status.observation
    if seen is None:
        return {}
    now: Mapping[str, Any] = live_values(status) if live is None else live
    names = [q.column for q in QUANTITIES] + [probe.id for probe in seen.soil]
    if now["reading_ts"] is None:
        return dict.fromkeys(names)
    measured = {q.column: (now if q.column in DERIVED else seen.__dict__)[q.column] for q in QUANTITIES}
    return measured | {probe.id: probe.moisture_pct for probe in seen.soil}


def shown_quantities(probes: Iterable[str]) -> list[ShownQuantity]:
    """All rows in their order, soil probes last."""
    return [*QUANTITIES, *map(probe_quantity, probes)]


def rows_of(present: Present, columns: Mapping[str, Any] | None = None) -> list[QuantityRow]:
    """The rows of the values now, with the target, trend and sparkline of the last day's columns.

    `columns` as `service/history.py` gives them (`History.columns`): Unix times `t`, values by column and by probe
    below `soil`, and each moment's target below `bands`. Without them only the values are known.
    """
    day: Mapping[str, Any] = columns or {"t": [], "soil": {}, "bands": {}}
    times, bands = day["t"], day["bands"]
    names = {q.column for q in QUANTITIES}
    probes = [name for name in {**day["soil"], **present} if name not in names]
    rows = []
    for q in shown_quantities(sorted(probes)):
        values = day.get(q.column, day["soil"].get(q.column, []))
        edges = bands.get("soil" if q.column in probes else q.column, {"low": [], "high": []})
        low, high = (edges[side][-1] if edges[side] else None for side in ("low", "high"))
        moved = trend(times, values, q.least) if values else ""
        rows.append(QuantityRow(q.name, present.get(q.column), q.unit, q.digits, low, high, moved, sparkline(values)))
    return rows
