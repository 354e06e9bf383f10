"""The status as lines, for pipes and journals; `panel.py` draws it for people at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from shared_schemas.records import ActionV1, EventV1
from tomato_host.loop.live_values import LiveValues
from tomato_host.loop.status import Pulse, Status
from tomato_host.terminal.quantities import present_values, rows_of

_Item = TypeVar("_Item")


class LineDisplay:
    """For pipes and journals: one line for each action and event, one summary line a minute."""

    def __init__(self, status: Status, zone: ZoneInfo, write: Callable[[str], object] | None = None) -> None:
        self._status = status
        self._zone = zone
        self._write = write or _print_line
        self._seen = 0
        self._last_summary_s = -60.0
        self._last_action: ActionV1 | None = None
        self._last_event: EventV1 | None = None
        self._last_pulse: Pulse | None = None

    def start(self) -> None:
        """Nothing to set up."""

    def refresh(self, monotonic_s: float) -> None:
        """Print what is new."""
        if self._status.revision != self._seen:
            self._seen = self._status.revision
            self._print_new()
        if monotonic_s - self._last_summary_s >= 60.0 and self._status.observation is not None:
            self._last_summary_s = monotonic_s
            self._write(f"{self._clock(self._status.now)} {one_line(self._status)}")

    def stop(self) -> None:
        """Print what is left."""
        self._print_new()

    def _print_new(self) -> None:
        """What is new, in the order in which it happened."""
        lines: list[tuple[datetime, str]] = []
        for event in _newer(self._status.events, self._last_event):
            lines.append((event.ts, f"{event.level.lower()}: {event.text}"))
            self._last_event = event
        for action in _newer(self._status.actions, self._last_action):
            ended = action.outcome.finished_ts if action.outcome is not None else None
            lines.append((ended or action.ts, action_line(action)))
            self._last_action = action
        for pulse in _newer(self._status.pulses, self._last_pulse):
            lines.append((pulse.ts, f"board: {pulse_line(pulse)}"))
            self._last_pulse = pulse
        for moment, text in sorted(lines, key=lambda line: line[0]):
            self._write(f"{self._clock(moment)} {text}")

    def _clock(self, moment: datetime) -> str:
        return f"{moment.astimezone(self._zone):%H:%M:%S}"


def _print_line(line: str) -> None:
    """A line for whoever reads along. When the disk under a log file is full the plant's loop goes on without."""
    try:
        print(line, file=sys.stdout, flush=True)
    except BrokenPipeError:
        raise  # the reader has gone away (`| head`): that ends the run, safely
    except OSError:
        return


def _newer(items: Iterable[_Item], last: _Item | None) -> list[_Item]:
    """What came after `last` (all of it, when `last` has left the history)."""
    found = list(items)
    index = next((i for i, item in enumerate(found) if item is last), -1)
    return found[index + 1 :]


def one_line(status: Status, live: LiveValues | None = None) -> str:
    """The whole state in one line; `live` as in `present_values`."""
    present = present_values(status, live)
    shown = (f"{row.name} {row.text}" for row in rows_of(present)) if present else ()
    return f"[{status.mode}, link {status.link}] " + "  ".join(shown)


def pulse_line(pulse: Pulse) -> str:
    """What the board confirmed, in one line."""
    why = f" ({pulse.reason})" if pulse.reason not in ("", "none") else ""
    return f"pulse {pulse.output} {pulse.status}, {pulse.amount:.0f} {pulse.unit}{why}"


def action_line(action: ActionV1) -> str:
    """An action, what became of it, and why, in one line."""
    params = action.params
    amount = ""
    if params.ml is not None:
        amount = f" {params.ml:.0f} ml"
    elif params.state == "OFF":
        amount = " off"
    elif params.seconds is not None:
        amount = f" {params.seconds:.0f} s"
    status = action.outcome.status if action.outcome else ("ACCEPTED" if action.safety.validated else "REFUSED")
    shadow = " in shadow" if action.shadow else ""
    return f"{action.type.value}{amount}: {status}{shadow}{_outcome_detail(action)}{_because(action)}"


def _outcome_detail(action: ActionV1) -> str:
    if action.safety.refused_by:
        text = next((check.text for check in action.safety.checks if not check.ok), "")
        return f" by {action.safety.refused_by}{f' ({text})' if text else ''}"
    outcome = action.outcome
    if outcome is None:
        return ""
    if outcome.delivered_ml is not None:
        return f" ({outcome.delivered_ml:.0f} ml delivered)"
    return f" ({outcome.reason})" if outcome.reason else ""


def _because(action: ActionV1) -> str:
    reason = action.why.text or ", ".join(action.why.rules_fired)
    return f" - {reason}" if reason else ""
