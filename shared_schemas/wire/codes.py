"""Small integers with a meaning: board states, results, reasons, faults, events, and why a reading is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

STATES: tuple[str, ...] = ("BOOT", "SAFE", "READY", "LEASED", "SURVIVAL", "FAULT")
"""States of the board; the wire id is the position."""

STATUSES: tuple[str, ...] = ("ACCEPTED", "REJECTED", "DONE", "ABORTED")
"""What a RESULT may say."""

REASONS: tuple[str, ...] = (
    "none",
    "malformed",
    "expired",
    "unknown_type",
    "schema_mismatch",
    "unknown_output",
    "bad_amount",
    "too_early",
    "no_lease",
    "state",
    "busy",
    "min_pause",
    "hour_budget",
    "day_budget",
    "group_excluded",
    "fault_latched",
    "estop",
    "override",
    "leak",
    "reservoir_empty",
    "over_temp",
    "rh_stale",
    "rh_high",
    "soil_temp_stale",
    "soil_temp_high",
    "co2_stale",
    "co2_high",
    "no_flow",
    "stopped",
    "lease_lost",
    "max_on",
    "reset",
    "unknown_fault",
    "not_latched",
    "cause_lasts",
    "needs_button",
    "bad_key",
    "bad_value",
    "output_on",
    "store_failed",
    "budget_unknown",
    "tag",
    "leak_stale",
    "reservoir_stale",
    "saving",
)
"""Why a command was rejected or a pulse aborted; the wire id is the position. New ones only at the end."""

WHY: tuple[str, ...] = (
    "none",
    "never_read",
    "no_answer",
    "bad_crc",
    "out_of_range",
    "stale",
    "warming_up",
    "disabled",
    "uncalibrated",
    "timeout",
    "unplugged",
)
"""Why a reading has no value."""

EVENTS: tuple[tuple[str, str, str], ...] = (
    ("boot", "reset cause", "firmware slot"),
    ("state", "from state", "to state"),
    ("pulse_start", "output", "amount"),
    ("pulse_end", "output", "delivered"),
    ("pulse_aborted", "output", "reason; the delivered amount is in pulse_end"),
    ("refused", "output", "reason"),
    ("fault", "fault", "detail"),
    ("fault_cleared", "fault", "by: 0 host, 1 button"),
    ("lease_lost", "outputs dropped (bits)", "0"),
    ("estop", "1 pressed, 0 released", "0"),
    ("button", "button", "held ms"),
    ("config", "key", "value"),
    ("sensor_lost", "sensor", "WHY code"),
    ("sensor_back", "sensor", "0"),
    ("counters", "0 fresh, 1 restored, 2 treated as spent", "slot"),
    ("watchdog", "late task", "ms"),
    ("survival", "output", "amount"),
    ("forced", "1 forced ventilation began, 0 ended", "0"),
    ("manual", "1 manual override began, 0 ended", "0"),
    ("save_failed", "failures so far", "0"),
)
"""Kinds of event with the meaning of their two details; the wire id is the position. New ones only at the end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that latches. `clear`: `host` may clear it by name once the cause is gone, `button` wants a hand."""

    wire_id: int
    name: str
    clear: Literal["host", "button"]
    blocks: tuple[str, ...]
    """Outputs that stay off while it is latched; `*` = all."""
    meaning: str
    alarm: bool = False
    """True: the buzzer sounds while it is latched."""


FAULTS: tuple[Fault, ...] = (
    Fault(0, "leak", "button", ("water_pump", "humidifier", "heater_mat"), "Water lies where none should.", True),
    Fault(
        1,
        "over_temp",
        "button",
        ("light", "heater_mat"),
        "The air reached over_temp_on_c; ventilation is forced until it falls below over_temp_off_c.",
        True,
    ),
    Fault(2, "estop", "button", ("*",), "The emergency stop was pressed."),
    Fault(3, "no_flow", "host", ("water_pump",), "The pump ran and no water came: clogged or dry."),
    Fault(4, "stuck_valve", "button", ("water_pump",), "Water flowed while the pump was off.", True),
    Fault(
        5,
        "co2_high",
        "host",
        ("co2_solenoid",),
        "CO2 reached co2_alarm_ppm: the valve may be stuck open; the exhaust is forced meanwhile.",
        True,
    ),
    Fault(
        6, "soil_hot", "host", ("heater_mat",), "The substrate reached soil_hot_c: the heater may be stuck on.", True
    ),
    Fault(
        7,
        "counters_lost",
        "host",
        (),
        "No stored counter record is whole: every budget counts as spent until it has rolled over.",
    ),
    Fault(8, "config_lost", "host", (), "No stored configuration is whole; the safe defaults are in force."),
    Fault(9, "watchdog_reset", "host", (), "The last reset was the watchdog's."),
    Fault(10, "overrun", "button", ("*",), "An output pin does not read back what was written to it.", True),
)
"""All faults; bit n of `faults` is wire_id n. One that blocks every output brings the board to FAULT."""
