"""Operator requests for the board itself (calibration, faults) while the host holds its port.

Runs beside the deciding loop and never waits: the supervisor passes every event and, twice a second, the time. Each
request gets exactly one reply, with the board's result or with the reason why there is none, and the reply is recorded.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Protocol

from shared_schemas.devices import PUMP
from shared_schemas.records import ActionV1
from tomato_host.board import maintenance
from tomato_host.board.calibration import checked
from tomato_host.board.events import Disconnected, LinkEvent
from tomato_host.board.maintenance import PumpTimer, Wait
from tomato_host.board.session import BoardSession
from tomato_host.commands.inbox import Reply, Request
from tomato_host.errors import TomatoError

KINDS = frozenset({"calibrate", "settings", "read_probe", "dose", "clear_fault", "faults"})
"""Kinds of request that are handled here."""
MAX_PENDING = 8
DOSE_MS = 120_000
"""A dose may have to wait for the pump's pause (60 s) and be asked for again (30 s)."""

RequestEvent = LinkEvent | ActionV1


class RequestHost(Protocol):
    """What the requests need of the supervisor."""

    def propose(self, request_id: str, proposal: ActionV1) -> Reply:
        """Submit a proposal to the guardrails and carry it out when they allow it."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now."""

    def reply(self, request: Request, reply: Reply) -> None:
        """Record the reply to a request and deliver it."""


@dataclass(slots=True)
class _Pending:
    request: Request
    steps: Generator[Wait, Any, Reply]
    wait: Wait
    due_ms: int


class BoardRequests:
    """Requests under way. `port` is the one the host holds, `sampling_ms` its normal sampling period."""

    def __init__(self, session: BoardSession, host: RequestHost, port: str, sampling_ms: int) -> None:
        self._session = session
        self._host = host
        self._port = port
        self._sampling_ms = sampling_ms
        self._pending: list[_Pending] = []
        self._early_events: list[RequestEvent] | None = None
        """Events that came while a request was being started."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._pending)

    def begin(self, request: Request, now_ms: int) -> None:
        """Start one request; its reply goes to the host, at once or later."""
        try:
            self._check(request)
            self._start(request, now_ms)
        except TomatoError as error:
            self._host.reply(request, _failed(request, error))

    def on_event(self, event: RequestEvent, now_ms: int) -> None:
        """An event of the link, or an action that has ended."""
        if self._early_events is not None:
            self._early_events.append(event)
            return
        for pending in list(self._pending):
            if isinstance(event, Disconnected):
                gone = TomatoError("E-BOARD-SILENT", f"The board went away: {event.why}", "try again when it is back")
                self._close(pending, _failed(pending.request, gone))
            elif (found := pending.wait.wanted(event)) is not None:
                self._advance(pending, found, now_ms)

    def tick(self, now_ms: int) -> None:
        """Advance time; a step whose wait is over receives None."""
        for pending in list(self._pending):
            if now_ms >= pending.due_ms:
                self._advance(pending, None, now_ms)

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
        if len(self._pending) >= MAX_PENDING:
            raise TomatoError("E-BOARD-SILENT", "Too many requests for the board at once.", "try again in a minute")

    def _start(self, request: Request, now_ms: int) -> None:
        steps = self._steps(request, now_ms)
        self._early_events = []
        try:
            wait = next(steps)
        except StopIteration as end:
            self._host.reply(request, end.value)
            return
        finally:
            early, self._early_events = self._early_events, None
        self._pending.append(_Pending(request, steps, wait, now_ms + wait.within_ms))
        for event in early:
            self.on_event(event, now_ms)

    def _advance(self, pending: _Pending, found: Any, now_ms: int) -> None:
        try:
            pending.wait = pending.steps.send(found)
            pending.due_ms = now_ms + pending.wait.within_ms
        except StopIteration as end:
            self._close(pending, end.value)
        except TomatoError as error:
            self._close(pending, _failed(pending.request, error))

    def _close(self, pending: _Pending, reply: Reply) -> None:
        self._pending.remove(pending)
        pending.steps.close()
        self._host.reply(pending.request, reply)

    def _steps(self, request: Request, now_ms: int) -> Generator[Wait, Any, Reply]:
        if request.kind == "calibrate":
            return self._calibrate(request)
        if request.kind == "settings":
            return self._settings(request)
        if request.kind == "read_probe":
            return self._read_probe(request)
        if request.kind == "dose":
            return self._dose(request)
        return self._faults(request, now_ms)

    def _calibrate(self, request: Request) -> Generator[Wait, Any, Reply]:
        values = yield from maintenance.configure(self._session, checked(request.values))
        listed = ", ".join(f"{key} = {value}" for key, value in values.items())
        return Reply(id=request.id, ok=True, text=f"The board accepted {listed}.", values=values)

    def _settings(self, request: Request) -> Generator[Wait, Any, Reply]:
        values = yield from maintenance.read_settings(self._session, request.names)
        listed = ", ".join(f"{name} = {value}" for name, value in values.items())
        return Reply(id=request.id, ok=True, text=f"The board has {listed}.", values=values)

    def _read_probe(self, request: Request) -> Generator[Wait, Any, Reply]:
        try:
            raw = yield from maintenance.raw_count(self._session, request.probe)
        finally:
            self._session.set_sampling(self._sampling_ms)
        return Reply(id=request.id, ok=True, text=f"Probe {request.probe} reads {raw} counts.", raw=raw)

    def _dose(self, request: Request) -> Generator[Wait, Any, Reply]:
        """One dose through the guardrails; the answer says how long the pump was on."""
        action = request.action
        if action is None or action.type.value != PUMP.action:
            raise TomatoError("E-CALIBRATE-VALUE", "A dose is a watering.", f"send an action of type {PUMP.action}")
        verdict = self._host.propose(request.id, action)
        if not verdict.ok or verdict.repeated:
            return verdict
        pump, ended = PumpTimer(), list[ActionV1]()

        def dose_ended(event: RequestEvent) -> ActionV1 | None:
            pump.update(event)
            if isinstance(event, ActionV1) and event.id == action.id and event.outcome is not None:
                ended.append(event)
            whole = ended and pump.idle and (pump.pulses or not _delivered(ended[0]))
            return ended[0] if whole else None

        done = yield Wait(dose_ended, DOSE_MS)
        if done is None:
            self._host.switch_off((PUMP.name,), "calibration took too long")
            raise TomatoError("E-BOARD-SILENT", "The board did not report the end of the dose.", "try again")
        if not pump.pulses or done.outcome.status != "DONE":
            raise maintenance.refusal(done.outcome.status, done.outcome.reason)
        text = f"The pump ran for {pump.seconds:.2f} s."
        return Reply(id=request.id, ok=True, text=text, seconds=pump.seconds, action=done)

    def _faults(self, request: Request, now_ms: int) -> Generator[Wait, Any, Reply]:
        """Clear the named fault, if one is named; then report which are left."""
        begun = ""
        if request.kind == "clear_fault":
            yield from maintenance.clear_fault(self._session, request.fault)
            begun = f"{request.fault} is cleared. "
        board = yield from maintenance.condition(self._session, now_ms)
        text = f"{begun}The board is {board.state}; latched: {', '.join(board.faults) or 'nothing'}."
        return Reply(id=request.id, ok=True, text=text, board_state=board.state, faults=board.faults)


def _delivered(action: ActionV1) -> float:
    return (action.outcome.delivered_ml or 0.0) if action.outcome is not None else 0.0


def _failed(request: Request, error: TomatoError) -> Reply:
    return Reply(id=request.id, ok=False, text=f"{error.message} Next: {error.next_step}", code=error.code)
