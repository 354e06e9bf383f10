"""The folder that an import writes: its rows as Parquet, and what they are as JSON.

imported.json   format, mappings, report, time zone, SHA-256 of the rows
table.parquet   place, ts (UTC), row, one column a quantity, unreadable
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tomato_host.atomic_file import make_directory, replace_file
from tomato_host.errors import TomatoError
from tomato_host.importing.engine import connect, text
from tomato_host.importing.joining import is_increasing
from tomato_host.importing.mapping import TableMapping
from tomato_host.importing.reading import TableReading
from tomato_host.importing.report import report_from_json

FORMAT = "tomato import 1"
FACTS, TABLE = "imported.json", "table.parquet"


def is_imported(root: Path) -> bool:
    """Whether a folder was written by an import."""
    return (root / FACTS).is_file()


def write_imported(reading: TableReading, root: Path) -> None:
    """Write the rows of a reading into a new or earlier import's folder, completely or not at all.

    Raises TomatoError E-IMPORT-OUTPUT.
    """
    if root.exists() and not is_imported(root) and (not root.is_dir() or any(root.iterdir())):
        raise TomatoError("E-IMPORT-OUTPUT", f"{root} holds something else.", "Give a new folder with -o.")
    try:
        make_directory(root)
        with tempfile.TemporaryDirectory(dir=root, prefix=".writing-") as folder:
            new = Path(folder) / TABLE
            order = "" if is_increasing(reading.connection, reading.rows) else " ORDER BY place, ts"
            sql = f"SELECT * FROM {reading.rows}{order}"
            reading.connection.execute(f"COPY ({sql}) TO {text(str(new))} (FORMAT parquet, COMPRESSION zstd)")
            digest = _sha256(new)
            shutil.move(new, root / TABLE)
        facts = {
            "format": FORMAT,
            "quantities": list(reading.quantities),
            "first_line": reading.first_line,
            "sha256": digest,
            "mappings": [mapping.model_dump(mode="json", exclude_defaults=True) for mapping in reading.mappings],
            "report": reading.report.as_json(),
        }
        replace_file(root / FACTS, json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise TomatoError(
            "E-IMPORT-OUTPUT", f"{root} cannot be written: {error.strerror or error}.", "Give another folder with -o."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_imported(root: Path) -> Iterator[TableReading]:
    """The rows of an import. Raises TomatoError E-IMPORT-DAMAGED, E-IMPORT-EXTRA."""
    facts = _facts(root)
    rows = f"read_parquet({text(str(root / TABLE))})"
    with tempfile.TemporaryDirectory(prefix="tomato-import-") as folder, closing(connect(Path(folder))) as connection:
        yield TableReading(
            connection,
            rows,
            tuple(facts["quantities"]),
            tuple(TableMapping.model_validate(mapping) for mapping in facts["mappings"]),
            facts["first_line"],
            report_from_json(facts["report"]),
        )


def _facts(root: Path) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((root / FACTS).read_bytes())
        if facts["format"] != FORMAT or facts["sha256"] != _sha256(root / TABLE):
            raise ValueError("its hash or format differs")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TomatoError(
            "E-IMPORT-DAMAGED", f"{root} is no whole import: {error}.", "Import the log again."
        ) from error
    return facts
