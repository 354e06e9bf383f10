"""What persons ask of the board itself while the host holds its port: calibration and faults, in the board's own words.

Runs beside the deciding loop and never waits: the supervisor hands over every piece of news and, twice a second, the
time. Each request is answered once - with what the board said, or with why there is no answer - and so recorded.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

from shared_schemas.records import ActionV1
from shared_schemas.records.action_v1 import ActionType
from tomato_host.board import upkeep
from tomato_host.board.calibration import checked
from tomato_host.board.events import Disconnected, LinkEvent
from tomato_host.board.session import BoardSession
from tomato_host.board.upkeep import PumpWatch, Wait
from tomato_host.commands.inbox import Reply, Request
from tomato_host.errors import TomatoError

KINDS = frozenset({"calibrate", "read_probe", "dose", "clear_fault", "faults"})
"""Requests that are for the workbench."""
MOST_JOBS = 8
DOSE_MS = 120_000
"""A dose may have to wait for the pump's pause (60 s) and be asked for again (30 s)."""

News = LinkEvent | ActionV1


class RequestHost(Protocol):
    """What the workbench needs of the supervisor."""

    def propose(self, request_id: str, proposal: ActionV1) -> Reply:
        """Take a proposal through the guardrails and carry it out when they allow it."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now."""

    def answer(self, request: Request, reply: Reply) -> None:
        """Record what became of a request, and tell whoever asked."""


@dataclass(slots=True)
class _Job:
    request: Request
    steps: Generator[Wait, Any, Reply]
    wait: Wait
    due_ms: int


class BoardRequests:
    """Requests under way. `port` is the line the host holds, `sampling_ms` the pace it wants when nobody measures."""

    def __init__(self, session: BoardSession, house: RequestHost, port: str, sampling_ms: int) -> None:
        self._session = session
        self._house = house
        self._port = port
        self._sampling_ms = sampling_ms
        self._jobs: list[_Job] = []
        self._early: list[News] | None = None
        """News that came while a request was being begun."""

    def take(self, request: Request, now_ms: int) -> None:
        """Begin one request; its answer goes to the house, at once or later."""
        try:
            self._check(request)
            self._begin(request, now_ms)
        except TomatoError as error:
            self._house.answer(request, _failed(request, error))

    def hear(self, news: News, now_ms: int) -> None:
        """Something happened on the line, or an action has ended."""
        if self._early is not None:
            self._early.append(news)
            return
        for job in list(self._jobs):
            if isinstance(news, Disconnected):
                gone = TomatoError("E-BOARD-SILENT", f"The board went away: {news.why}", "try again when it is back")
                self._close(job, _failed(job.request, gone))
            elif (found := job.wait.wanted(news)) is not None:
                self._advance(job, found, now_ms)

    def tick(self, now_ms: int) -> None:
        """Let time pass; a step that waited in vain learns it."""
        for job in list(self._jobs):
            if now_ms >= job.due_ms:
                self._advance(job, None, now_ms)

    # -- inside ------------------------------------------------------------------------------------------------

    def _check(self, request: Request) -> None:
        if request.port and os.path.realpath(request.port) != os.path.realpath(self._port):
            raise TomatoError(
                "E-PORT-BUSY",
                f"This host holds {self._port}, not {request.port}.",
                "leave --port out, or stop the program that holds the other port",
            )
        if not self._session.up:
            raise TomatoError("E-BOARD-SILENT", "The board does not answer the host.", "check the cable, try again")
        if len(self._jobs) >= MOST_JOBS:
            raise TomatoError("E-BOARD-SILENT", "Too much is asked of the board at once.", "try again in a minute")

    def _begin(self, request: Request, now_ms: int) -> None:
        steps = self._steps(request, now_ms)
        self._early = []
        try:
            wait = next(steps)
        except StopIteration as end:
            self._house.answer(request, end.value)
            return
        finally:
            early, self._early = self._early, None
        self._jobs.append(_Job(request, steps, wait, now_ms + wait.within_ms))
        for news in early:
            self.hear(news, now_ms)

    def _advance(self, job: _Job, found: Any, now_ms: int) -> None:
        try:
            job.wait = job.steps.send(found)
            job.due_ms = now_ms + job.wait.within_ms
        except StopIteration as end:
            self._close(job, end.value)
        except TomatoError as error:
            self._close(job, _failed(job.request, error))

    def _close(self, job: _Job, reply: Reply) -> None:
        self._jobs.remove(job)
        job.steps.close()
        self._house.answer(job.request, reply)

    def _steps(self, request: Request, now_ms: int) -> Generator[Wait, Any, Reply]:
        if request.kind == "calibrate":
            return self._calibrate(request)
        if request.kind == "read_probe":
            return self._read_probe(request)
        if request.kind == "dose":
            return self._dose(request)
        return self._faults(request, now_ms)

    def _calibrate(self, request: Request) -> Generator[Wait, Any, Reply]:
        taken = yield from upkeep.configure(self._session, checked(request.values))
        words = ", ".join(f"{key} = {value}" for key, value in taken.items())
        return Reply(id=request.id, ok=True, text=f"The board took {words}.", values=taken)

    def _read_probe(self, request: Request) -> Generator[Wait, Any, Reply]:
        try:
            raw = yield from upkeep.raw_count(self._session, request.probe)
        finally:
            self._session.set_sampling(self._sampling_ms)
        return Reply(id=request.id, ok=True, text=f"Probe {request.probe} reads {raw} counts.", raw=raw)

    def _dose(self, request: Request) -> Generator[Wait, Any, Reply]:
        """One dose through the guardrails; the answer says how long the pump was on."""
        action = request.action
        if action is None or action.type is not ActionType.WATER:
            raise TomatoError("E-CALIBRATE-VALUE", "A dose is a watering.", "send an action of type WATER")
        verdict = self._house.propose(request.id, action)
        if not verdict.ok:
            return verdict
        pump, ended = PumpWatch(), list[ActionV1]()

        def told(news: News) -> ActionV1 | None:
            pump.take(news)
            if isinstance(news, ActionV1) and news.id == action.id and news.outcome is not None:
                ended.append(news)
            whole = ended and pump.resting and (pump.pulses or not _delivered(ended[0]))
            return ended[0] if whole else None

        done = yield Wait(told, DOSE_MS)
        if done is None:
            self._house.switch_off(("water_pump",), "calibration took too long")
            raise TomatoError("E-BOARD-SILENT", "The board did not tell the end of the dose.", "try again")
        if not pump.pulses or done.outcome.status != "DONE":
            raise upkeep.refusal(done.outcome.status, done.outcome.reason)
        text = f"The pump ran for {pump.seconds:.2f} s."
        return Reply(id=request.id, ok=True, text=text, seconds=pump.seconds, action=done)

    def _faults(self, request: Request, now_ms: int) -> Generator[Wait, Any, Reply]:
        """Clear the named fault, if one is named; then tell which are left."""
        begun = ""
        if request.kind == "clear_fault":
            yield from upkeep.clear_fault(self._session, request.fault)
            begun = f"{request.fault} is cleared. "
        board = yield from upkeep.condition(self._session, now_ms)
        text = f"{begun}The board is {board.state}; latched: {', '.join(board.faults) or 'nothing'}."
        return Reply(id=request.id, ok=True, text=text, board_state=board.state, faults=board.faults)


def _delivered(action: ActionV1) -> float:
    return (action.outcome.delivered_ml or 0.0) if action.outcome is not None else 0.0


def _failed(request: Request, error: TomatoError) -> Reply:
    return Reply(id=request.id, ok=False, text=f"{error.message} Next: {error.next_step}", code=error.code)
