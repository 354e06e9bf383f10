"""What a person does to the board itself - calibrate, read a probe, clear a fault - as steps that wait for its word.

No I/O and no clock: a step is a generator that yields what it waits for and is given the first news that fits, or
None when the time is over. `cli/calibrate.py` drives one over a port of its own, `runtime/workbench.py` several at once
beside the deciding loop.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from shared_schemas.devices import OUTPUT_BY_NAME
from tomato_host.board.events import BoardEvent, Health, LinkEvent, Result, Sample
from tomato_host.board.session import BoardSession
from tomato_host.errors import TomatoError

ANSWER_MS = 15_000
READINGS = 5
READ_PERIOD_MS = 2_000
READING_MS = 120_000
PUMP = OUTPUT_BY_NAME["water_pump"].wire_id


@dataclass(frozen=True, slots=True)
class Wait:
    """What a step waits for: the first news of which `wanted` makes something."""

    wanted: Callable[[Any], Any]
    within_ms: int = ANSWER_MS


Steps = Generator[Wait, Any, Any]


def result(cmd_id: int) -> Generator[Wait, Any, Result]:
    """The board's word on a command. Raises TomatoError E-BOARD-REFUSED or E-BOARD-SILENT."""
    answer = yield Wait(lambda news: news if isinstance(news, Result) and news.cmd_id == cmd_id else None)
    if answer is None or answer.reason == "no_answer":
        raise TomatoError("E-BOARD-SILENT", "The board did not answer the command.", "check the cable, try again")
    if answer.status in ("REJECTED", "ABORTED"):
        raise refusal(answer.status, answer.reason)
    return answer  # type: ignore[no-any-return]  # what the lambda made: a Result


def refusal(status: str, reason: str) -> TomatoError:
    """The board's no, as an error for a person."""
    return TomatoError(
        "E-BOARD-REFUSED",
        f"The board said {status.lower()}: {reason}.",
        "docs/safety.md tells what each interlock wants; mend that and try again",
    )


def configure(session: BoardSession, values: dict[str, int]) -> Generator[Wait, Any, dict[str, int]]:
    """Set CONFIG entries one by one, each confirmed. A refusal names what was set before it."""
    taken: dict[str, int] = {}
    for key, value in values.items():
        try:
            yield from result(session.configure(key, value))
        except TomatoError as error:
            before = f" It has taken {', '.join(taken)}; give all values again." if taken else ""
            raise TomatoError(error.code, f"{key}: {error.message}{before}", error.next_step) from None
        taken[key] = value
    return taken


def raw_count(session: BoardSession, probe: int) -> Generator[Wait, Any, int]:
    """The median of a few fresh raw counts of a probe. Raises TomatoError E-CALIBRATE-READING and as `result`."""
    name = f"soil_p{probe}_raw"
    counts: list[float] = []
    yield from result(session.set_sampling(READ_PERIOD_MS))

    def reading(news: LinkEvent) -> str | None:
        if not isinstance(news, Sample) or news.backlog:
            return None
        value = news.values.get(name)
        if value is None:
            return news.why.get(name, "unknown")
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
    found = yield Wait(lambda news: news if isinstance(news, Health) else None)
    if found is None:
        raise TomatoError("E-BOARD-SILENT", "The board did not tell its condition.", "check the cable, try again")
    return found  # type: ignore[no-any-return]  # what the lambda made: a Health


def clear_fault(session: BoardSession, name: str) -> Generator[Wait, Any, Result]:
    """Clear one latched fault by its name. Raises TomatoError E-FAULT-NAME and as `result`."""
    answer = yield from result(session.clear_fault(name))
    return answer


class PumpWatch:
    """How long the pump was on, from the board's own marks; several pulses add up."""

    def __init__(self) -> None:
        self.on_ms = 0
        self.pulses = 0
        self._begun_ms: int | None = None

    def take(self, news: object) -> bool:
        """True when a pulse of the pump has just ended."""
        if not isinstance(news, BoardEvent) or news.a != PUMP:
            return False
        if news.name == "pulse_start":
            self._begun_ms = news.t_ms
        elif news.name == "pulse_end" and self._begun_ms is not None:
            self.on_ms += news.t_ms - self._begun_ms
            self.pulses += 1
            self._begun_ms = None
            return True
        return False

    @property
    def resting(self) -> bool:
        """True when every pulse that began has ended."""
        return self._begun_ms is None

    @property
    def seconds(self) -> float:
        """Seconds on, so far."""
        return self.on_ms / 1000.0
