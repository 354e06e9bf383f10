"""Operator work on the board (calibrate, read a probe, clear a fault) as generators that wait for its answers.

No I/O and no clock: a step is a generator that yields what it waits for and is given the first event that fits, or
None when the time is over. `cli/board_client.py` drives one over a port of its own; `commands/board_requests.py` runs
several at once beside the deciding loop.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

from shared_schemas.devices import PUMP
from shared_schemas.wire import REASON_TABLE
from tomato_host.board.calibration import entries_to_set
from tomato_host.board.events import BoardEvent, Health, LinkEvent, Result, Sample
from tomato_host.board.session import BoardSession
from tomato_host.errors import TomatoError

ANSWER_MS = 15_000
READINGS = 5
READ_PERIOD_MS = 2_000
READING_MS = 120_000


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waits for: the first event of which `wanted` makes something."""

    wanted: Callable[[Any], Any]
    within_ms: int = ANSWER_MS


Steps = Generator[Wait, Any, Any]


def result(cmd_id: int) -> Generator[Wait, Any, Result]:
    """The board's result for a command. Raises TomatoError E-BOARD-REFUSED or E-BOARD-SILENT."""
    answer = yield Wait(lambda event: event if isinstance(event, Result) and event.cmd_id == cmd_id else None)
    if answer is None or answer.reason == "no_answer":
        raise TomatoError("E-BOARD-SILENT", "The board did not answer the command.", "check the cable, try again")
    if answer.status in ("REJECTED", "ABORTED"):
        raise refusal(answer.status, answer.reason)
    return answer  # type: ignore[no-any-return]  # what the lambda made: a Result


_MEANINGS = {code.name: f" {code.meaning}" for code in REASON_TABLE}
"""What each reason means, in a sentence."""


def refusal(status: str, reason: str) -> TomatoError:
    """The error for a command that the board rejected or aborted."""
    return TomatoError(
        "E-BOARD-REFUSED",
        f"The board answered {status.lower()}: {reason}.{_MEANINGS.get(reason, '')}",
        "see docs/safety.md for what each interlock requires, correct it and try again",
    )


def configure(session: BoardSession, values: dict[str, int]) -> Generator[Wait, Any, dict[str, int]]:
    """Set CONFIG entries one by one, each confirmed. A refusal names what was set before it."""
    accepted: dict[str, int] = {}
    for key, value in entries_to_set(values):
        try:
            yield from result(session.configure(key, value))
        except TomatoError as error:
            before = f" Already set: {', '.join(accepted)}; give all values again." if accepted else ""
            raise TomatoError(error.code, f"{key}: {error.message}{before}", error.next_step) from None
        accepted[key] = value
    return {key: accepted[key] for key in values}


def read_settings(session: BoardSession, names: Iterable[str]) -> Generator[Wait, Any, dict[str, int]]:
    """What the board has for these CONFIG entries, as stored integers. Raises as `result`."""
    found: dict[str, int] = {}
    for name in names:
        answer = yield from result(session.configure(name, None))
        if answer.value is not None:
            found[name] = answer.value
    return found


def raw_count(session: BoardSession, probe: int) -> Generator[Wait, Any, int]:
    """The median of a few fresh raw counts of a probe. Raises TomatoError E-CALIBRATE-READING and as `result`."""
    name = f"soil_p{probe}_raw"
    counts: list[float] = []
    yield from result(session.set_sampling(READ_PERIOD_MS))

    def reading(event: LinkEvent) -> str | None:
        if not isinstance(event, Sample) or event.backlog:
            return None
        value = event.values.get(name)
        if value is None:
            return event.why.get(name, "unknown")
        counts.append(value)
        return "enough" if len(counts) >= READINGS else None

    why = yield Wait(reading, READING_MS)
    if why != "enough":
        raise TomatoError(
            "E-CALIBRATE-READING",
            f"Probe {probe} gives no count: {why or 'no sample came'}.",
            "plug the probe in; `tomato-host doctor` and docs/wiring.md help",
        )
    return round(statistics.median(counts))


def condition(session: BoardSession, now_ms: int) -> Generator[Wait, Any, Health]:
    """The board's condition, its latched faults among it. Raises TomatoError E-BOARD-SILENT."""
    session.ask_health(now_ms)
    found = yield Wait(lambda event: event if isinstance(event, Health) else None)
    if found is None:
        raise TomatoError("E-BOARD-SILENT", "The board did not report its condition.", "check the cable, try again")
    return found  # type: ignore[no-any-return]  # what the lambda made: a Health


def clear_fault(session: BoardSession, name: str) -> Generator[Wait, Any, Result]:
    """Clear one latched fault by its name. Raises TomatoError E-FAULT-NAME and as `result`."""
    answer = yield from result(session.clear_fault(name))
    return answer


class PumpTimer:
    """How long the pump was on, by the board's own event times; several pulses add up."""

    def __init__(self) -> None:
        self.on_ms = 0
        self.pulses = 0
        self._begun_ms: int | None = None

    def update(self, event: object) -> bool:
        """True when a pulse of the pump has just ended."""
        if not isinstance(event, BoardEvent) or event.a != PUMP.wire_id:
            return False
        if event.name == "pulse_start":
            self._begun_ms = event.t_ms
        elif event.name == "pulse_end" and self._begun_ms is not None:
            self.on_ms += event.t_ms - self._begun_ms
            self.pulses += 1
            self._begun_ms = None
            return True
        return False

    @property
    def idle(self) -> bool:
        """True when every pulse that began has ended."""
        return self._begun_ms is None

    @property
    def seconds(self) -> float:
        """Seconds on, so far."""
        return self.on_ms / 1000.0
