"""Text cells to UTC times and numbers: one pass over a file writes what was read and what could not be.

The result of the pass, a Parquet file, has a row for each row of the file:
    row         its number below the column names; left out where it is the number in the result
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
from tomato_host.importing.number_text import as_number, number_sql, plain_number_sql
from tomato_host.importing.raw_table import RawTable
from tomato_host.importing.time_text import local_and_utc_sql, plain_times_sql, to_utc_sql

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class ParsedTable:
    """The rows of one file after the pass."""

    path: Path
    source: Path
    mapping: TableMapping
    header_line: int
    numbered: bool
    """Whether `row` is a column of the result."""

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
        file = text(str(self.path))
        if self.numbered:
            return f"read_parquet({file})"
        return f"(SELECT file_row_number + 1 AS row, * FROM read_parquet({file}, file_row_number = true))"


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
    outer = [*(["row"] if table.numbered else []), "place", "short", "long"]
    sql = f"COPY ({_values(inner, mapping, outer)}) TO {text(str(target))} (FORMAT parquet)"
    run_with_progress(connection, sql, progress)
    return ParsedTable(target, source, mapping, table.header_line, table.numbered)


def _common(table: RawTable, mapping: TableMapping) -> list[str]:
    cells = [f"trim(coalesce({table.cell(name)}, ''))" for name in mapping.time_column]
    whole = f"trim({' || chr(32) || '.join(cells)})" if len(cells) > 1 else cells[0]
    only = table.cell(mapping.time_column[0]) if len(cells) == 1 else "NULL::VARCHAR"
    local, utc = plain_times_sql(only, mapping.time_format)
    place = f"trim(coalesce({table.cell(mapping.group)}, ''))" if mapping.group else "''"
    return [
        *(["row"] if table.numbered else []),
        f"{place} AS place",
        f"{local} AS plain_local",
        f"{utc} AS plain_utc",
        f"CASE WHEN plain_local IS NULL AND plain_utc IS NULL THEN {whole} END AS time_text",
        f"{table.last} IS NULL AS short",
        f"coalesce({table.overflow}, '') <> '' AS long",
    ]


def _where(table: RawTable, mapping: TableMapping) -> str:
    conditions = [f"{table.cell(column)} = {text(wanted)}" for column, wanted in mapping.select.items()]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _wide_cells(table: RawTable, mapping: TableMapping) -> str:
    listed = _common(table, mapping)
    for k, spec in enumerate(mapping.columns.values()):
        listed += _cell_columns(k, table.cell(spec.column), mapping)
    return f"SELECT {', '.join(listed)} FROM ({table.sql}){_where(table, mapping)}"


def _long_cells(table: RawTable, mapping: TableMapping) -> str:
    listed = _common(table, mapping)
    whens = " ".join(f"WHEN {text(spec.column)} THEN {k}" for k, spec in enumerate(mapping.columns.values()))
    listed.append(f"CASE trim(coalesce({table.cell(mapping.name_column)}, '')) {whens} ELSE -1 END AS i")
    listed += _cell_columns(0, table.cell(mapping.value_column), mapping)
    return f"SELECT {', '.join(listed)} FROM ({table.sql}){_where(table, mapping)}"


def _cell_columns(k: int, cell: str, mapping: TableMapping) -> list[str]:
    """p<k>: the number of a plain cell that is a value; t<k>: the trimmed text of every other cell, else NULL."""
    number = plain_number_sql(cell, mapping.decimal)
    if any(as_number(empty, mapping.decimal) is not None for empty in mapping.empty):
        number = "NULL::DOUBLE"  # a number that means an empty cell is told apart by its text
    wanted = f"isfinite(q{k}) AND NOT {_is_sentinel(f'q{k}', mapping)}"
    return [
        f"{number} AS q{k}",
        f"CASE WHEN {wanted} THEN q{k} END AS p{k}",
        f"CASE WHEN p{k} IS NULL THEN trim(coalesce({cell}, '')) END AS t{k}",
    ]


def _values(inner: str, mapping: TableMapping, outer: list[str]) -> str:
    """Numbers of the texts t<k>, then values: queries in each other, so that each conversion is made once.

    Columns in `outer` are handed through.

    Most cells are plain (`_cell_columns`, `plain_times_sql`) and need nothing more; only what is left is looked at
    closely, by regular expressions that cost ten times as much.
    """
    specs = list(mapping.columns.items())
    local, utc = local_and_utc_sql("time_text", mapping.time_format)
    numbers = [*outer, "time_text"]
    numbers.append(f"CASE WHEN time_text IS NULL THEN plain_local ELSE {local} END AS local_ts")
    numbers.append(f"CASE WHEN time_text IS NULL THEN plain_utc ELSE {utc} END AS utc_ts")
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
            scaled = f"{{0}} * {factor!r} + {offset!r}" if (factor, offset) != (1, 0) else "{0}"
            values += _value_columns(k, mapping, scaled)
    return f"SELECT {', '.join(values)} FROM (SELECT {', '.join(numbers)} FROM ({inner}))"


def _number_columns(k: int, mapping: TableMapping, is_switch: str) -> list[str]:
    number = number_sql(f"t{k}", mapping.decimal, is_switch)
    return [f"t{k}", f"p{k}", f"CASE WHEN t{k} IS NOT NULL THEN {number} END AS n{k}"]


def _is_sentinel(number: str, mapping: TableMapping) -> str:
    return f"{number} IN ({', '.join(map(repr, mapping.sentinels))})" if mapping.sentinels else "false"


def _value_columns(k: int, mapping: TableMapping, scaled: str) -> list[str]:
    """`scaled` is SQL of a value with {0} for the number; `t<k>` is NULL where p<k> is the number."""
    empty = ", ".join(map(text, mapping.empty))
    sentinel = _is_sentinel(f"n{k}", mapping)
    finite, known = f"isfinite(n{k})", f"t{k} NOT IN ({empty})" if mapping.empty else "true"
    of_text = f"CASE WHEN {known} AND {finite} AND NOT {sentinel} THEN {scaled.format(f'n{k}')} END"
    return [
        f"CASE WHEN t{k} IS NULL THEN {scaled.format(f'p{k}')} ELSE {of_text} END AS v{k}",
        f"CASE WHEN t{k} IS NULL THEN NULL WHEN {known} AND (n{k} IS NULL OR NOT {finite}) THEN t{k} END AS x{k}",
        f"CASE WHEN t{k} IS NULL THEN NULL WHEN {known} AND {sentinel} THEN n{k} END AS s{k}",
    ]


def _long_scale(specs: Sequence[tuple[str, MappedColumn]]) -> str:
    scales = [(k, *spec.scale_for(name)) for k, (name, spec) in enumerate(specs)]
    whens = " ".join(f"WHEN {k} THEN {{0}} * {factor!r} + {offset!r}" for k, factor, offset in scales)
    return f"CASE i {whens} END"
