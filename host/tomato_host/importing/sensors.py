"""The sensors that a long table names, with sample cells of each: read from the whole file, not from its beginning."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from tomato_host.importing.engine import connect
from tomato_host.importing.inspection import TableFacts
from tomato_host.importing.mapping import MappedColumn, TableMapping
from tomato_host.importing.raw_table import raw_table

_SAMPLES = 200
_MOST_SENSORS = 500


def all_sensors(facts: TableFacts, name_column: str, value_column: str) -> dict[str, list[str]]:
    """Up to 200 cells by sensor, in the order of first appearance."""
    shape = TableMapping(
        name="sensors",
        time_column=("-",),
        time_zone="+00:00",
        delimiter=facts.delimiter,
        layout="long",
        columns={"air_temp_c": MappedColumn(column="-")},
    )
    with tempfile.TemporaryDirectory(prefix="tomato-import-") as folder, closing(connect(Path(folder))) as connection:
        table = raw_table(connection, facts, shape, Path(folder))
        name, value = table.cell(name_column), table.cell(value_column)
        found = connection.execute(
            f"SELECT sensor, list(cell ORDER BY row) FROM ("
            f" SELECT row, trim({name}) AS sensor, trim({value}) AS cell, row_number() OVER (PARTITION BY {name}) AS n"
            f" FROM ({table.numbered_sql}) WHERE {name} IS NOT NULL AND {value} IS NOT NULL"
            f") WHERE n <= {_SAMPLES} GROUP BY sensor ORDER BY min(row) LIMIT {_MOST_SENSORS}"
        ).fetchall()
    return {sensor: cells for sensor, cells in found if sensor}
