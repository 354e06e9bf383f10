"""Import of a large log: rows a second and memory, beside the engine's bare read of the same file in the same run."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from tomato_host.importing.imported import write_imported
from tomato_host.importing.proposal import propose
from tomato_host.importing.reading import read_tables

TITLE = "import of a log"
QUICK_MB = 20
WHOLE_MB = int(os.environ.get("TOMATO_BENCH_IMPORT_MB", "500"))
_BLOCK_ROWS = 100_000


def run(quick: bool = False) -> dict[str, Any]:
    """Make a log of five columns a row every 10 s, read it bare, import it."""
    with tempfile.TemporaryDirectory(prefix="tomato-bench-") as name:
        folder = Path(name)
        path = folder / "log.csv"
        rows = _write(path, (QUICK_MB if quick else WHOLE_MB) * 1_000_000)
        bare_s = _timed(lambda: _bare(path))
        before_mb = _peak_mb()
        shares: list[float] = []
        import_s = _timed(lambda: _import(path, folder / "out", shares))
        return {
            "megabytes": path.stat().st_size / 1e6,
            "rows": rows,
            "bare_rows_per_s": rows / bare_s,
            "import_rows_per_s": rows / import_s,
            "import_over_bare": import_s / bare_s,
            "peak_mb_before": before_mb,
            "peak_mb": _peak_mb(),
            "progress_reports": len(shares),
            "imported_megabytes": (folder / "out" / "table.parquet").stat().st_size / 1e6,
        }


def _write(path: Path, size: int) -> int:
    """Rows of numbers that repeat every 100,000 rows, at times that do not."""
    begin, rows = datetime(2015, 1, 1), 0
    cells = [
        f",{20 + k % 97 / 10:.1f},{50 + k % 311 / 10:.1f},{30 + k % 83 / 10:.2f},{400 + k % 900},{k % 2}\n"
        for k in range(_BLOCK_ROWS)
    ]
    with path.open("w", encoding="ascii") as file:
        file.write("time,Temperature (C),Humidity (%),Soil Moisture (%),CO2 (ppm),note\n")
        while file.tell() < size:
            stamps = (begin + timedelta(seconds=10 * (rows + k)) for k in range(_BLOCK_ROWS))
            file.write("".join(f"{ts:%Y-%m-%d %H:%M:%S}{cell}" for ts, cell in zip(stamps, cells, strict=True)))
            rows += _BLOCK_ROWS
    return rows


def _bare(path: Path) -> None:
    duckdb.connect().execute(f"SELECT count(*), max(#2) FROM (SELECT * FROM read_csv('{path}'))").fetchall()


def _import(path: Path, out: Path, shares: list[float]) -> None:
    with read_tables([(path, propose(path, "Europe/Vienna").mapping)], shares.append) as reading:
        write_imported(reading, out)


def _timed(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
