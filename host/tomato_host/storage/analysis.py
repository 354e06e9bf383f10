"""SQL over a dataset and Parquet files from it, on DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tomato_host.atomic_file import make_directory
from tomato_host.errors import TomatoError
from tomato_host.storage.reader import require_dataset, stream_files


class QueryResult(NamedTuple):
    """The answer to a query."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(root: Path, sql: str) -> QueryResult:
    """Run one SQL statement; each stream is a view with `n`, `seq` and the record's fields (`ts` in UTC).

    Raises TomatoError E-QUERY with DuckDB's message, E-EXTRA-DATA, E-STORAGE-NO-DATASET.
    """
    with _connection(root) as (connection, names):
        duckdb = _duckdb()
        try:
            found = connection.execute(sql)
            columns = [column[0] for column in found.description or ()]
            return QueryResult(columns, found.fetchall() if columns else [])
        except duckdb.Error as error:
            raise TomatoError(
                "E-QUERY",
                f"The query does not work: {str(error).splitlines()[0]}",
                f"Tables here: {', '.join(names) or 'none'}. `DESCRIBE states` shows the columns of one.",
            ) from error


def write_parquet(root: Path, out: Path) -> list[Path]:
    """One `<stream>.parquet` per stream in `out`. Raises TomatoError E-EXTRA-DATA, E-STORAGE-*."""
    with _connection(root) as (connection, names):
        duckdb = _duckdb()
        written = []
        for name in names:
            path = out / f"{name}.parquet"
            try:
                make_directory(out)
                connection.execute(
                    f"COPY (SELECT * FROM {name} ORDER BY n) TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)"
                )
            except (OSError, duckdb.Error) as error:
                raise TomatoError(
                    "E-STORAGE-WRITE",
                    f"{path} cannot be written: {str(error).splitlines()[0]}",
                    "Check the folder given with --out.",
                ) from error
            written.append(path)
        return written


@contextmanager
def _connection(root: Path) -> Iterator[tuple[Any, list[str]]]:
    require_dataset(root)
    duckdb = _duckdb()
    connection = duckdb.connect(
        ":memory:",
        config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"},
    )
    try:
        connection.execute("SET TimeZone = 'UTC'")
        names = []
        for stream, files in stream_files(root / "private").items():
            if _make_view(connection, stream, [path for path in files if path.stat().st_size]):
                names.append(stream)
        yield connection, names
    finally:
        connection.close()


def _make_view(connection: Any, stream: str, files: list[Path]) -> bool:
    """A view over the files of a stream; False when they hold nothing."""
    if not files:
        return False
    listed = "[" + ", ".join(_quoted(str(path)) for path in files) + "]"
    source = f"read_json({listed}, format='newline_delimited', sample_size=-1"
    kinds = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {source})").fetchall()}
    # Times inside a record stay the text that was recorded; a field that never had a value becomes text too.
    record = kinds["record"].replace("TIMESTAMP WITH TIME ZONE", "VARCHAR").replace('"NULL"', "VARCHAR")
    columns = f"columns={{n: 'BIGINT', seq: 'BIGINT', record: {_quoted(record)}}}"
    connection.execute(
        f"CREATE VIEW {stream} AS SELECT n, seq, "
        f"record.* REPLACE (CAST(record.ts AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS ts) FROM {source}, {columns})"
    )
    return True


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duckdb() -> Any:
    try:
        import duckdb
    except ImportError:
        raise TomatoError(
            "E-EXTRA-DATA",
            "Queries and Parquet need DuckDB, which is not installed.",
            "Install it with: pip install 'tomato-host[data]'.",
        ) from None
    return duckdb
