"""Judge parsed files, and count what they held: the findings of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tomato_host.errors import TomatoError
from tomato_host.importing.engine import one_row
from tomato_host.importing.joining import is_increasing
from tomato_host.importing.parsing import ParsedTable
from tomato_host.importing.plausibility import MOST_BAD_TIMES, ColumnStatistics, check_plausible
from tomato_host.importing.report import Example, Finding, ImportReport, QuantityFacts
from tomato_host.importing.units import limits_of

if TYPE_CHECKING:
    import duckdb

_HOUR_S = 3_600
_SHOWN = 60


def check_tables(connection: duckdb.DuckDBPyConnection, tables: Sequence[ParsedTable], judge: bool) -> None:
    """Raises TomatoError E-CSV-EMPTY, E-CSV-TIME; with `judge` also E-IMPORT-NONSENSE."""
    for table in tables:
        rows, bad, line, shown = one_row(
            connection,
            f"SELECT count(*), count(bad_time), min(row) FILTER (WHERE bad_time IS NOT NULL), arg_min(bad_time, row)"
            f" FROM {table.sql}",
        )
        if not rows:
            raise TomatoError("E-CSV-EMPTY", f"{table.source.name} has no readable values.", "Check the mapping.")
        # One line among a few may be the end of a file that was cut off; more is a wrong format.
        if bad > max(MOST_BAD_TIMES * rows, 0.0) and not (bad == 1 and rows > 2):
            raise TomatoError(
                "E-CSV-TIME",
                f"{table.source.name} line {line + table.header_line}: {shown!r} is no time in the format"
                f" {table.mapping.time_format!r}; so are {bad} of {rows} rows.",
                "Set time_format in the mapping file.",
            )
        _check_era(connection, table)
        if judge:
            for k in range(len(table.quantities)):
                check_plausible(statistics(connection, table, k))


def _check_era(connection: duckdb.DuckDBPyConnection, table: ParsedTable) -> None:
    year = one_row(connection, f"SELECT median(year(ts)) FROM {table.sql}")[0]
    if year is not None and not 1990 <= year <= 2100:
        raise TomatoError(
            "E-CSV-TIME",
            f"{table.source.name}: half of its times lie before the year {year:.0f}.",
            "Set time_format in the mapping file; the logger's clock may never have been set.",
        )


def statistics(connection: duckdb.DuckDBPyConnection, table: ParsedTable, k: int) -> ColumnStatistics:
    """Of quantity k: counts and quantiles of its values."""
    name = table.quantities[k]
    low, high = limits_of(name)
    column, where = ("0", f" WHERE i = {k}") if table.is_long else (str(k), "")
    bounds = f"v{column} NOT BETWEEN {low!r} AND {high!r}" if math.isfinite(low) else "false"
    sql = (
        f"SELECT count(v{column}), count(x{column}), count(s{column}), count(*) FILTER (WHERE {bounds}),"
        f" approx_quantile(v{column}, 0.05), approx_quantile(v{column}, 0.5), approx_quantile(v{column}, 0.95),"
        f" max(v{column}), arg_min(x{column}, row) FROM {table.sql}{where}"
    )
    return ColumnStatistics(name, table.mapping.columns[name].column, *one_row(connection, sql))


def summarise(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[ParsedTable], rows: str, quantities: Sequence[str]
) -> ImportReport:
    """The report of files whose rows were joined into the table expression `rows`."""
    kept, first, last = one_row(connection, f"SELECT count(*), min(ts), max(ts) FROM {rows}")
    places = [name for (name,) in connection.execute(f"SELECT DISTINCT place FROM {rows} ORDER BY 1").fetchall()]
    findings = [finding for table in tables for finding in _of_table(connection, table)]
    findings += _gaps(connection, rows)
    total = sum(one_row(connection, f"SELECT count(*) FROM {table.sql}")[0] for table in tables)
    facts = []
    for table in tables:
        for k, name in enumerate(table.quantities):
            one = statistics(connection, table, k)
            facts.append(QuantityFacts(name, one.column, one.values, one.low, one.middle, one.high))
    if not kept or not any(one.values for one in facts):
        raise TomatoError(
            "E-CSV-EMPTY",
            f"{tables[0].source.name} has no readable values.",
            "Check the mapping: columns, decimal sign.",
        )
    files = tuple(table.source.name for table in tables)
    return ImportReport(files, total, kept, str(first), str(last), tuple(places), tuple(facts), tuple(findings))


@dataclass(frozen=True)
class _Count:
    """Rows to count: by which condition, and what of the first one is shown."""

    kind: str
    what: str
    condition: str
    shown: str


def _of_table(connection: duckdb.DuckDBPyConnection, table: ParsedTable) -> list[Finding]:
    """All findings of one file, in one pass; duplicates, which need the rows sorted, only where there may be any."""
    counts = _counts(table)
    listed = ", ".join(
        f"count(*) FILTER (WHERE {one.condition}), min(row) FILTER (WHERE {one.condition}),"
        f" arg_min({one.shown}, row) FILTER (WHERE {one.condition})"
        for one in counts
    )
    values = one_row(connection, f"SELECT {listed} FROM {table.sql}")
    found = []
    for k, one in enumerate(counts):
        count, line, shown = values[3 * k : 3 * k + 3]
        found.append(Finding(one.kind, one.what, count, _example(table, line, shown) if count else None))
    if table.is_long or not is_increasing(connection, f"(SELECT * FROM {table.sql} WHERE ts IS NOT NULL)"):
        found.append(_duplicates(connection, table))
    return [finding for finding in found if finding.count]


def _counts(table: ParsedTable) -> list[_Count]:
    found = [
        _Count("time", "rows without a readable time were skipped", "bad_time IS NOT NULL", "bad_time"),
        _Count("short", "rows lack cells at their end; those count as empty", "short", "'too short'"),
        _Count("long", "rows have more cells than the header; the rest was left out", "long", "'too long'"),
    ]
    if table.is_long:
        found.append(_Count("other", "rows of sensors that are not mapped", "i < 0", "'not mapped'"))
    for k, name in enumerate(table.quantities):
        c, only = ("0", f"i = {k} AND ") if table.is_long else (str(k), "")
        low, high = limits_of(name)
        outside = f"v{c} NOT BETWEEN {low!r} AND {high!r}" if math.isfinite(low) else "false"
        found += [
            _Count("unreadable", f"cells of {name} are no numbers", f"{only}x{c} IS NOT NULL", f"x{c}"),
            _Count("sentinel", f"cells of {name} mean `no reading`", f"{only}s{c} IS NOT NULL", f"s{c}"),
            _Count("outside_limits", f"values of {name} are impossible, left out of means", only + outside, f"v{c}"),
        ]
    return found


def _example(table: ParsedTable, row: int, shown: Any) -> Example:
    return Example(table.source.name, row + table.header_line, str(shown)[:_SHOWN])


def _duplicates(connection: duckdb.DuckDBPyConnection, table: ParsedTable) -> Finding:
    """Rows whose place and time stood in an earlier row."""
    key = "place, ts, fold, i" if table.is_long else "place, ts, fold"
    where = "ts IS NOT NULL" + (" AND i >= 0" if table.is_long else "")
    count, line, moment = one_row(
        connection,
        f"SELECT coalesce(sum(n - 1), 0)::BIGINT, arg_min(later, ts) FILTER (WHERE n > 1), min(ts) FILTER (WHERE n > 1)"
        f" FROM (SELECT ts, count(*) - CASE WHEN fold AND count(*) > 1 THEN 1 ELSE 0 END AS n, max(row) AS later"
        f" FROM {table.sql} WHERE {where} GROUP BY {key})",
    )
    what = "rows repeat the time of an earlier row; each moment counts once"
    return Finding("duplicate", what, count, _example(table, line, moment) if count else None)


def _gaps(connection: duckdb.DuckDBPyConnection, rows: str) -> list[Finding]:
    """Whole hours without a row between the first and the last, by place."""
    hours = f"SELECT DISTINCT place, epoch(ts)::BIGINT // {_HOUR_S} AS hour FROM {rows}"
    steps = (
        f"SELECT place, hour, hour - lag(hour) OVER (PARTITION BY place ORDER BY hour) - 1 AS missing FROM ({hours})"
    )
    count, longest, hour = one_row(
        connection,
        f"SELECT count(*), max(missing), arg_max(hour - missing, missing) FROM ({steps}) WHERE missing > 0",
    )
    if not count:
        return []
    begin = one_row(connection, f"SELECT make_timestamp({int(hour) * _HOUR_S * 1_000_000})")[0]
    return [Finding("gap", f"gaps of an hour or more; the longest has {longest} h and begins {begin} UTC", count)]
