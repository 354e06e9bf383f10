"""The table of values for `status`, for the panel of `run` and for `watch`."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from tomato_host.terminal.quantities import ARROWS, QuantityRow
from tomato_host.terminal.word_table import WordTable

COLUMNS = ("value", "now", "target", "trend", "last 24 h")


def quantity_table(rows: Iterable[QuantityRow]) -> WordTable:
    """A row for each quantity; what lies outside its target has a mark and, where there are colours, a colour."""
    table = WordTable(COLUMNS, right=frozenset({"now"}))
    for row in rows:
        now = Text(f"{row.text} !" if row.is_out else row.text, style="yellow" if row.is_out else "")
        table.add_row(row.name, now, row.target, ARROWS[row.trend], row.spark)
    return table
