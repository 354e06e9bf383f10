"""The query engine that reads tables: duckdb with a fixed amount of memory and a folder to spill into."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    import duckdb

Progress = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""

MEMORY = "400MB"
"""What the engine may hold; a larger table spills into the working folder."""

_POLL_S = 0.2


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A private in-memory database that spills into `folder`. Raises TomatoError E-IMPORT-EXTRA."""
    try:
        import duckdb
    except ImportError:
        raise TomatoError(
            "E-IMPORT-EXTRA", "Reading tables needs the extra `import`.", "pip install '.[import]'"
        ) from None
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": "2",
        "temp_directory": str(folder / "spill"),
    }
    connection = duckdb.connect(":memory:", config=settings)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = true")
    connection.execute("SET enable_progress_bar_print = false")
    return connection


def run_with_progress(connection: duckdb.DuckDBPyConnection, sql: str, progress: Progress | None) -> None:
    """Execute one statement; `progress` is called a few times a second meanwhile. Raises what the statement raises."""
    if progress is None:
        connection.execute(sql)
        return
    failure: list[BaseException] = []

    def execute() -> None:
        try:
            connection.execute(sql)
        except BaseException as error:  # re-raised in the caller's thread
            failure.append(error)

    worker = threading.Thread(target=execute, daemon=True)
    worker.start()
    try:
        while worker.is_alive():
            worker.join(_POLL_S)
            progress(min(max(connection.query_progress() / 100.0, 0.0), 1.0))
    except KeyboardInterrupt:
        connection.interrupt()
        worker.join()
        raise
    if failure:
        raise failure[0]


def text(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def one_row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """The single row that a query of aggregates returns."""
    row = connection.execute(sql).fetchone()
    assert row is not None
    return row
