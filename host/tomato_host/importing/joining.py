"""Parsed files to one table in the order of time.

One wide file keeps its own moments: of rows that share one, the first that fills a cell counts. Sensors that report at
times of their own (the long layout, a file for each sensor) are brought to common rows of `every_min` minutes: levels
are averaged, water is summed. An exporter that writes changes only holds the last value for `hold_min` minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tomato_host.importing.engine import identifier, one_row, text
from tomato_host.importing.mapping import SWITCHES
from tomato_host.importing.parsing import ParsedTable

if TYPE_CHECKING:
    import duckdb

_LONGEST_SWITCH_MIN = 7 * 24 * 60
_SUMMED = ("water_ml",)
_MOST_LATE_ROWS = 50_000
_MOST_SPANS = 32


def quantities_of(tables: Sequence[ParsedTable]) -> tuple[str, ...]:
    """Every quantity that any file maps, in the order of the files."""
    return tuple(dict.fromkeys(name for table in tables for name in table.quantities))


def joined_sql(connection: duckdb.DuckDBPyConnection, tables: Sequence[ParsedTable], folder: Path) -> str:
    """The table expression of all rows: place, ts, row, a column a quantity, unreadable."""
    names = quantities_of(tables)
    parts = [_moments(connection, table, folder / str(k)) for k, table in enumerate(tables)]
    if len(parts) == 1 and not tables[0].is_long:
        return parts[0]
    united = " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts)
    if all(set(table.quantities) == set(names) and not table.is_long for table in tables):
        return _stored(connection, _merged(f"({united})", names), folder / "joined.parquet")
    every = min(table.mapping.every_min for table in tables)
    held = {
        name: _LONGEST_SWITCH_MIN if name in SWITCHES else table.mapping.hold_min
        for table in tables
        if table.is_long
        for name in table.quantities
        if name not in _SUMMED and (table.mapping.hold_min or name in SWITCHES)
    }
    return _stored(connection, _binned(f"({united})", names, every, held), folder / "joined.parquet")


def _stored(connection: duckdb.DuckDBPyConnection, sql: str, target: Path) -> str:
    connection.execute(f"COPY ({sql}) TO {text(str(target))} (FORMAT parquet)")
    return f"read_parquet({text(str(target))})"


def _moments(connection: duckdb.DuckDBPyConnection, table: ParsedTable, folder: Path) -> str:
    """One file's rows by moment, sorted, without duplicates."""
    source = f"(SELECT * FROM {table.sql} WHERE ts IS NOT NULL)"
    if one_row(connection, f"SELECT coalesce(bool_or(fold), false) FROM {source}")[0]:
        source = _unfolded(source, table.is_long)
    names = table.quantities
    if table.is_long:
        return _stored(connection, _pivoted(source, names), folder / "moments.parquet")
    bad = ", ".join(f"CASE WHEN x{k} IS NOT NULL THEN {text(name)} END" for k, name in enumerate(names))
    listed = ", ".join(f"v{k} AS {identifier(name)}" for k, name in enumerate(names))
    plain = f"SELECT place, ts, row, {listed}, nullif(concat_ws(',', {bad}), '') AS unreadable FROM {source}"
    if is_increasing(connection, source):
        return f"({plain})"
    spans = disordered_spans(connection, source)
    if spans is not None:
        return _sorted_in_spans(plain, names, spans)
    return _stored(connection, _merged(f"({plain})", names), folder / "moments.parquet")


def is_increasing(connection: duckdb.DuckDBPyConnection, source: str) -> bool:
    """Whether the rows of a single place stand in the order of time, each moment once."""
    ordered = f"SELECT ts > lag(ts) OVER () AS later, place FROM {source}"
    row = one_row(connection, f"SELECT coalesce(bool_and(later), true), count(DISTINCT place) FROM ({ordered})")
    return bool(row[0]) and row[1] <= 1


Span = tuple[datetime, datetime]
"""First and last moment, in UTC."""


def disordered_spans(connection: duckdb.DuckDBPyConnection, source: str) -> list[Span] | None:
    """Spans of time outside of which the rows of a single place stand in the order of time, each moment once.

    None where there are several places, or so many late rows that the whole has to be sorted. A log that is in
    order but for the hour that the clock leaves out in spring, or a few lines written twice, is sorted there only.
    """
    if one_row(connection, f"SELECT count(DISTINCT place) FROM {source}")[0] > 1:
        return None
    so_far = f"SELECT ts, max(ts) OVER (ROWS UNBOUNDED PRECEDING) AS latest FROM {source}"
    before = f"SELECT ts, lag(latest) OVER () AS latest FROM ({so_far})"
    late = f"SELECT ts, latest FROM ({before}) WHERE ts <= latest ORDER BY ts LIMIT {_MOST_LATE_ROWS + 1}"
    found: list[Span] = []
    rows = connection.execute(late).fetchall()
    for begin, end in rows:
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found if len(rows) <= _MOST_LATE_ROWS and len(found) <= _MOST_SPANS else None


def within(spans: Sequence[Span]) -> str:
    """SQL of whether `ts` lies in one of the spans."""
    return " OR ".join(f"ts BETWEEN TIMESTAMP '{begin}' AND TIMESTAMP '{end}'" for begin, end in spans) or "false"


def _sorted_in_spans(plain: str, names: Sequence[str], spans: Sequence[Span]) -> str:
    """All rows in the order of time: those of the spans merged, those between as they stand."""
    parts, since = [], "true"
    for span in spans:
        parts.append(f"(SELECT * FROM ({plain}) WHERE {since} AND ts < TIMESTAMP '{span[0]}')")
        parts.append(f"({_merged(f'(SELECT * FROM ({plain}) WHERE {within([span])})', names)})")
        since = f"ts > TIMESTAMP '{span[1]}'"
    parts.append(f"(SELECT * FROM ({plain}) WHERE {since})")
    return f"({' UNION ALL '.join(f'SELECT * FROM {part}' for part in parts)})"


def _unfolded(source: str, is_long: bool) -> str:
    """When the clock is set back an hour, the second row of the same local time is an hour later."""
    key = "place, ts, i" if is_long else "place, ts"
    numbered = f"SELECT row, row_number() OVER (PARTITION BY {key} ORDER BY row) AS nth FROM {source} WHERE fold"
    second = f"fold AND row IN (SELECT row FROM ({numbered}) WHERE nth > 1)"
    return f"(SELECT * REPLACE (CASE WHEN {second} THEN ts + INTERVAL 1 HOUR ELSE ts END AS ts) FROM {source})"


def _merged(source: str, names: Sequence[str]) -> str:
    """Rows that share a moment become one: of each quantity the first cell that is filled, readable or not."""
    listed = []
    for name in names:
        column = identifier(name)
        filled = f"{column} IS NOT NULL OR list_contains(string_split(coalesce(unreadable, ''), ','), {text(name)})"
        listed.append(f"arg_min({{'v': {column}}}, row) FILTER (WHERE {filled}).v AS {column}")
    bad = "nullif(string_agg(DISTINCT unreadable, ','), '') AS unreadable"
    grouped = f"{source} GROUP BY place, ts ORDER BY place, ts"
    return f"SELECT place, ts, min(row) AS row, {', '.join(listed)}, {bad} FROM {grouped}"


def _pivoted(source: str, names: Sequence[str]) -> str:
    """One value a row becomes one column a quantity; a row of a doubled moment counts once."""
    listed = ", ".join(f"arg_min(v0, row) FILTER (WHERE i = {k}) AS {identifier(name)}" for k, name in enumerate(names))
    bad = ", ".join(
        f"CASE WHEN bool_or(i = {k} AND x0 IS NOT NULL) THEN {text(name)} END" for k, name in enumerate(names)
    )
    ended = ", ".join(f"bool_or(i = {k} AND v0 IS NULL) AS {identifier('end.' + name)}" for k, name in enumerate(names))
    return (
        f"SELECT place, ts, min(row) AS row, {listed}, nullif(concat_ws(',', {bad}), '') AS unreadable, {ended}"
        f" FROM {source} WHERE i >= 0 GROUP BY place, ts ORDER BY place, ts"
    )


def _binned(source: str, names: Sequence[str], every_min: int, held: dict[str, int]) -> str:
    """Common rows of `every_min` minutes; quantities in `held` keep their last value for so many minutes."""
    listed, ends = [], []
    for name in names:
        column = identifier(name)
        listed.append(f"{'sum' if name in _SUMMED else 'avg'}({column}) AS {column}")
        if name in held:
            last, end = identifier("last." + name), identifier("end." + name)
            listed.append(f"arg_max({{'v': {column}}}, ts) FILTER (WHERE {column} IS NOT NULL OR {end}) AS {last}")
            ends.append(name)
    width = f"to_minutes({every_min})"
    bins = (
        f"SELECT place, time_bucket({width}, ts) AS ts, min(row) AS row, {', '.join(listed)},"
        f" nullif(string_agg(DISTINCT unreadable, ','), '') AS unreadable FROM {source} GROUP BY 1, 2"
    )
    if not ends:
        return f"{bins} ORDER BY place, ts"
    grid = f"SELECT place, unnest(generate_series(min(ts), max(ts), {width})) AS ts FROM bins GROUP BY place"
    filled = ", ".join(_held_column(name, held[name]) if name in held else identifier(name) for name in names)
    return (
        f"WITH bins AS ({bins}), grid AS ({grid}), on_grid AS (SELECT grid.place, grid.ts, bins.* EXCLUDE (place, ts)"
        f" FROM grid LEFT JOIN bins ON grid.place = bins.place AND grid.ts = bins.ts)"
        f" SELECT place, ts, coalesce(row, 0) AS row, {filled}, unreadable FROM on_grid"
        f" WINDOW w AS (PARTITION BY place ORDER BY ts ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        f" ORDER BY place, ts"
    )


def _held_column(name: str, minutes: int) -> str:
    column, last = identifier(name), identifier("last." + name)
    seen = f"last_value(CASE WHEN {last} IS NOT NULL THEN ts END IGNORE NULLS) OVER w"
    value = f"(last_value({last} IGNORE NULLS) OVER w).v"
    young = f"ts - {seen} <= to_minutes({minutes})"
    return f"CASE WHEN {column} IS NOT NULL THEN {column} WHEN {young} THEN {value} END AS {column}"
