"""Look at the beginning of a file: its kind, text encoding, separator, where the column names stand, sample rows."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tomato_host.errors import TomatoError

SAMPLE_BYTES = 256 * 1024
SAMPLE_ROWS = 2_000
_DELIMITERS = (",", ";", "\t", "|")
_MOST_PREAMBLE = 60
"""Lines before the column names that are searched."""

Kind = Literal["text", "xlsx", "parquet"]


@dataclass(frozen=True)
class TableFacts:
    """What was seen of one file; `rows` are the first rows below the column names."""

    path: Path
    kind: Kind
    encoding: str
    delimiter: str
    header_line: int
    """Line of the column names, from 1; 0 when there are none."""
    header: tuple[str, ...]
    """Column names, each once: a second `T` is `T (2)`."""
    rows: tuple[tuple[str, ...], ...]
    repeated: tuple[str, ...] = ()
    """Names that stood in the header more than once."""

    def column(self, name: str) -> list[str]:
        """The sample cells of one column that are not blank."""
        at = self.header.index(name)
        return [cell for row in self.rows if at < len(row) and (cell := row[at].strip())]


def unreadable(path: Path, why: object) -> TomatoError:
    """The error of a file that cannot be opened or is no table."""
    reason = getattr(why, "strerror", None) or why
    return TomatoError("E-CSV-FILE", f"{path} cannot be read: {reason}.", "Check the path; CSV, XLSX or Parquet.")


def kind_of(path: Path) -> Kind:
    """Text, Excel workbook or Parquet, by the first bytes. Raises TomatoError E-CSV-FILE."""
    try:
        with path.open("rb") as file:
            begin = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from error
    if begin.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            if "xl/workbook.xml" in archive.namelist():
                return "xlsx"
        raise unreadable(path, "it is a ZIP archive, not a table; unpack it first")
    if begin.startswith(b"\xd0\xcf\x11\xe0"):
        raise unreadable(path, "it is an old Excel file (.xls); save it as .xlsx or CSV")
    if begin.lstrip().startswith((b"{", b"[{")):
        raise unreadable(path, "it is JSON, not a table; export CSV")
    return "parquet" if begin.startswith(b"PAR1") else "text"


def inspect(path: Path, delimiter: str | None = None, header_line: int | None = None) -> TableFacts:
    """What one file looks like; `delimiter` and `header_line` are taken as given where they are known.

    Raises TomatoError E-CSV-FILE, E-CSV-EMPTY.
    """
    kind = kind_of(path)
    if kind == "text":
        return _inspect_text(path, delimiter, header_line)
    from tomato_host.importing.workbook import first_rows

    rows = first_rows(path, kind, SAMPLE_ROWS + _MOST_PREAMBLE)
    line = header_line if header_line is not None else (1 if kind == "parquet" else header_position(rows))
    return _facts(path, kind, "utf-8", ",", line, rows)


def _inspect_text(path: Path, delimiter: str | None, header_line: int | None) -> TableFacts:
    data, encoding = _beginning(path)
    text = data.decode(encoding, errors="replace").lstrip("\ufeff")
    lines = text.splitlines()
    if len(data) >= SAMPLE_BYTES:
        lines = lines[:-1]
    if not any(line.strip() for line in lines):
        raise TomatoError("E-CSV-EMPTY", f"{path.name} is empty.", "Export it again.")
    declared = lines[0].strip().lower()
    if delimiter is None and declared.startswith("sep=") and len(declared) == 5:
        delimiter = declared[4]
    found = delimiter or _likely_delimiter(lines)
    rows = [tuple(row) for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=found)]
    line = header_line if header_line is not None else header_position(rows)
    return _facts(path, "text", encoding, found, line, rows)


def _facts(path: Path, kind: Kind, encoding: str, delimiter: str, line: int, rows: list[tuple[str, ...]]) -> TableFacts:
    body = rows[line:]
    wide = max((len(row) for row in rows[:SAMPLE_ROWS]), default=0)
    names = rows[line - 1] if 0 < line <= len(rows) else tuple(str(k + 1) for k in range(wide))
    header = distinct(names)
    repeated = tuple(name for name, count in Counter(name.strip() for name in names).items() if count > 1 and name)
    return TableFacts(path, kind, encoding, delimiter, line, header, tuple(body[:SAMPLE_ROWS]), repeated)


def distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Column names without surrounding blanks, each once: a second `T` becomes `T (2)`."""
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        bare = name.strip()
        seen[bare] += 1
        out.append(bare if seen[bare] == 1 else f"{bare} ({seen[bare]})")
    return tuple(out)


def _beginning(path: Path) -> tuple[bytes, str]:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as packed:
                data = packed.read(SAMPLE_BYTES)
        else:
            with path.open("rb") as plain:
                data = plain.read(SAMPLE_BYTES)
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    return data, encoding_of(data)


def encoding_of(data: bytes) -> str:
    """The encoding of a text by its first bytes: byte order mark, zero bytes, valid UTF-8, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if data.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    even, odd = data[0:4_000:2].count(0), data[1:4_000:2].count(0)
    if max(even, odd) > min(len(data), 4_000) // 5:
        return "utf-16-le" if odd > even else "utf-16-be"
    try:
        data[: len(data) - 4].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 8:
            return "cp1252"
    return "utf-8"


def _likely_delimiter(lines: list[str]) -> str:
    """The separator that gives most lines the same number of cells, and more of them where several do."""
    sample = [line for line in lines[:400] if line.strip()]
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in csv.reader(sample, delimiter=delimiter))
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1]))
        # A comma also splits "21,5": a separator that stands in the names as well counts more.
        score = (count / len(sample) if width > 1 else 0.0, width)
        if score[0] > best_score[0] + 0.1 or (score[0] > best_score[0] - 0.1 and _beats(score, best_score, delimiter)):
            best, best_score = delimiter, score
    return best


def _beats(score: tuple[float, int], best: tuple[float, int], delimiter: str) -> bool:
    return score[0] > 0.0 and ((delimiter != "," and score[1] >= 2) or score[1] > best[1])


def header_position(rows: list[tuple[str, ...]]) -> int:
    """The line of the column names, from 1: the first one of the usual width whose cells are no numbers; 0 if none."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 1
    usual = widths.most_common(1)[0][0]
    for k, row in enumerate(rows[:_MOST_PREAMBLE]):
        named = [cell for cell in row if cell.strip()]
        if abs(len(row) - usual) <= 1 and len(named) > 1 and not row[0].startswith("#"):
            numbers = sum(_is_number_or_time(cell) for cell in named)
            return k + 1 if named and numbers == 0 else 0
    return 1


def _is_number_or_time(cell: str) -> bool:
    bare = cell.strip().replace(",", ".")
    if bare[:4].isdigit() and len(bare) >= 8:
        return True
    try:
        float(bare)
    except ValueError:
        return len(bare) >= 6 and sum(c.isdigit() for c in bare) >= 4 and sum(c.isalpha() for c in bare) <= 4
    return True
