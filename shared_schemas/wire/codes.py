"""Small integers with a meaning: board states, results, reasons, faults, events, and why a reading is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

STATES: tuple[str, ...] = ("BOOT", "SAFE", "READY", "LEASED", "SURVIVAL", "FAULT")
"""States of the board; the wire id is the position."""

STATUSES: tuple[str, ...] = ("ACCEPTED", "REJECTED", "DONE", "ABORTED")
"""What a RESULT may say."""


@dataclass(frozen=True, slots=True)
class Code:
    """One named integer; its wire id is its position in the table.

    `reserved`: never sent by the firmware. Its number is kept for ever so that no other code moves; the generator
    gives the firmware no constant for it.
    """

    name: str
    meaning: str
    """One sentence for a person: what it says and, where there is one, the next step."""
    reserved: bool = False


REASON_TABLE: tuple[Code, ...] = (
    Code("none", "Nothing was refused."),
    Code("malformed", "A field is missing, of the wrong type or out of its range."),
    Code("expired", "The command arrived after its not_after_ms; send a new one."),
    Code("unknown_type", "This firmware has no such message; flash the board."),
    Code("schema_mismatch", "Host and board were built from different tables; flash the board."),
    Code("unknown_output", "There is no output with this number."),
    Code("bad_amount", "The amount is zero, or larger than the output's largest dose."),
    Code("too_early", "Not used.", reserved=True),
    Code("no_lease", "Only the holder of a lease may start an output."),
    Code("state", "The board is starting, or halted by a fault."),
    Code("busy", "The output has a running pulse that cannot be prolonged."),
    Code("min_pause", "The output has not rested for its minimum pause yet."),
    Code("hour_budget", "The rolling hour's budget does not cover this amount."),
    Code("day_budget", "The rolling day's budget does not cover this amount."),
    Code("group_excluded", "An output that excludes this one is on or forced on."),
    Code("fault_latched", "A latched fault blocks this output; find its cause, then clear it by name."),
    Code("estop", "The emergency stop is pressed."),
    Code("override", "Somebody at the board switched manual override on."),
    Code("leak", "The leak sensor is wet."),
    Code("reservoir_empty", "The float switch says that the reservoir is empty; fill it."),
    Code("over_temp", "The air is too hot for lamp and heater."),
    Code("rh_stale", "No fresh reading of the humidity."),
    Code("rh_high", "The air is too humid for the humidifier."),
    Code("soil_temp_stale", "No fresh reading of the substrate's temperature."),
    Code("soil_temp_high", "The substrate is too warm for the heater."),
    Code("co2_stale", "No fresh reading of the CO2 concentration."),
    Code("co2_high", "The CO2 concentration is too high for dosing."),
    Code(
        "no_flow",
        "The pump ran and the flow meter counted nothing, or it still rests after that: air in the hose, a"
        " clogged filter, an empty reservoir.",
    ),
    Code("stopped", "The pulse was ended by STOP or STOP_ALL."),
    Code("lease_lost", "The lease lapsed while the pulse ran."),
    Code("max_on", "At the calibrated rate this amount would take longer than the output may be on."),
    Code(
        "reset",
        "Never sent: the host uses this name by itself for a pulse that a reset of the board ended.",
        reserved=True,
    ),
    Code("unknown_fault", "There is no fault with this number."),
    Code("not_latched", "This fault is not latched."),
    Code("cause_lasts", "What latched the fault is still there."),
    Code("needs_button", "Hold the board's button for three seconds, then send the command within a minute."),
    Code("bad_key", "There is no configuration entry with this key."),
    Code("bad_value", "The value is outside the bounds of its configuration entry."),
    Code("output_on", "An output that depends on this entry is on."),
    Code("store_failed", "Not used: a failed flash write is the event save_failed.", reserved=True),
    Code(
        "budget_unknown",
        "The budget does not cover this amount only because restarts of the board, or a lost record,"
        " count as spent; it comes back within a day.",
    ),
    Code("tag", "Not used: kept for authenticated frames.", reserved=True),
    Code("leak_stale", "The leak sensor gives no fresh reading, so water counts as possible."),
    Code("reservoir_stale", "The float switch gives no fresh reading."),
    Code("saving", "The budgets must be written to flash first; ask again after a few seconds."),
)
"""Why a command was rejected or a pulse aborted. New ones only at the end."""

REASONS: tuple[str, ...] = tuple(code.name for code in REASON_TABLE)
"""Names of all reasons; the wire id is the position."""

WHY_TABLE: tuple[Code, ...] = (
    Code("none", "There is a value."),
    Code("never_read", "The sensor has not been read since the board started."),
    Code("no_answer", "The part does not answer: unplugged, or its bus is held."),
    Code("bad_crc", "The answer's check sum is wrong."),
    Code("out_of_range", "The reading is outside what the part can measure here."),
    Code("stale", "The last reading is too old."),
    Code("warming_up", "The part has no measurement yet."),
    Code("disabled", "The part is not fitted or switched off."),
    Code("uncalibrated", "The probe has no two calibration points."),
    Code("timeout", "The part took the command and had no answer in time."),
    Code("unplugged", "The line floats to one of its ends: nothing is connected."),
)
"""Why a reading has no value. New ones only at the end."""

WHY: tuple[str, ...] = tuple(code.name for code in WHY_TABLE)
"""Names of all these reasons; the wire id is the position."""

WEAKENED: tuple[Code, ...] = (
    Code(
        "flow_watch",
        "flow_pulses_per_l is 0 though a flow meter is fitted: neither a dry pump nor a stuck valve is"
        " noticed, and a dose ends by time alone.",
    ),
    Code("survival", "survival_enabled is 0: without a host the board keeps everything off."),
    Code(
        "survival_light", "survival_light_on_s is below survival_light_least_s: alone, the plant gets too little light."
    ),
    Code(
        "survival_water",
        "The programme gives less than survival_water_least_ml a day, or only to soil that is drier"
        " than survival_soil_least_pct: alone, the plant dries.",
    ),
)
"""What a configuration can take away from the board's protection; bit n of `weakened` is position n."""

RESET_CAUSES: dict[int, str] = {
    0: "unknown",
    1: "power-on",
    2: "hard reset",
    3: "watchdog or reset",
    4: "deep sleep",
    5: "soft reset",
}
"""MicroPython's numbers for `machine.reset_cause()`, in HELLO and in the event `boot`. An RP2 says 3 for every reset by
program, too (micropython issue 19409): there only the fault `watchdog_reset` of other ports would tell them apart."""

EVENTS: tuple[tuple[str, str, str], ...] = (
    ("boot", "reset cause", "restarts of late, this one included; one is forgotten every restart_forgotten_ms"),
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
    ("sensor_lost", "sensor", "WHY code of the third round without a value"),
    ("sensor_back", "sensor", "0"),
    ("counters", "0 fresh, 1 restored, 2 treated as spent", "slot"),
    ("watchdog", "late task: 0 link, 1 sensors, 2 decision, 3 pins, 4 messages", "ms it took"),
    ("survival", "output", "amount"),
    ("forced", "1 forced ventilation began, 0 ended", "0"),
    ("manual", "1 manual override began, 0 ended", "0"),
    ("save_failed", "failures so far", "0"),
    ("bus_recovered", "recoveries of the I2C bus since the start", "1 the lines are free, 0 one is still held"),
    ("config_dropped", "key", "stored value that today's bounds refuse; the default is in force"),
)
"""Kinds of event with the meaning of their two details; the wire id is the position. New ones only at the end."""

RESERVED_EVENTS: frozenset[str] = frozenset({"refused"})
"""Never sent: a refusal is the command's RESULT, and an event for each would push rarer ones out of the ring."""


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
    Fault(3, "no_flow", "host", ("water_pump",), "The pump ran three times and no water came: clogged or dry."),
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
    Fault(
        11,
        "restarts",
        "host",
        (),
        "The board restarted again and again: look at its power supply and at the pump's diode. Each restart counts a"
        " share of water and light as spent.",
    ),
    Fault(
        12,
        "config_bounds",
        "host",
        (),
        "Stored settings lie outside today's bounds, so their defaults are in force; the events config_dropped name"
        " them. Set or calibrate them again.",
    ),
)
"""All faults; bit n of `faults` is wire_id n. One that blocks every output brings the board to FAULT."""
