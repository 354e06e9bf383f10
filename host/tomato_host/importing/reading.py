"""Files and their mappings to rows in the order of time: duplicates merged, sensors of several files joined, a report.

The result is a view of columns `place`, `ts` (UTC), `row`, one DOUBLE a quantity, and `unreadable` (names, by comma).
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomato_host.errors import TomatoError
from tomato_host.importing.engine import Progress, connect, identifier, one_row, text
from tomato_host.importing.joining import joined_sql, quantities_of
from tomato_host.importing.mapping import TableMapping
from tomato_host.importing.parsing import ParsedTable, parse
from tomato_host.importing.raw_table import facts_for, raw_table
from tomato_host.importing.report import ImportReport
from tomato_host.importing.summary import check_tables, summarise

if TYPE_CHECKING:
    import duckdb

_FETCH_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class TableRow:
    """One moment of the table: values by quantity, None for an empty cell; names in `unreadable` were no numbers."""

    number: int
    """Line of the file."""
    ts: datetime
    values: dict[str, float | None]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableReading:
    """Files that were read; valid inside `read_tables`."""

    connection: duckdb.DuckDBPyConnection
    rows: str
    """The table expression of all rows."""
    quantities: tuple[str, ...]
    mappings: tuple[TableMapping, ...]
    first_line: int
    report: ImportReport

    def places(self) -> list[str]:
        """Names of the places, sorted."""
        found = self.connection.execute(f"SELECT DISTINCT place FROM {self.rows} ORDER BY place").fetchall()
        return [name for (name,) in found]

    def iterate(self, place: str | None = None) -> Iterator[TableRow]:
        """Rows of one place, or of all, in the order of time."""
        rows = self.rows if place is None else f"(SELECT * FROM {self.rows} WHERE place = {text(place)})"
        return iterate_rows(self.connection, rows, self.quantities, self.first_line)

    def hourly(self, place: str | None = None) -> dict[str, dict[int, float]]:
        """See `hourly_columns`."""
        return hourly_columns(self.connection, self.rows, self.quantities, place)


def iterate_rows(
    connection: duckdb.DuckDBPyConnection, rows: str, quantities: Sequence[str], first_line: int
) -> Iterator[TableRow]:
    """Rows of a table expression in the order of time; NULL and infinite values are None."""
    listed = ", ".join(identifier(name) for name in quantities)
    found = connection.execute(f"SELECT row, ts, unreadable, {listed} FROM {rows} ORDER BY place, ts, row")
    while batch := found.fetchmany(_FETCH_ROWS):
        for number, ts, unreadable, *values in batch:
            named = dict(zip(quantities, values, strict=True))
            bad = tuple(unreadable.split(",")) if unreadable else ()
            yield TableRow(number + first_line, ts.replace(tzinfo=UTC), named, bad)


@contextmanager
def read_tables(
    files: Sequence[tuple[Path, TableMapping]], progress: Progress | None = None, *, judge: bool = True
) -> Iterator[TableReading]:
    """Read files by their mappings; with `judge` what would be nonsense is refused.

    Raises TomatoError E-CSV-FILE, E-CSV-COLUMNS, E-CSV-TIME, E-CSV-EMPTY, E-IMPORT-NONSENSE, E-IMPORT-EXTRA.
    """
    with tempfile.TemporaryDirectory(prefix="tomato-import-") as name:
        folder = Path(name)
        with closing(connect(folder)) as connection:
            tables = [
                _parsed(connection, path, mapping, folder, k, _part(progress, k, len(files)))
                for k, (path, mapping) in enumerate(files)
            ]
            surveys = check_tables(connection, tables, judge)
            rows = joined_sql(connection, tables, folder)
            quantities = quantities_of(tables)
            report = summarise(connection, tables, surveys, rows)
            mappings = tuple(mapping for _, mapping in files)
            yield TableReading(connection, rows, quantities, mappings, tables[0].header_line, report)


def _part(progress: Progress | None, k: int, count: int) -> Progress | None:
    return None if progress is None else lambda share: progress((k + share) / count)


def _parsed(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    mapping: TableMapping,
    folder: Path,
    k: int,
    progress: Progress | None,
) -> ParsedTable:
    import duckdb

    own = folder / str(k)
    own.mkdir()
    try:
        table = raw_table(connection, facts_for(path, mapping), mapping, own)
        return parse(connection, table, mapping, path, own / "parsed.parquet", progress)
    except duckdb.Error as error:
        reason = str(error).splitlines()[0][:200]
        raise TomatoError(
            "E-CSV-FILE", f"{path} is no readable table: {reason}.", "Check separator and header_line in the mapping."
        ) from error


def read_rows(path: Path, mapping: TableMapping) -> Iterator[TableRow]:
    """Selected rows of one file in the order of time, times in UTC. Raises what `read_tables` raises."""
    with read_tables([(path, mapping)]) as reading:
        yield from reading.iterate()


def hourly_columns(
    connection: duckdb.DuckDBPyConnection, rows: str, quantities: Sequence[str], place: str | None = None
) -> dict[str, dict[int, float]]:
    """Means (sums of water) by quantity and hour since 1970 of the values that are possible."""
    from tomato_host.importing.units import limits_of

    listed = []
    for name in quantities:
        low, high = limits_of(name)
        column = identifier(name)
        sane = f"{column} BETWEEN {low!r} AND {high!r}" if math.isfinite(low) else f"{column} IS NOT NULL"
        listed.append(f"{'sum' if name == 'water_ml' else 'avg'}({column}) FILTER (WHERE {sane})")
    where = "" if place is None else f" WHERE place = {text(place)}"
    sql = (
        f"SELECT epoch(ts)::BIGINT // 3600 AS hour, {', '.join(listed)} FROM {rows}{where} GROUP BY hour ORDER BY hour"
    )
    out: dict[str, dict[int, float]] = {}
    for hour, *values in connection.execute(sql).fetchall():
        for name, value in zip(quantities, values, strict=True):
            if value is not None:
                out.setdefault(name, {})[hour] = value
    return out


def span_of(connection: duckdb.DuckDBPyConnection, rows: str) -> tuple[Any, Any]:
    """First and last moment, or two times None."""
    first, last = one_row(connection, f"SELECT min(ts), max(ts) FROM {rows}")
    return first, last
