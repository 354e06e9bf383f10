"""Reads the tables of a Markdown page, so that a page of docs/ can be the specification of code."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def tables(page: str) -> list[list[dict[str, str]]]:
    """Every table of docs/`page` as rows by column name."""
    found: list[list[dict[str, str]]] = []
    header: list[str] | None = None
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = cells
            found.append([])
        elif not set(line) <= set("|- :"):
            found[-1].append(dict(zip(header, cells, strict=True)))
    return found


def table_with(page: str, *columns: str) -> list[dict[str, str]]:
    """The one table of docs/`page` that has all these columns."""
    matching = [t for t in tables(page) if t and set(columns) <= set(t[0])]
    assert len(matching) == 1, f"docs/{page} must have exactly one table with {columns}, found {len(matching)}"
    return matching[0]
