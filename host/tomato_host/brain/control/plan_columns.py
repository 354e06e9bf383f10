"""The columns of a plan as an array [..., hours, columns]: their order is the registry's, named here once for numpy."""

from __future__ import annotations

from shared_schemas.devices import OUTPUTS, PLAN_COLUMNS

COLUMNS = len(PLAN_COLUMNS)
INDEX = {name: position for position, name in enumerate(PLAN_COLUMNS)}
WATER = INDEX["water_ml"]
"""Millilitres an hour."""
LIGHT, CIRCULATION = INDEX["light"], INDEX["circulation_fan"]
"""Shares of the hour, as exhaust, humidifier and heater."""
EXHAUST, HUMIDIFIER, HEATER = INDEX["exhaust_fan"], INDEX["humidifier"], INDEX["heater_mat"]
CO2 = INDEX["co2_seconds"]
"""Seconds of the valve an hour."""
COLUMN_OF = {row.name: INDEX[row.column] for row in OUTPUTS if row.kind == "relay"}
"""The columns that are duties, by output, in the order of a plan."""
