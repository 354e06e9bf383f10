"""Calibration values computed from measurements, checked against the ranges of the board's own table."""

from __future__ import annotations

from shared_schemas.devices import LIMITS
from shared_schemas.wire import CONFIG_KEYS
from tomato_host.errors import TomatoError

LEAST_SPAN_COUNTS = LIMITS["probe_span_least_counts"]
"""Two points closer than this are useless: the probe was not moved, or is not connected."""
LEAST_RUN_S = 0.5
"""A shorter run is dominated by start-up."""

SOIL_KEYS = tuple(
    f"soil_p{probe}_{point}" for probe in (1, 2) for point in ("dry_raw", "wet_raw", "dry_pct", "wet_pct")
)
PUMP_KEYS = ("pump_ul_per_s", "flow_pulses_per_l")
KEYS = frozenset((*SOIL_KEYS, *PUMP_KEYS))
"""All entries a calibration may set; the survival programme and the rest of CONFIG are excluded."""

_ROWS = {row.name: row for row in CONFIG_KEYS}


def soil_values(probe: int, dry_raw: int, wet_raw: int, dry_pct: float, wet_pct: float) -> dict[str, int]:
    """CONFIG entries for one probe, checked; water contents in %. Raises TomatoError E-CALIBRATE-RANGE.

    A capacitive probe reads fewer counts the wetter it is: points the other way round are swapped, whatever the cause.
    """
    if wet_raw - dry_raw >= LEAST_SPAN_COUNTS:
        raise TomatoError(
            "E-CALIBRATE-RANGE",
            f"The wet point ({wet_raw} counts) reads more than the dry one ({dry_raw}): they are swapped.",
            "a capacitive probe reads fewer counts in wet substrate: give the points the other way round, or look in"
            " which vessel the probe stood",
        )
    if dry_raw - wet_raw < LEAST_SPAN_COUNTS:
        raise TomatoError(
            "E-CALIBRATE-RANGE",
            f"The counts {dry_raw} and {wet_raw} are too close together.",
            f"the two points must lie {LEAST_SPAN_COUNTS} counts apart: was the substrate really wet?",
        )
    return checked(
        {
            f"soil_p{probe}_dry_raw": dry_raw,
            f"soil_p{probe}_wet_raw": wet_raw,
            f"soil_p{probe}_dry_pct": round(dry_pct * 100),
            f"soil_p{probe}_wet_pct": round(wet_pct * 100),
        }
    )


def pump_values(seconds: float, ml: float) -> dict[str, int]:
    """CONFIG entries for the pump, checked. Raises TomatoError E-CALIBRATE-RANGE."""
    if not seconds >= LEAST_RUN_S:
        raise TomatoError(
            "E-CALIBRATE-RANGE",
            f"The pump cannot have run for {seconds:g} s.",
            f"give the time it ran, {LEAST_RUN_S:g} s at least",
        )
    return checked({"pump_ul_per_s": round(ml * 1000 / seconds)})


def checked(values: dict[str, int]) -> dict[str, int]:
    """The same values when each is one that calibration may set. Raises TomatoError E-CALIBRATE-RANGE."""
    for key, value in values.items():
        if key not in KEYS:
            raise TomatoError(
                "E-CALIBRATE-RANGE", f"{key} is not a calibration value.", f"take one of: {', '.join(sorted(KEYS))}"
            )
        row = _ROWS[key]
        if not row.lowest <= value <= row.highest:
            raise TomatoError(
                "E-CALIBRATE-RANGE",
                f"{key} = {value / row.scale:g} {row.unit} is out of range.",
                f"the board takes {row.lowest / row.scale:g} to {row.highest / row.scale:g}; see docs/calibration.md",
            )
    return values


def entries_to_set(values: dict[str, int]) -> list[tuple[str, int]]:
    """The same entries in an order in which the board accepts each, whatever points it has now.

    The board refuses a wet point above the dry one. So of a probe's two points the wet one is taken away first, and set
    again last; the probe gives no value in between.
    """
    steps = []
    for probe in (1, 2):
        dry, wet = f"soil_p{probe}_dry_raw", f"soil_p{probe}_wet_raw"
        if dry in values and wet in values:
            steps.append((wet, 0))
    wet_last = sorted(values, key=lambda key: key.endswith("wet_raw"))
    return [*steps, *((key, values[key]) for key in wet_last)]


def changes(before: dict[str, int], values: dict[str, int]) -> list[str]:
    """What setting `values` changes, a line each: every entry before and after, and what the probe then reads."""
    lines = []
    for key, value in values.items():
        row, old = _ROWS[key], before.get(key)
        old_text = "unknown" if old is None else f"{old / row.scale:g}"
        same = " (as it is)" if old == value else ""
        lines.append(f"{key}: {old_text} -> {value / row.scale:g} {row.unit}{same}")
    for probe in (1, 2):
        for point in ("dry", "wet"):
            raw = values.get(f"soil_p{probe}_{point}_raw")
            if raw is not None:
                old_pct, new_pct = moisture_pct(raw, probe, before), moisture_pct(raw, probe, {**before, **values})
                lines.append(f"at {raw} counts probe {probe} reads {_pct(old_pct)} now, {_pct(new_pct)} then")
    return lines


def moisture_pct(raw: int, probe: int, config: dict[str, int]) -> float | None:
    """Water content in % that the board makes of `raw` with these entries; None without two sound points."""
    points = [config.get(f"soil_p{probe}_{name}") for name in ("dry_raw", "wet_raw", "dry_pct", "wet_pct")]
    if any(point is None for point in points):
        return None
    dry_raw, wet_raw, dry_pct, wet_pct = (float(point or 0) for point in points)
    if not wet_raw or dry_raw - wet_raw < LEAST_SPAN_COUNTS:
        return None
    pct_x100 = dry_pct + (raw - dry_raw) * (wet_pct - dry_pct) / (wet_raw - dry_raw)
    return max(0.0, min(10_000.0, pct_x100)) / 100.0


def _pct(value: float | None) -> str:
    return "not calibrated" if value is None else f"{value:.1f} %"
