"""Judge parsed files, and count what they held: the findings of the report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tomato_host.errors import TomatoError
from tomato_host.importing.engine import one_row
from tomato_host.importing.joining import disordered_spans, is_increasing, within
from tomato_host.importing.parsing import ParsedTable
from tomato_host.importing.plausibility import MOST_BAD_TIMES, ColumnStatistics, check_plausible
from tomato_host.importing.report import Example, Finding, ImportReport, QuantityFacts
from tomato_host.importing.units import limits_of

if TYPE_CHECKING:
    import duckdb

_HOUR_S = 3_600
_SHOWN = 60
_Quantiles = tuple[float | None, float | None, float | None]
_QUANTILE_VALUES = 200_000
"""Quantiles are of so many values at most, spread over the file: of more they differ by less than matters."""


@dataclass(frozen=True)
class _Count:
    """Rows to count: by which condition, and what of the first one is shown."""

    kind: str
    what: str
    condition: str
    shown: str
    quantity: str = ""


@dataclass(frozen=True)
class TableSurvey:
    """What one pass over a parsed file counts, and a first row of everything that was found."""

    rows: int
    statistics: tuple[ColumnStatistics, ...]
    counts: tuple[tuple[_Count, int], ...]
    examples: dict[_Count, tuple[int, Any]]
    """Row and what is shown, of counts above 0."""

    def first(self, kind: str) -> tuple[int, int, Any]:
        """How many rows of a kind, the number of the first, and what it shows."""
        one, count = next((one, count) for one, count in self.counts if one.kind == kind)
        return (count, *self.examples[one]) if count else (0, 0, None)


def check_tables(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[ParsedTable], judge: bool
) -> list[TableSurvey]:
    """Look at each file once. Raises TomatoError E-CSV-EMPTY, E-CSV-TIME; with `judge` also E-IMPORT-NONSENSE."""
    surveys = []
    for table in tables:
        survey = _survey(connection, table)
        bad, line, shown = survey.first("time")
        if not survey.rows:
            raise TomatoError("E-CSV-EMPTY", f"{table.source.name} has no readable values.", "Check the mapping.")
        # One line among a few may be the end of a file that was cut off; more is a wrong format.
        if bad > max(MOST_BAD_TIMES * survey.rows, 0.0) and not (bad == 1 and survey.rows > 2):
            raise TomatoError(
                "E-CSV-TIME",
                f"{table.source.name} line {line + table.header_line}: {shown!r} is no time in the format"
                f" {table.mapping.time_format!r}; so are {bad} of {survey.rows} rows.",
                "Set time_format in the mapping file.",
            )
        _check_era(connection, table)
        if judge:
            for one in survey.statistics:
                check_plausible(one)
        surveys.append(survey)
    return surveys


def _check_era(connection: duckdb.DuckDBPyConnection, table: ParsedTable) -> None:
    years = f"SELECT year(ts) AS y, count(*) AS n FROM {table.sql} WHERE ts IS NOT NULL GROUP BY y"
    sums = f"SELECT y, sum(n) OVER (ORDER BY y) AS until, sum(n) OVER () AS total FROM ({years})"
    year = one_row(connection, f"SELECT min(y) FROM ({sums}) WHERE 2 * until >= total")[0]
    if year is not None and not 1990 <= year <= 2100:
        raise TomatoError(
            "E-CSV-TIME",
            f"{table.source.name}: half of its times lie before the year {year:.0f}.",
            "Set time_format in the mapping file; the logger's clock may never have been set.",
        )


def _survey(connection: duckdb.DuckDBPyConnection, table: ParsedTable) -> TableSurvey:
    """Counts in one pass; quantiles and first rows in another, the latter only of what there is."""
    counts, names = _counts(table), table.quantities
    listed = ["count(*)", *(f"count(*) FILTER (WHERE {one.condition})" for one in counts)]
    for k in range(len(names)):
        value, only = _value_of(table, k)
        listed += [f"count({value}) FILTER (WHERE {only})", f"max({value}) FILTER (WHERE {only})"]
    rows, *values = one_row(connection, f"SELECT {', '.join(listed)} FROM {table.sql}")
    counted = tuple(zip(counts, values[: len(counts)], strict=True))
    filled, largest = values[len(counts) :: 2], values[len(counts) + 1 :: 2]
    quantiles, examples = _closer(connection, table, filled, [one for one, count in counted if count])
    of = {(one.kind, one.quantity): (count, examples.get(one)) for one, count in counted}
    statistics = []
    for k, name in enumerate(names):
        bad, sentinels, impossible = (of[kind, name][0] for kind in ("unreadable", "sentinel", "outside_limits"))
        low, middle, high = quantiles[k]
        first = of["unreadable", name][1]
        column, shown = table.mapping.columns[name].column, None if first is None else first[1]
        numbers = (filled[k], bad, sentinels, impossible, low, middle, high, largest[k])
        statistics.append(ColumnStatistics(name, column, *numbers, shown))
    return TableSurvey(rows, tuple(statistics), counted, examples)


def _value_of(table: ParsedTable, k: int) -> tuple[str, str]:
    """SQL of the value of quantity k, and of which rows have it."""
    return ("v0", f"i = {k}") if table.is_long else (f"v{k}", "true")


def _closer(
    connection: duckdb.DuckDBPyConnection, table: ParsedTable, filled: Sequence[int], found: Sequence[_Count]
) -> tuple[list[_Quantiles], dict[_Count, tuple[int, Any]]]:
    """5 %, 50 % and 95 % quantiles of each quantity with so many values, and the first row of what was `found`."""
    listed = []
    for k, count in enumerate(filled):
        value, only = _value_of(table, k)
        if (step := count // _QUANTILE_VALUES + 1) > 1:
            only += f" AND hash(row) % {step} = 0"
        listed.append(f"approx_quantile({value}, [0.05, 0.5, 0.95]) FILTER (WHERE {only})")
    for one in found:
        where = f"FILTER (WHERE {one.condition})"
        listed += [f"min(row) {where}", f"arg_min({one.shown}, row) {where}"]
    values = one_row(connection, f"SELECT {', '.join(listed)} FROM {table.sql}")
    quantiles: list[_Quantiles] = [tuple(one) if one else (None, None, None) for one in values[: len(filled)]]
    firsts = values[len(filled) :]
    return quantiles, {one: (firsts[2 * k], firsts[2 * k + 1]) for k, one in enumerate(found)}


def summarise(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[ParsedTable],
    surveys: Sequence[TableSurvey],
    rows: str,
) -> ImportReport:
    """The report of files whose rows were joined into the table expression `rows`."""
    kept, first, last, places = one_row(
        connection, f"SELECT count(*), min(ts), max(ts), list(DISTINCT place) FROM {rows}"
    )
    pairs = list(zip(tables, surveys, strict=True))
    findings = [finding for table, survey in pairs for finding in _of_table(connection, table, survey)]
    findings += _gaps(connection, rows)
    facts = [
        QuantityFacts(one.quantity, one.column, one.values, one.low, one.middle, one.high)
        for survey in surveys
        for one in survey.statistics
    ]
    if not kept or not any(one.values for one in facts):
        raise TomatoError(
            "E-CSV-EMPTY",
            f"{tables[0].source.name} has no readable values.",
            "Check the mapping: columns, decimal sign.",
        )
    files, total = tuple(table.source.name for table in tables), sum(survey.rows for survey in surveys)
    named = tuple(sorted(places))
    return ImportReport(files, total, kept, str(first), str(last), named, tuple(facts), tuple(findings))


def _of_table(connection: duckdb.DuckDBPyConnection, table: ParsedTable, survey: TableSurvey) -> list[Finding]:
    """All findings of one file; duplicates, which need the rows sorted, only where there may be any."""
    found = [
        Finding(one.kind, one.what, count, _example(table, *survey.examples[one]))
        for one, count in survey.counts
        if count
    ]
    duplicates = _duplicates(connection, table)
    return [*found, duplicates] if duplicates.count else found


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
            _Count("unreadable", f"cells of {name} are no numbers", f"{only}x{c} IS NOT NULL", f"x{c}", name),
            _Count("sentinel", f"cells of {name} mean `no reading`", f"{only}s{c} IS NOT NULL", f"s{c}", name),
            _Count(
                "outside_limits", f"values of {name} are impossible, left out of means", only + outside, f"v{c}", name
            ),
        ]
    return found


def _example(table: ParsedTable, row: int, shown: Any) -> Example:
    return Example(table.source.name, row + table.header_line, str(shown)[:_SHOWN])


def _duplicates(connection: duckdb.DuckDBPyConnection, table: ParsedTable) -> Finding:
    """Rows whose place and time stood in an earlier row."""
    what = "rows repeat the time of an earlier row; each moment counts once"
    key = "place, ts, fold, i" if table.is_long else "place, ts, fold"
    where = "ts IS NOT NULL" + (" AND i >= 0" if table.is_long else "")
    if not table.is_long:
        source = f"(SELECT * FROM {table.sql} WHERE {where})"
        if is_increasing(connection, source):
            return Finding("duplicate", what, 0)
        if (spans := disordered_spans(connection, source)) is not None:
            where += f" AND ({within(spans)})"
    count, line, moment = one_row(
        connection,
        f"SELECT coalesce(sum(n - 1), 0)::BIGINT, arg_min(later, ts) FILTER (WHERE n > 1), min(ts) FILTER (WHERE n > 1)"
        f" FROM (SELECT ts, count(*) - CASE WHEN fold AND count(*) > 1 THEN 1 ELSE 0 END AS n, max(row) AS later"
        f" FROM {table.sql} WHERE {where} GROUP BY {key})",
    )
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
