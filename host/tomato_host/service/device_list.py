"""The outputs and sensors as the dashboard and other programs show them: names, labels, units, what may be switched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from shared_schemas.devices import OUTPUTS, SENSORS, Output, Sensor

Json = dict[str, Any]


def decimals(row: Sensor) -> int:
    """Digits after the point: three significant ones at the upper end of the sensor's range, none above 100."""
    return max(0, 2 - math.floor(math.log10(row.highest))) if row.highest > 0 else 2


def role_of(row: Output) -> str:
    """What an output does to the tent, for a drawing: lamp, water, gas, vent, stir, mist or warmth."""
    roles = (
        ("lamp", row.lights),
        ("water", row.kind == "pump"),
        ("gas", row.kind == "valve"),
        ("vent", row.vents),
        ("stir", row.stirs),
        ("mist", row.carries_water),
    )
    return next((name for name, true in roles if true), "warmth")


def device_list(outputs: Sequence[Output] = OUTPUTS, sensors: Sequence[Sensor] = SENSORS) -> Json:
    """All outputs, and the sensors that are shown on their own, in the order of the registry."""
    return {
        "outputs": [
            {
                "name": row.name,
                "label": row.label,
                "meaning": row.meaning,
                "kind": row.kind,
                "role": role_of(row),
                "action": row.action,
                "column": row.column,
                "device_class": row.home_assistant,
                "lights": row.lights,
                "switchable": row.switchable,
                "max_dose": row.max_dose,
                "dose_unit": row.dose_unit,
            }
            for row in outputs
        ],
        "sensors": [
            {
                "name": row.name,
                "label": row.label,
                "meaning": row.meaning,
                "unit": row.display_unit,
                "decimals": decimals(row),
            }
            for row in sensors
            if row.label
        ],
    }
