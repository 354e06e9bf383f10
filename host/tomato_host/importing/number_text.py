"""Numbers as growers' logs write them: decimal commas, thousands, units behind the number, on and off."""

from __future__ import annotations

import re

from tomato_host.importing.engine import text
from tomato_host.importing.units import SUFFIXES

ON = ("on", "true", "open", "yes", "heat", "cool", "active", "running", "ein", "an")
OFF = ("off", "false", "closed", "no", "idle", "standby", "inactive", "aus")
_COMMA = re.compile(r"[-+]?\d+,\d+\s*\S{0,4}")
_POINT = re.compile(r"[-+]?\d+\.\d+\s*\S{0,4}")
_THOUSANDS = {".": r"^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$", ",": r"^[-+]?\d{1,3}(\.\d{3})+(,\d+)?$"}


def decimal_of(cells: list[str]) -> str:
    """The decimal sign of sample cells: a comma where more of them have one than a point."""
    commas = sum(bool(_COMMA.fullmatch(cell)) for cell in cells)
    points = sum(bool(_POINT.fullmatch(cell)) for cell in cells)
    return "," if commas > points else "."


def plain_number_sql(cell: str, decimal: str) -> str:
    """SQL of the DOUBLE of an untrimmed cell that holds nothing but a number, else NULL; agrees with `number_sql`."""
    if decimal == ".":
        return f"TRY_CAST({cell} AS DOUBLE)"
    return f"CASE WHEN NOT contains({cell}, '.') THEN TRY_CAST(replace({cell}, ',', '.') AS DOUBLE) END"


def number_sql(cell: str, decimal: str, is_switch: str) -> str:
    """SQL of a finite DOUBLE from a trimmed text cell, or NULL; `is_switch` is SQL: whether on and off are numbers."""
    group = "," if decimal == "." else "."
    bare = f"regexp_replace(replace(replace({cell}, '−', '-'), '\u00a0', ''), '\\s*{SUFFIXES}$', '')"
    grouped = f"regexp_matches({bare}, {text(_THOUSANDS[decimal])})"
    ungrouped = f"CASE WHEN {grouped} THEN replace({bare}, {text(group)}, '') ELSE {bare} END"
    if decimal == ",":
        tried = f"TRY_CAST(replace({ungrouped}, ',', '.') AS DOUBLE)"
    else:
        tried = f"coalesce(TRY_CAST({cell} AS DOUBLE), TRY_CAST({ungrouped} AS DOUBLE))"
    if is_switch != "false":
        on, off = (f"lower({cell}) IN ({', '.join(map(text, words))})" for words in (ON, OFF))
        tried = f"CASE WHEN {is_switch} AND {on} THEN 1.0 WHEN {is_switch} AND {off} THEN 0.0 ELSE {tried} END"
    return tried


def is_switch_text(cells: list[str]) -> bool:
    """Whether sample cells say on and off."""
    words = {cell.lower() for cell in cells}
    return bool(words) and words <= {*ON, *OFF, "unavailable", "unknown"} and bool(words & {*ON, *OFF})


def as_number(cell: str, decimal: str) -> float | None:
    """One sample cell as a number, by the same rules; None when it is none."""
    bare = re.sub(rf"\s*{SUFFIXES}$", "", cell.replace("−", "-").strip())
    if re.match(_THOUSANDS[decimal], bare):
        bare = bare.replace("," if decimal == "." else ".", "")
    try:
        value = float(bare.replace(",", ".") if decimal == "," else bare)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") else None
