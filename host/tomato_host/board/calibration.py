"""Calibration values computed from measurements, checked against the ranges of the board's own table."""

from __future__ import annotations

from shared_schemas.wire import CONFIG_KEYS
from tomato_host.errors import TomatoError

LEAST_SPAN_COUNTS = 2_000
"""Two points closer than this are useless: the probe was not moved, or is not connected."""
LEAST_RUN_S = 0.5
"""A shorter run is dominated by start-up."""

SOIL_KEYS = ("soil_p1_dry_raw", "soil_p1_wet_raw", "soil_p2_dry_raw", "soil_p2_wet_raw", "soil_dry_pct", "soil_wet_pct")
PUMP_KEYS = ("pump_ul_per_s", "flow_pulses_per_l")
KEYS = frozenset((*SOIL_KEYS, *PUMP_KEYS))
"""All entries a calibration may set; the survival programme and the rest of CONFIG are excluded."""

_ROWS = {row.name: row for row in CONFIG_KEYS}


def soil_values(probe: int, dry_raw: int, wet_raw: int, dry_pct: float, wet_pct: float) -> dict[str, int]:
    """CONFIG entries for one probe, checked; water contents in %. Raises TomatoError E-CALIBRATE-RANGE."""
    if abs(dry_raw - wet_raw) < LEAST_SPAN_COUNTS:
        raise TomatoError(
            "E-CALIBRATE-RANGE",
            f"The counts {dry_raw} and {wet_raw} are too close together.",
            f"the two points must lie {LEAST_SPAN_COUNTS} counts apart: was the substrate really wet?",
        )
    return checked(
        {
            f"soil_p{probe}_dry_raw": dry_raw,
            f"soil_p{probe}_wet_raw": wet_raw,
            "soil_dry_pct": round(dry_pct * 100),
            "soil_wet_pct": round(wet_pct * 100),
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
