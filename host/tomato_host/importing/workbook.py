"""Excel workbooks and Parquet files as rows of text cells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Literal

from tomato_host.errors import TomatoError
from tomato_host.importing.engine import connect, identifier, text


def first_rows(path: Path, kind: Literal["xlsx", "parquet"], count: int) -> list[tuple[str, ...]]:
    """The names and first rows. Raises TomatoError E-CSV-FILE, E-IMPORT-EXTRA."""
    if kind == "xlsx":
        return [row for _, row in zip(range(count), sheet_rows(path), strict=False)]
    with closing(connect(path.parent)) as connection:
        found = connection.execute(f"SELECT * FROM read_parquet({text(str(path))}) LIMIT {count}")
        names = tuple(column[0] for column in found.description or ())
        return [names, *(tuple(cell_text(cell) for cell in row) for row in found.fetchall())]


def parquet_cells(path: Path, names: list[str]) -> str:
    """The SQL of a Parquet file's columns as text."""
    listed = ", ".join(f"{identifier(name)}::VARCHAR AS c{k}" for k, name in enumerate(names))
    return f"SELECT {listed} FROM read_parquet({text(str(path))})"


def sheet_rows(path: Path) -> Iterator[tuple[str, ...]]:
    """Rows of the first sheet that holds any, as text. Raises TomatoError E-CSV-FILE, E-IMPORT-EXTRA."""
    try:
        import openpyxl
    except ImportError:
        raise TomatoError(
            "E-IMPORT-EXTRA", "Reading Excel files needs the extra `import`.", "pip install '.[import]'"
        ) from None
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # the library raises what its parts raise
        raise TomatoError("E-CSV-FILE", f"{path} is no Excel file: {error}.", "Save it again, or export CSV.") from None
    with closing(book):
        for sheet in book.worksheets:
            rows = sheet.iter_rows(values_only=True)
            first = next(rows, None)
            if first is None:
                continue
            yield tuple(cell_text(cell) for cell in first)
            for row in rows:
                yield tuple(cell_text(cell) for cell in row)
            return


def sheet_as_csv(path: Path, target: Path) -> None:
    """Write the first sheet as CSV, row by row."""
    with target.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(sheet_rows(path))


def cell_text(value: Any) -> str:
    """A cell as a CSV would hold it; times in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "on" if value else "off"
    return repr(value) if isinstance(value, float) else str(value)
