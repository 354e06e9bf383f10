"""Refuse what would be nonsense: Fahrenheit taken for Celsius, shares for percent, words for numbers."""

from __future__ import annotations

from dataclasses import dataclass

from tomato_host.errors import TomatoError
from tomato_host.importing.units import dimension_of

LEAST_VALUES = 20
"""Fewer values than this are not judged."""

MOST_UNREADABLE = 0.5
"""Share of the filled cells that may be no number."""

MOST_BAD_TIMES = 0.2
MOST_IMPOSSIBLE = 0.5


@dataclass(frozen=True)
class ColumnStatistics:
    """Of one quantity: filled cells, those that are no number, sentinels, impossible values, quantiles."""

    quantity: str
    column: str
    values: int
    unreadable: int
    sentinels: int
    impossible: int
    low: float | None
    middle: float | None
    high: float | None
    largest: float | None
    example: str | None = None


def check_plausible(one: ColumnStatistics) -> None:
    """Raises TomatoError E-IMPORT-NONSENSE that says what to write instead."""
    filled = one.values + one.unreadable
    if filled >= LEAST_VALUES and one.unreadable > MOST_UNREADABLE * filled:
        raise _nonsense(one, f"{one.unreadable} of {filled} cells are no numbers, as {one.example!r}", _words_step(one))
    if one.values < LEAST_VALUES or one.middle is None or one.high is None or one.largest is None:
        return
    suspicion = suspicious(one)
    if suspicion is not None:
        raise _nonsense(one, *suspicion)
    if one.impossible > MOST_IMPOSSIBLE * one.values:
        what = f"{one.impossible} of {one.values} values are impossible, half are below {one.middle:.4g}"
        raise _nonsense(one, what, "write the right unit, or factor and offset, or map another column")


def suspicious(one: ColumnStatistics) -> tuple[str, str] | None:
    """What a column's numbers look like and what to write; None when they look right."""
    middle, high, largest = one.middle or 0.0, one.high or 0.0, one.largest or 0.0
    dimension = dimension_of(one.quantity)
    half = f"half of the values are below {middle:.4g}"
    if dimension == "temperature":
        if middle > 200.0:
            return f"{half}, which are kelvin", 'write unit = "K"'
        if middle > 45.0:
            return f"{half}, which looks like Fahrenheit", 'write unit = "F"'
    if dimension in ("share", "moisture") and one.quantity in ("rh_pct", "ext_rh_pct") and 0.0 < largest <= 1.0:
        return f"no value exceeds {largest:.4g}, which looks like 0 to 1", 'write unit = "0-1"'
    if dimension == "moisture":
        if 0.0 < largest <= 1.0:
            return f"no value exceeds {largest:.4g}, which looks like 0 to 1", 'write unit = "0-1"'
        if middle > 100.0:
            return f"{half}, which looks like raw counts", "write factor and offset of its calibration"
    if dimension == "switch" and high > 1.5:
        step = 'write unit = "%"' if largest <= 100.0 else "write a factor that makes it 0 to 1"
        return f"a switch is 0 to 1, and {half}", step
    if dimension == "pressure" and middle > 8.0:
        return f"{half} kPa, which no plant survives", 'write unit = "hPa" or "Pa"'
    return None


def _words_step(one: ColumnStatistics) -> str:
    if one.example and one.example.lower() in ("on", "off", "true", "false", "open", "closed"):
        return "a column of on and off is light_on or fan_on"
    if one.example and "," in one.example:
        return 'write decimal = ","'
    return "map another column, set decimal, or list the words under empty"


def _nonsense(one: ColumnStatistics, what: str, step: str) -> TomatoError:
    return TomatoError(
        "E-IMPORT-NONSENSE",
        f"{one.quantity} from {one.column!r}: {what}.",
        f"In the mapping {step}, see docs/importing.md.",
    )
