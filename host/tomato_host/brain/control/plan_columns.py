"""Columns of a plan array [..., K] by number: which column is which output follows from the registry."""

from __future__ import annotations

from typing import Final

from shared_schemas.devices import GAS, LAMP, MAT, MIST, OUTPUTS, PLAN_COLUMNS, PUMP, STIRRER, VENT

DAY_H: Final = 24
"""Rows of a plan, one an hour, in a day; means of hours as well."""
COLUMNS: Final = len(PLAN_COLUMNS)
INDEX: Final = {name: position for position, name in enumerate(PLAN_COLUMNS)}
LAMP_K, STIR_K, VENT_K, MIST_K, MAT_K, DOSE_K, GAS_K = (
    INDEX[row.column] for row in (LAMP, STIRRER, VENT, MIST, MAT, PUMP, GAS)
)
COLUMN_OF: Final = {row.name: INDEX[row.column] for row in OUTPUTS if row.kind == "relay"}
"""Column of each relay, in wire order."""
AMOUNTS: Final = frozenset(row.column for row in OUTPUTS if row.kind != "relay")
"""Columns that hold an amount (ml, s), not a share of the hour."""
MEASURED_ON: Final = {f"{row.name}_on": INDEX[row.column] for row in (VENT, MIST)}
"""Shares of time on, as the estimator measures them, and their column: what guardrails or board cut short is learned as
it was. The other relays run as asked for, or move the air's dryness too little to matter."""
