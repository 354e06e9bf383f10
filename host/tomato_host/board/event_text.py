"""The board's events as text for the operator: a level and one sentence each."""

from __future__ import annotations

from collections.abc import Callable

from shared_schemas.devices import OUTPUTS, SENSORS
from shared_schemas.wire import CONFIG_KEYS, FAULTS, REASON_TABLE, REASONS, RESET_CAUSES, STATES, WHY, WHY_TABLE
from tomato_host.board.events import BoardEvent, Level

ROUTINE = frozenset({"pulse_start", "pulse_end", "config", "button"})
"""Events that duplicate results and records; they are recorded, but not shown as news."""

ALARMS = frozenset({row.name for row in FAULTS if row.alarm} | {"estop", "no_flow", "restarts"})
"""Faults that need the operator now: those that sound the buzzer, the emergency stop, a pump without water, a board
that restarts again and again."""


def _name(table: tuple[str, ...], code: int) -> str:
    return table[code] if 0 <= code < len(table) else str(code)


_OUTPUTS = tuple(row.name for row in OUTPUTS)
_SENSORS = tuple(row.name for row in SENSORS)
_FAULTS = tuple(row.name for row in FAULTS)


def _amount(output: int, amount: int) -> str:
    """A dose in ml, anything else in seconds."""
    is_dose = 0 <= output < len(OUTPUTS) and OUTPUTS[output].dose_unit == "ml"
    return f"{amount} ml" if is_dose else f"{amount / 1000.0:g} s"


EventText = tuple[Level, str]
"""The level of an event and its sentence."""


def _fault(a: int, b: int) -> EventText:
    name = _name(_FAULTS, a)
    meaning = FAULTS[a].meaning if 0 <= a < len(FAULTS) else "A newer board's fault."
    return ("ALARM" if name in ALARMS else "WARNING"), f"Fault {name} latched on the board. {meaning}"


def _boot(a: int, b: int) -> EventText:
    again = f" Restarts of late: {b}." if b > 1 else ""
    return "INFO", f"The board started; cause of the reset: {RESET_CAUSES.get(a, str(a))}.{again}"


def _state(a: int, b: int) -> EventText:
    level: Level = "WARNING" if _name(STATES, b) in ("SURVIVAL", "FAULT") else "INFO"
    return level, f"Board went from {_name(STATES, a)} to {_name(STATES, b)}."


def _estop(a: int, b: int) -> EventText:
    return ("ALARM", "Emergency stop pressed.") if a else ("INFO", "Emergency stop released.")


def _sensor_lost(a: int, b: int) -> EventText:
    meaning = f" {WHY_TABLE[b].meaning}" if 0 <= b < len(WHY_TABLE) else ""
    return "WARNING", f"The board gets no value from {_name(_SENSORS, a)}: {_name(WHY, b)}.{meaning}"


def _counters(a: int, b: int) -> EventText:
    text = ("fresh", "restored", "lost, so budgets count as spent")[a] if 0 <= a <= 2 else str(a)
    return ("WARNING" if a == 2 else "INFO"), f"Budget counters {text}."


def _aborted(a: int, b: int) -> EventText:
    meaning = f" {REASON_TABLE[b].meaning}" if 0 <= b < len(REASON_TABLE) else ""
    level: Level = "WARNING" if _name(REASONS, b) == "no_flow" else "INFO"  # the plants did not get their water
    return level, f"{_name(_OUTPUTS, a)}: pulse aborted, {_name(REASONS, b)}.{meaning}"


def _watchdog(a: int, b: int) -> EventText:
    return "WARNING", f"A task of the board ({_name(_TASKS, a)}) took {b} ms; at 2,000 ms its watchdog resets it."


def _survival(a: int, b: int) -> EventText:
    return "INFO", f"{_name(_OUTPUTS, a)}: {_amount(a, b)} given by the board's own survival programme."


def _config(a: int, b: int) -> EventText:
    name = _name(_CONFIG, a)
    weak = b == 0 and name in ("flow_pulses_per_l", "survival_enabled", "survival_light_on_s", "survival_dose_ml")
    return ("WARNING" if weak else "INFO"), f"Configuration of the board: {name} is {b} now."


def _dropped(a: int, b: int) -> EventText:
    name = _name(_CONFIG, a)
    if name.endswith("_raw"):
        then = "so the probe has no points: calibrate it"
    else:
        then = "so the default is in force: set it again"
    return "WARNING", f"The board's stored {name} = {b} contradicts what the board accepts today, {then}."


def _forced(a: int, b: int) -> EventText:
    if a:
        return "WARNING", "The board forces ventilation: the air is too hot or holds too much CO2."
    return "INFO", "Forced ventilation ended."


def _bus(a: int, b: int) -> EventText:
    state = "its lines are free" if b else "a line is still held: unplug the parts one by one"
    return "WARNING", f"No part on the sensor bus answered; clocked out, time {a} since the board's start: {state}."


_TASKS = ("link", "sensors", "decision", "pins", "messages")
_CONFIG = tuple(row.name for row in CONFIG_KEYS)

TEXTS: dict[str, Callable[[int, int], EventText]] = {
    "boot": _boot,
    "state": _state,
    "pulse_start": lambda a, b: ("INFO", f"{_name(_OUTPUTS, a)}: on, for {_amount(a, b)} at most."),
    "pulse_end": lambda a, b: ("INFO", f"{_name(_OUTPUTS, a)}: off after {_amount(a, b)}."),
    "pulse_aborted": _aborted,
    "fault": _fault,
    "fault_cleared": lambda a, b: (
        "INFO",
        f"Fault {_name(_FAULTS, a)} cleared {'by its button' if b else 'by command'}.",
    ),
    "lease_lost": lambda a, b: ("INFO", "The lease lapsed on the board; host-commanded outputs are off."),
    "estop": _estop,
    "button": lambda a, b: ("INFO", "The board's button was held: for one minute faults may be cleared by name."),
    "config": _config,
    "config_dropped": _dropped,
    "sensor_lost": _sensor_lost,
    "sensor_back": lambda a, b: ("INFO", f"{_name(_SENSORS, a)} is back."),
    "counters": _counters,
    "watchdog": _watchdog,
    "survival": _survival,
    "forced": _forced,
    "manual": lambda a, b: ("INFO", f"Manual override at the board {'began' if a else 'ended'}."),
    "bus_recovered": _bus,
    "save_failed": lambda a, b: ("WARNING", f"The board could not write its flash; failures since its start: {a}."),
}
"""One entry for each event the firmware sends: its two details to a level and a sentence."""


def describe(event: BoardEvent) -> EventText:
    """Level and sentence for one event of the board; a newer board's event is shown with its two numbers."""
    text = TEXTS.get(event.name)
    return text(event.a, event.b) if text else ("INFO", f"{event.name.replace('_', ' ')} ({event.a}, {event.b}).")
