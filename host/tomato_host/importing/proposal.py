"""Propose a mapping for a file that nobody has described, with its evidence, for the grower to confirm or edit."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.importing.inspection import TableFacts, inspect
from tomato_host.importing.mapping import EMPTY_CELLS, SENTINELS, SWITCHES, MappedColumn, TableMapping
from tomato_host.importing.number_text import as_number, decimal_of, is_switch_text
from tomato_host.importing.time_text import format_of
from tomato_host.importing.units import CONVERSIONS, SUFFIXES, dimension_of, unit_of
from tomato_host.importing.vocabulary import is_time_name, quantity_of

_NAME_COLUMNS = ("entity_id", "statistic_id", "sensor", "sensor_id", "series", "metric", "_field", "name", "device")
_VALUE_COLUMNS = ("state", "mean", "value", "_value")
_HOME_ASSISTANT_HOLD_MIN = 60
"""Home Assistant writes a state when it changes; a sensor that is silent for longer may be gone."""

_TIME_PREFERENCE = ("last_changed", "last_updated", "_time", "start", "start_ts", "time", "timestamp", "date")


@dataclass(frozen=True)
class Proposal:
    """A mapping and why: one remark a line."""

    facts: TableFacts
    mapping: TableMapping
    remarks: tuple[str, ...]

    def toml(self) -> str:
        """The mapping as a file that a grower can edit; remarks are comments."""
        m = self.mapping
        lines = [f"# {remark}" for remark in self.remarks]
        lines += [
            f"file = {_quoted(m.file)}",
            f"time_column = {_listed(m.time_column)}",
            f"time_zone = {_quoted(m.time_zone)}",
        ]
        lines += [f"time_format = {_quoted(m.time_format)}", f"delimiter = {_quoted(m.delimiter)}"]
        lines += [
            f"decimal = {_quoted(m.decimal)}",
            f"encoding = {_quoted(m.encoding)}",
            f"header_line = {m.header_line}",
        ]
        if m.layout == "long":
            lines += [
                'layout = "long"',
                f"name_column = {_quoted(m.name_column)}",
                f"value_column = {_quoted(m.value_column)}",
            ]
            lines.append(f"hold_min = {m.hold_min}")
        lines.append("[table.columns]")
        for name, spec in m.columns.items():
            key = name if re.fullmatch(r"[a-z0-9_]+", name) else _quoted(name)
            unit = f", unit = {_quoted(spec.unit)}" if spec.unit else ""
            lines.append(f"{key} = {{ column = {_quoted(spec.column)}{unit} }}")
        return "[[table]]\n" + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\\u007f", "\\u007F")


def _listed(names: Sequence[str]) -> str:
    return _quoted(names[0]) if len(names) == 1 else "[" + ", ".join(map(_quoted, names)) + "]"


def propose(path: Path, time_zone: str) -> Proposal:
    """A mapping for one file; `time_zone` is that of the site, for times without an offset.

    Raises TomatoError E-CSV-FILE, E-CSV-EMPTY, E-IMPORT-TIME, E-IMPORT-UNKNOWN.
    """
    facts = inspect(path)
    if facts.header_line == 0:
        raise TomatoError(
            "E-IMPORT-UNKNOWN",
            f"{path.name} has no line of column names.",
            "Add one, or write a mapping with header_line = 0 and columns named 1, 2, ...",
        )
    time_column, time_format = _time(facts)
    named = _long_columns(facts)
    decimal = decimal_of([cell for row in facts.rows[:500] for cell in map(str.strip, row)])
    sensors = (
        _sensors(facts, named) if named else {n: facts.column(n) for n in facts.header if n and n not in time_column}
    )
    columns, remarks = _columns(sensors, decimal, path.stem)
    if not columns:
        listed = ", ".join(list(sensors)[:12])
        raise TomatoError(
            "E-IMPORT-UNKNOWN",
            f"Nothing in {path.name} is recognised among {listed[:200] or 'no columns'}.",
            "Write a mapping file (docs/importing.md has one to copy) and give it with --mapping.",
        )
    remarks = [*_file_remarks(facts, time_format), *remarks]
    mapping = TableMapping(
        name=path.name.split(".")[0][:64] or "table",
        file=path.name,
        time_column=time_column,
        time_zone="+00:00" if _is_utc(time_column) else time_zone,
        time_format=time_format,
        delimiter=facts.delimiter,
        decimal=decimal,
        encoding=facts.encoding,
        header_line=facts.header_line,
        layout="long" if named else "wide",
        name_column=named[0] if named else "entity_id",
        value_column=named[1] if named else "state",
        hold_min=_HOME_ASSISTANT_HOLD_MIN if named and named[1].lower() == "state" else 0,
        columns=columns,
    )
    return Proposal(facts, mapping, tuple(remarks))


def _is_utc(names: Sequence[str]) -> bool:
    return any(re.search(r"\butc\b|\bgmt\b|\(z\)", name, re.I) for name in names)


def _file_remarks(facts: TableFacts, time_format: str) -> list[str]:
    found = [f"{facts.path.name}: {facts.kind}, {facts.encoding}, names in line {facts.header_line}"]
    found += [f"two columns are named {name!r}; the second is {name + ' (2)'!r}" for name in facts.repeated]
    if time_format not in ("iso", "unix", "excel"):
        found.append(f"times look like {time_format}")
    return found


def _time(facts: TableFacts) -> tuple[tuple[str, ...], str]:
    """The time column, or date and time columns, and their format."""
    named = [name for name in facts.header if is_time_name(name)]
    named.sort(key=lambda name: _TIME_PREFERENCE.index(name.lower()) if name.lower() in _TIME_PREFERENCE else 99)
    pairs = [
        (date, clock)
        for date in named
        for clock in named
        if date != clock and re.search(r"dat", date, re.I) and re.search(r"time|zeit|uhr", clock, re.I)
    ]
    for pair in pairs:
        days, hours = facts.column(pair[0]), facts.column(pair[1])
        if days and hours and ":" not in days[0] and ":" in hours[0] and len(hours[0]) <= 11:
            joined = [f"{day} {hour}" for day, hour in zip(days, hours, strict=False)]
            if (found := format_of(joined)) is not None:
                return pair, found
    for name in [*named, *(name for name in facts.header[:2] if name and name not in named)]:
        if (found := format_of(facts.column(name))) is not None:
            return (name,), found
    raise TomatoError(
        "E-IMPORT-TIME",
        f"{facts.path.name} has no column whose cells are times; it has {', '.join(facts.header)[:200]}.",
        "Write time_column and time_format into a mapping, see docs/importing.md.",
    )


def _long_columns(facts: TableFacts) -> tuple[str, str] | None:
    """Names of the sensor column and the value column of a long table; None for a wide one."""
    lowered = {name.lower(): name for name in facts.header}
    name = next((lowered[one] for one in _NAME_COLUMNS if one in lowered), None)
    value = next((lowered[one] for one in _VALUE_COLUMNS if one in lowered and facts.column(lowered[one])), None)
    if name is None or value is None:
        return None
    return name, value


def _sensors(facts: TableFacts, named: tuple[str, str]) -> dict[str, list[str]]:
    """Sample cells by sensor; those beyond the sample are found by name in the whole file."""
    from tomato_host.importing.sensors import all_sensors

    return all_sensors(facts, *named)


def _columns(sensors: dict[str, list[str]], decimal: str, place: str) -> tuple[dict[str, MappedColumn], list[str]]:
    columns: dict[str, MappedColumn] = {}
    remarks: list[str] = []
    probes = 0
    for name, cells in sensors.items():
        filled = [cell for cell in cells if cell not in EMPTY_CELLS]
        quantity = quantity_of(name, is_switch_text(filled), place)
        if quantity is None or not filled:
            continue
        numbers = [
            value for cell in filled if (value := as_number(cell, decimal)) is not None and value not in SENTINELS
        ]
        if quantity not in SWITCHES and len(numbers) < 0.3 * len(filled):
            remarks.append(f"{name!r} holds few numbers and is left out")
            continue
        if quantity == "soil.":
            probes += 1
            quantity = f"soil.P{probes}"
        if quantity == "extra.ec":
            quantity = f"extra.ec.P{probes or 1}"
        if quantity in columns:
            remarks.append(f"{name!r} looks like {quantity} as well; {columns[quantity].column!r} is used")
            continue
        unit, remark = _unit(quantity, name, filled, numbers)
        columns[quantity] = MappedColumn(column=name, unit=unit)
        remarks += [remark] if remark else []
    return columns, remarks


def _unit(quantity: str, name: str, cells: list[str], numbers: list[float]) -> tuple[str | None, str | None]:
    """The unit by name, else by the cells' suffix, else by the range of the numbers."""
    dimension = dimension_of(quantity)
    if dimension is None or dimension == "switch":
        return None, None
    suffix = re.search(rf"{SUFFIXES}$", cells[0]) if cells else None
    unit = unit_of(name, dimension) or (unit_of(suffix[0], dimension) if suffix else None)
    ranked = sorted(numbers)
    middle, largest = (ranked[len(ranked) // 2], ranked[-1]) if ranked else (0.0, 0.0)
    if dimension in ("share", "moisture") and quantity != "vent_pct" and 0.0 < largest <= 1.0 and unit in (None, "%"):
        return "0-1", f"{name!r}: no value exceeds {largest:.4g}, so it is taken as 0 to 1"
    if dimension == "temperature" and unit is None:
        if middle > 200.0:
            return "K", f"{name!r}: half of the values are below {middle:.4g}, so it is taken as kelvin"
        if middle > 45.0:
            return "degF", f"{name!r}: half of the values are below {middle:.4g}, so it is taken as Fahrenheit"
    if dimension == "pressure" and unit is None and middle > 8.0:
        return "hPa", f"{name!r}: half of the values are below {middle:.4g}, so it is taken as hPa"
    own = next(iter(CONVERSIONS[dimension]))
    return (None if unit == own else unit), None
