"""A file as rows of text cells: found by its names, re-encoded where needed, split by the engine.

The rows are a query, not a copy: text of any size streams through it. `row` counts the rows below the column names;
it is left out where the place in the result tells it, because counting holds the query to one processor.
Cells that a short row lacks are NULL, blank ones are ''.
"""

from __future__ import annotations

import codecs
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomato_host.errors import TomatoError
from tomato_host.importing.engine import one_row, text
from tomato_host.importing.inspection import TableFacts, distinct, inspect, unreadable
from tomato_host.importing.mapping import TableMapping
from tomato_host.importing.workbook import parquet_cells, sheet_as_csv

if TYPE_CHECKING:
    import duckdb

_CHUNK = 1 << 20
_SEARCHED_LINES = 60


@dataclass(frozen=True)
class RawTable:
    """The SQL of the rows, and which cell `c<k>` a column is."""

    sql: str
    header: tuple[str, ...]
    header_line: int
    overflow: str
    """SQL of a cell that only rows longer than the header have."""
    numbered: bool
    """Whether `row` is a column; else the rows are all there, in the order of the file."""

    @property
    def numbered_sql(self) -> str:
        """The rows with `row` in any case."""
        return self.sql if self.numbered else f"SELECT row_number() OVER () AS row, * FROM ({self.sql})"

    def cell(self, name: str) -> str:
        """The SQL of a column's cell."""
        return f"c{self.header.index(name)}"

    @property
    def last(self) -> str:
        """The SQL of the last cell, NULL in a row that is too short."""
        return f"c{len(self.header) - 1}"


def facts_for(path: Path, mapping: TableMapping) -> TableFacts:
    """What the file looks like, with the separator and names of the mapping.

    Raises TomatoError E-CSV-FILE, E-CSV-EMPTY, E-CSV-COLUMNS (names the missing ones).
    """
    needed = set(mapping.needed)
    facts = inspect(path, mapping.delimiter, mapping.header_line)
    if not needed <= set(facts.header) and mapping.header_line is None:
        facts = _by_names(path, mapping, needed) or facts
    if missing := [name for name in mapping.needed if name not in facts.header]:
        raise TomatoError(
            "E-CSV-COLUMNS",
            f"{path.name} has no column {', '.join(missing)}; it has {', '.join(facts.header)[:300]}.",
            "Name the columns in a mapping file and give it with --mapping.",
        )
    return facts


def _by_names(path: Path, mapping: TableMapping, needed: set[str]) -> TableFacts | None:
    """The header is the first line that holds every needed name."""
    first = inspect(path, mapping.delimiter, 0)
    for k, row in enumerate(first.rows[:_SEARCHED_LINES]):
        if needed <= set(distinct(row)):
            return inspect(path, mapping.delimiter, k + 1)
    return None


def raw_table(
    connection: duckdb.DuckDBPyConnection, facts: TableFacts, mapping: TableMapping, folder: Path
) -> RawTable:
    """The rows of a file below its names; what must be re-encoded or unpacked is written into `folder`."""
    header = facts.header
    if facts.kind == "parquet":
        sql = f"SELECT row_number() OVER () AS row, * FROM ({parquet_cells(facts.path, list(header))})"
        return RawTable(sql, header, 0, "NULL", True)
    delimiter = mapping.delimiter
    if facts.kind == "xlsx":
        source, delimiter = folder / f"{facts.path.name}.csv", ","
        sheet_as_csv(facts.path, source)
    else:
        encoding = facts.encoding if mapping.encoding == "auto" else mapping.encoding
        source = _as_utf8(facts.path, encoding, folder)
    if not _has_quote(source):
        return _csv_rows(source, facts, delimiter, "", numbered=bool(mapping.select))
    table = _csv_rows(source, facts, delimiter, '"', numbered=True)
    return _csv_rows(source, facts, delimiter, "", numbered=True) if _quote_runs_on(connection, table) else table


def _csv_rows(source: Path, facts: TableFacts, delimiter: str, quote: str, *, numbered: bool) -> RawTable:
    count = len(facts.header) + 1
    columns = ", ".join(f"'c{k}': 'VARCHAR'" for k in range(count))
    row = "row_number() OVER () AS row, " if numbered else ""
    sql = (
        f"SELECT {row}* FROM read_csv({text(str(source))}, all_varchar = true, header = false,"
        f" auto_detect = false, delim = {text(delimiter)}, quote = {text(quote)}, escape = {text(quote)},"
        f" skip = {facts.header_line}, nullstr = '\x01', null_padding = true, strict_mode = false,"
        f" ignore_errors = true, max_line_size = 1048576, columns = {{{columns}}})"
    )
    return RawTable(sql, facts.header, facts.header_line, f"c{count - 1}", numbered)


def _quote_runs_on(connection: duckdb.DuckDBPyConnection, table: RawTable) -> bool:
    """Whether a stray quotation mark has swallowed line breaks."""
    cells = " OR ".join(f"contains(c{k}, chr(10))" for k in range(len(table.header)))
    return bool(one_row(connection, f"SELECT count(*) FROM ({table.sql}) WHERE {cells}")[0])


def _has_quote(source: Path) -> bool:
    with source.open("rb") as file:
        return any(b'"' in chunk for chunk in iter(lambda: file.read(_CHUNK), b""))


def _as_utf8(path: Path, encoding: str, folder: Path) -> Path:
    """The file itself when it is UTF-8 with plain line ends, else a re-encoded copy."""
    try:
        codec = codecs.lookup(encoding).name
    except LookupError:
        raise TomatoError(
            "E-MAPPING-FILE", f"encoding {encoding!r} is unknown.", "Examples: utf-8, utf-16, cp1252."
        ) from None
    if codec == "utf-8" and path.suffix != ".gz" and _is_utf8(path):
        return path
    if codec == "utf-8" and path.suffix != ".gz":
        codec = "cp1252"
    target = folder / f"{path.name}.utf8.csv"
    try:
        open_bytes = gzip.open if path.suffix == ".gz" else open
        with open_bytes(path, "rb") as packed, target.open("w", encoding="utf-8", newline="") as out:
            decoder = codecs.getincrementaldecoder(codec)(errors="replace")
            for chunk in iter(lambda: packed.read(_CHUNK), b""):
                out.write(decoder.decode(chunk).replace("\x00", ""))
            out.write(decoder.decode(b"", final=True))
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    return target


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            for chunk in iter(lambda: file.read(_CHUNK), b""):
                if b"\x00" in chunk:
                    return False
                decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
    return True
