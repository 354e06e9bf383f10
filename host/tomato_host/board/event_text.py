"""What the board's events mean to a person: a level and one sentence each."""

from __future__ import annotations

from shared_schemas.devices import OUTPUTS, SENSORS
from shared_schemas.wire import FAULTS, REASONS, STATES, WHY
from tomato_host.board.events import BoardEvent, Level

ROUTINE = frozenset({"pulse_start", "pulse_end", "config", "button"})
"""Events that results and records tell better; they are kept, and show on no screen as news."""

ALARMS = frozenset({"leak", "over_temp", "estop", "stuck_valve", "no_flow", "overrun", "co2_high"})
"""Faults that want a person now."""


def _name(table: tuple[str, ...], code: int) -> str:
    return table[code] if 0 <= code < len(table) else str(code)


_OUTPUTS = tuple(row.name for row in OUTPUTS)
_SENSORS = tuple(row.name for row in SENSORS)
_FAULTS = tuple(row.name for row in FAULTS)


def _amount(output: int, amount: int) -> str:
    """A dose in ml, anything else in seconds."""
    is_dose = 0 <= output < len(OUTPUTS) and OUTPUTS[output].dose_unit == "ml"
    return f"{amount} ml" if is_dose else f"{amount / 1000.0:g} s"


def in_words(event: BoardEvent) -> tuple[Level, str]:
    """Level and sentence for one event of the board."""
    a, b = event.a, event.b
    if event.name == "fault":
        name = _name(_FAULTS, a)
        meaning = FAULTS[a].meaning if 0 <= a < len(FAULTS) else "A newer board's fault."
        return ("ALARM" if name in ALARMS else "WARNING"), f"Fault {name} latched on the board. {meaning}"
    if event.name == "fault_cleared":
        return "INFO", f"Fault {_name(_FAULTS, a)} cleared {'by its button' if b else 'by command'}."
    if event.name == "state":
        level: Level = "WARNING" if _name(STATES, b) in ("SURVIVAL", "FAULT") else "INFO"
        return level, f"Board went from {_name(STATES, a)} to {_name(STATES, b)}."
    if event.name == "estop":
        return ("ALARM", "Emergency stop pressed.") if a else ("INFO", "Emergency stop released.")
    if event.name == "sensor_lost":
        return "WARNING", f"The board gets no value from {_name(_SENSORS, a)}: {_name(WHY, b)}."
    if event.name == "sensor_back":
        return "INFO", f"{_name(_SENSORS, a)} is back."
    if event.name == "watchdog":
        return "WARNING", f"A task of the board was late by {b} ms."
    if event.name == "counters":
        text = ("fresh", "restored", "lost, so budgets count as spent")[a] if 0 <= a <= 2 else str(a)
        return ("WARNING" if a == 2 else "INFO"), f"Budget counters {text}."
    if event.name == "pulse_start":
        return "INFO", f"{_name(_OUTPUTS, a)}: on, for {_amount(a, b)} at most."
    if event.name == "pulse_end":
        return "INFO", f"{_name(_OUTPUTS, a)}: off after {_amount(a, b)}."
    if event.name in ("pulse_aborted", "refused"):
        return "INFO", f"{_name(_OUTPUTS, a)}: {event.name.replace('_', ' ')}, {_name(REASONS, b)}."
    if event.name == "lease_lost":
        return "INFO", "The lease lapsed on the board; host-commanded outputs are off."
    return "INFO", f"{event.name.replace('_', ' ')} ({a}, {b})."
