"""What each cause of a message means for the plant: its least level, when it becomes an alarm, and what to do.

One cause is one message: the board's fault, the anomaly and the mode that follow from one leak share the cause `leak`.
docs/notifications.md prints `CAUSES`; a test compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from shared_schemas.devices import SENSORS
from shared_schemas.records import AnomalyType as T
from shared_schemas.wire import FAULTS

Level = Literal["INFO", "WARNING", "ALARM"]
LEVELS: Final[dict[str, int]] = {"INFO": 0, "WARNING": 1, "ALARM": 2}


@dataclass(frozen=True, slots=True)
class MessageCause:
    """One cause. Judgements: what can kill a plant within a day is at least a WARNING at once and an ALARM in hours."""

    name: str
    at_least: Level
    """Whatever severity the record has."""
    alarm_after_h: float | None
    """A condition that lasts this long is an alarm; None: its level stays."""
    do: str
    """What the reader does about it, one sentence."""

    @property
    def harms_within_a_day(self) -> bool:
        """What can kill a plant, or harm a person, within a day is never held back by quiet hours."""
        return self.at_least != "INFO"


# fmt: off
CAUSES: Final[tuple[MessageCause, ...]] = (
    MessageCause("leak", "ALARM", None, "Dry the floor, find the water; then hold the board's button, "
                 "`tomato-host clear-fault leak`, `tomato-host mode acknowledge`."),
    MessageCause("stuck_valve", "ALARM", None, "Close the tap; then hold the button, "
                 "`tomato-host clear-fault stuck_valve`."),
    MessageCause("estop", "ALARM", None, "Release the stop; then hold the button, `tomato-host clear-fault estop`."),
    MessageCause("overrun", "ALARM", None, "Mains off, replace the relay driver; then hold the button, "
                 "`tomato-host clear-fault overrun`."),
    MessageCause("reservoir", "WARNING", 6.0, "Fill the reservoir: nothing is watered until then."),
    MessageCause("no_water", "WARNING", 3.0, "Look at pump, filter and hose; "
                 "a latched fault wants `tomato-host clear-fault no_flow`."),
    MessageCause("dry", "WARNING", 6.0, "Look at the plant and `tomato-host explain`; water by hand if it hangs."),
    MessageCause("heat", "WARNING", 6.0, "Open the tent or shade it; check fan and lamp."),
    MessageCause("cold", "WARNING", 6.0, "Warm the room, close vents and tent."),
    MessageCause("co2", "WARNING", 2.0, "Air the room before you stay in it; check the valve; "
                 "a latched fault wants `tomato-host clear-fault co2_high`."),
    MessageCause("root_heat", "WARNING", 2.0, "Check the heater mat and its probe, cool the pots; "
                 "a latched fault wants `tomato-host clear-fault soil_hot`."),
    MessageCause("light", "INFO", 12.0, "Check lamp, plug and relay."),
    MessageCause("link", "WARNING", 3.0, "Check cable and power; the board waters a little by itself meanwhile."),
    MessageCause("sensor", "INFO", 12.0, "Check its plug; `tomato-host doctor` names what fails."),
    MessageCause("trust", "INFO", 6.0, "`tomato-host doctor` names the sensors that fail; check their plugs."),
    MessageCause("restarts", "INFO", None, "Check power supply, plug and the pump's diode."),
    MessageCause("records", "ALARM", None, "Free space on the disk before you restart the host."),
    MessageCause("board", "INFO", None, "`tomato-host doctor` names the fault; docs/runbook.md says how to clear it."),
    MessageCause("person", "INFO", None, "`tomato-host mode normal` ends it."),
    MessageCause("climate", "INFO", None, "`tomato-host explain` shows what is done about it."),
    MessageCause("other", "INFO", None, ""),
)
# fmt: on
"""Every cause that has a row; `other` stands for events without one."""

CAUSE_BY_NAME: Final[dict[str, MessageCause]] = {cause.name: cause for cause in CAUSES}

CAUSE_OF_ANOMALY: Final[dict[T, str]] = {
    T.AIR_TEMP_HIGH: "heat",
    T.AIR_TEMP_LOW: "cold",
    T.CO2_HIGH: "co2",
    T.SOIL_DRY: "dry",
    T.SOIL_TEMP_HIGH: "root_heat",
    T.LIGHT_MISMATCH: "light",
    T.LEAK: "leak",
    T.RESERVOIR_LOW: "reservoir",
    T.WATER_NOT_ARRIVING: "no_water",
    T.MCU_DISCONNECTED: "link",
    T.BOARD_FAULT: "board",
    T.SENSOR_FAULT: "sensor",
    T.SENSOR_DISCONNECT: "sensor",
    T.MCU_RESET: "restarts",
}
"""Other anomalies concern the climate, each by itself."""

CAUSE_OF_FAULT: Final[dict[str, str]] = {
    "over_temp": "heat",
    "no_flow": "no_water",
    "co2_high": "co2",
    "soil_hot": "root_heat",
    **{name: name for name in ("leak", "estop", "stuck_valve", "overrun", "restarts")},
}
"""Faults of the board; the others are causes of their own."""

CAUSE_OF_MODE: Final[dict[str, str]] = {
    "leak": "leak",
    "link_down": "link",
    "state_stale": "trust",
    "low_confidence": "trust",
    "over_temperature": "heat",
    "frost_risk": "cold",
    "person": "person",
}
"""Causes of safe mode; `board_fault` and `critical_anomaly` follow from something that has a message of its own."""

FAULT_NAMES: Final = tuple(row.name for row in FAULTS)
PART_OF: Final[dict[str, str]] = {
    **{row.name: row.part for row in SENSORS},
    **{f"soil.P{n}": f"probe {n}" for n in (1, 2)},
    **{f"soil_p{n}_{unit}": f"probe {n}" for n in (1, 2) for unit in ("pct", "raw")},
}
"""The part behind a reading: one SHT4x unplugged is one cause, though two readings are lost."""
