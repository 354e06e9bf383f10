"""Text cells to UTC times and numbers: one pass over a file writes what was read and what could not be.

The result of the pass, a Parquet file, has a row for each row of the file:
    row         its number below the column names
    place       the text of the group column, '' without one
    ts          TIMESTAMP in UTC, NULL where the time could not be read; `fold` where the clock shows that hour twice
    bad_time    the text of a time that could not be read
    short, long whether cells were missing, or too many
    v<i>        the value of quantity i in its own unit, NULL where there is none
    x<i>        the text of a cell that is no number
    s<i>        the number of a cell that means `no reading`
In the long layout a row has one value: `i` is its quantity, and v0, x0, s0 are that value's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomato_host.importing.engine import Progress, run_with_progress, text
from tomato_host.importing.mapping import SWITCHES, MappedColumn, TableMapping
from tomato_host.importing.number_text import number_sql
from tomato_host.importing.raw_table import RawTable
from tomato_host.importing.time_text import local_and_utc_sql, to_utc_sql

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class ParsedTable:
    """The rows of one file after the pass."""

    path: Path
    source: Path
    mapping: TableMapping
    header_line: int

    @property
    def quantities(self) -> tuple[str, ...]:
        """In the order of v0, v1 ..."""
        return tuple(self.mapping.columns)

    @property
    def is_long(self) -> bool:
        """One value a row."""
        return self.mapping.layout == "long"

    @property
    def sql(self) -> str:
        """The rows as a table expression."""
        return f"read_parquet({text(str(self.path))})"


def parse(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    mapping: TableMapping,
    source: Path,
    target: Path,
    progress: Progress | None = None,
) -> ParsedTable:
    """Run the pass over one file and write `target`."""
    inner = _long_cells(table, mapping) if mapping.layout == "long" else _wide_cells(table, mapping)
    sql = f"COPY ({_values(inner, mapping)}) TO {text(str(target))} (FORMAT parquet)"
    run_with_progress(connection, sql, progress)
    return ParsedTable(target, source, mapping, table.header_line)


def _common(table: RawTable, mapping: TableMapping) -> list[str]:
    cells = [f"trim(coalesce({table.cell(name)}, ''))" for name in mapping.time_column]
    place = f"coalesce({table.cell(mapping.group)}, '')" if mapping.group else "''"
    return [
        "row",
        f"trim({place}) AS place",
        f"trim({' || chr(32) || '.join(cells)}) AS time_text",
        f"{table.last} IS NULL AS short",
        f"coalesce({table.overflow}, '') <> '' AS long",
    ]


def _where(table: RawTable, mapping: TableMapping) -> str:
    conditions = [f"{table.cell(column)} = {text(wanted)}" for column, wanted in mapping.select.items()]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _wide_cells(table: RawTable, mapping: TableMapping) -> str:
    listed = _common(table, mapping)
    for k, spec in enumerate(mapping.columns.values()):
        listed.append(f"trim(coalesce({table.cell(spec.column)}, '')) AS t{k}")
    return f"SELECT {', '.join(listed)} FROM ({table.sql}){_where(table, mapping)}"


def _long_cells(table: RawTable, mapping: TableMapping) -> str:
    listed = _common(table, mapping)
    whens = " ".join(f"WHEN {text(spec.column)} THEN {k}" for k, spec in enumerate(mapping.columns.values()))
    listed.append(f"CASE trim(coalesce({table.cell(mapping.name_column)}, '')) {whens} ELSE -1 END AS i")
    listed.append(f"trim(coalesce({table.cell(mapping.value_column)}, '')) AS t0")
    return f"SELECT {', '.join(listed)} FROM ({table.sql}){_where(table, mapping)}"


def _values(inner: str, mapping: TableMapping) -> str:
    """Numbers of the cells t<k>, then values: two queries, so that each conversion is written once."""
    specs = list(mapping.columns.items())
    local, utc = local_and_utc_sql("time_text", mapping.time_format)
    outer = ["row", "place", "short", "long"]
    numbers = [*outer, "time_text", f"{local} AS local_ts", f"{utc} AS utc_ts"]
    converted, twice = to_utc_sql("local_ts", mapping.zone)
    values = [*outer, f"coalesce(utc_ts, {converted}) AS ts", f"utc_ts IS NULL AND {twice} AS fold"]
    values.append("CASE WHEN ts IS NULL THEN time_text END AS bad_time")
    if mapping.layout == "long":
        numbers.append("i")
        values.append("i")
        switches = [str(k) for k, (name, _) in enumerate(specs) if name in SWITCHES]
        numbers += _number_columns(0, mapping, f"i IN ({', '.join(switches)})" if switches else "false")
        values += _value_columns(0, mapping, _long_scale(specs))
    else:
        for k, (name, spec) in enumerate(specs):
            numbers += _number_columns(k, mapping, "true" if name in SWITCHES else "false")
            factor, offset = spec.scale_for(name)
            values += _value_columns(
                k, mapping, f"n{k} * {factor!r} + {offset!r}" if (factor, offset) != (1, 0) else ""
            )
    return f"SELECT {', '.join(values)} FROM (SELECT {', '.join(numbers)} FROM ({inner}))"


def _number_columns(k: int, mapping: TableMapping, is_switch: str) -> list[str]:
    number = number_sql(f"t{k}", mapping.decimal, is_switch)
    return [f"t{k}", f"{number} AS n{k}"]


def _value_columns(k: int, mapping: TableMapping, scaled: str) -> list[str]:
    empty = ", ".join(map(text, mapping.empty))
    sentinel = f"n{k} IN ({', '.join(map(repr, mapping.sentinels))})" if mapping.sentinels else "false"
    finite, known = f"isfinite(n{k})", f"t{k} NOT IN ({empty})"
    return [
        f"CASE WHEN {known} AND {finite} AND NOT {sentinel} THEN {scaled or f'n{k}'} END AS v{k}",
        f"CASE WHEN {known} AND (n{k} IS NULL OR NOT {finite}) THEN t{k} END AS x{k}",
        f"CASE WHEN {known} AND {sentinel} THEN n{k} END AS s{k}",
    ]


def _long_scale(specs: Sequence[tuple[str, MappedColumn]]) -> str:
    scales = [(k, *spec.scale_for(name)) for k, (name, spec) in enumerate(specs)]
    whens = " ".join(f"WHEN {k} THEN n0 * {factor!r} + {offset!r}" for k, factor, offset in scales)
    return f"CASE i {whens} END"
