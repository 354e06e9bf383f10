"""A table for the terminal that never breaks a word: where its columns do not fit it becomes a list of named values.

Rich narrows the widest columns until the table fits, and breaks the words inside them. Here each column is at least as
wide as its longest word. When the sum of these widths is more than the terminal has, each row is written as a block:
the first cells in one line, every other value as "name value" in the lines below it. Only a word that is longer than
the whole line is still broken, because nothing else can be done with it.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

INDENT = 2
GAP = "  "


def longest_word(texts: Iterable[str]) -> int:
    """Width in terminal columns of the longest word."""
    return max((cell_len(word) for text in texts for word in text.split()), default=1)


def shared_widths(least: Sequence[int], wanted: Sequence[int], room: int) -> list[int]:
    """Widths from `least` to `wanted`; what is left of `room` goes to the narrowest columns that want it."""
    widths = list(least)
    for _ in range(room - sum(least)):
        growing = [at for at, width in enumerate(widths) if width < wanted[at]]
        if not growing:
            break
        widths[min(growing, key=lambda at: widths[at])] += 1
    return widths


def flow(items: Iterable[Text], width: int) -> Text:
    """Items one after the other; a line ends between two of them, so that a value stays beside its name."""
    out, used = Text(), 0
    for item in items:
        size = cell_len(item.plain)
        if used and used + len(GAP) + size > width:
            out.append("\n")
            used = 0
        elif used:
            out.append(GAP)
            used += len(GAP)
        out.append_text(item)
        used += size
    return out


@dataclass
class WordTable:
    """Columns and rows as texts; styles survive in both forms. `first` cells make the first line of a block."""

    columns: Sequence[str]
    title: str = ""
    first: int = 1
    framed: bool = False
    right: frozenset[str] = frozenset()
    """Columns whose values stand at the right, such as numbers."""
    rows: list[list[Text]] = field(default_factory=list)

    def add_row(self, *cells: Text | str) -> None:
        """One cell for each column; a plain text is shown as it stands, never as markup."""
        assert len(cells) == len(self.columns), "one cell for each column"
        self.rows.append([cell if isinstance(cell, Text) else Text(cell) for cell in cells])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich asks for the form that fits into `options.max_width`."""
        widths = [longest_word(self._column(at)) for at in range(len(self.columns))]
        frame = 3 * len(widths) + 1 if self.framed else 2 * len(widths)  # Rich pads the edges, too
        if sum(widths) + frame <= options.max_width:
            wanted = [max(cell_len(text) for text in self._column(at)) for at in range(len(widths))]
            yield self._table(shared_widths(widths, wanted, options.max_width - frame))
            return
        if self.title:
            yield Text(self.title, style="italic")
        for row in self.rows:
            yield from self._block(row, options.max_width)

    def _column(self, at: int) -> list[str]:
        return [self.columns[at], *(row[at].plain for row in self.rows)]

    def _table(self, widths: list[int]) -> Table:
        style = {} if self.framed else {"box": None, "pad_edge": False, "padding": (0, 1)}
        table = Table(title=self.title or None, title_justify="left", header_style="bold", **style)  # type: ignore[arg-type]
        for name, width in zip(self.columns, widths, strict=True):
            table.add_column(Text(name), width=width, justify="right" if name in self.right else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def _block(self, row: list[Text], width: int) -> RenderResult:
        yield flow((cell for cell in row[: self.first] if cell.plain), width)
        named = zip(self.columns[self.first :], row[self.first :], strict=True)
        values = [Text.assemble((f"{name} ", "dim"), cell) for name, cell in named if cell.plain]
        if values:
            yield Padding(flow(values, width - INDENT), (0, 0, 0, INDENT))


def echo(line: str) -> None:
    """Print one line. On a terminal it is wrapped between words, and what follows is indented; a pipe gets it whole."""
    if sys.stdout.isatty():
        width, indent = shutil.get_terminal_size().columns, " " * (2 * INDENT)
        shown = textwrap.wrap(
            line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
        )
        line = "\n".join(shown or [""])
    print(line, flush=True)
