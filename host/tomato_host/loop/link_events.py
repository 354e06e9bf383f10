"""What the deciding loop does with each event of the link: samples become episodes, results reach the executor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared_schemas.devices import OUTPUT_BY_NAME
from tomato_host.board.event_text import describe
from tomato_host.board.events import (
    BoardEvent,
    Connected,
    Disconnected,
    Health,
    LinkEvent,
    Mismatch,
    ProtocolFault,
    Result,
    Sample,
)
from tomato_host.board.session import BOARD_RESET, BoardSession
from tomato_host.brain.execution.executor import Executor
from tomato_host.brain.execution.output_job import LINK_LOST, RESET
from tomato_host.brain.step_data import StepResult
from tomato_host.errors import TomatoError
from tomato_host.loop.clock import Clock
from tomato_host.loop.context_state import ContextState
from tomato_host.loop.episode import Episode
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Pulse, Status
from tomato_host.recovery.crash_recovery import CONFIRMATION_MS, InterruptedActions
from tomato_host.sources.board import BoardSource


@dataclass(slots=True)
class LinkEventHandler:
    """Handles the events of one link session in the order in which they happened."""

    session: BoardSession
    source: BoardSource
    episode: Episode
    executor: Executor
    interrupted: InterruptedActions
    context: ContextState
    recorder: Recorder
    status: Status
    clock: Clock
    now: Callable[[], datetime]
    """Wall time as the records carry it."""
    telemetry_period_s: float
    on_step: Callable[[StepResult, datetime], None]
    """Called after each episode whose observation was not late."""
    _ever_connected: bool = field(default=False, init=False)

    def handle(self, event: LinkEvent, now_ms: int) -> None:
        """Handle one event. Raises TomatoError E-SCHEMA-MISMATCH when the first answer has another schema."""
        now = self.now()
        if isinstance(event, Sample):
            self._on_sample(event, now)
        elif isinstance(event, Result):
            self._on_result(event, now_ms, now)
        elif isinstance(event, Health):
            self.episode.record_devices(self.source.on_health(event, now))
        elif isinstance(event, BoardEvent):
            self._on_board_event(event, now)
        elif isinstance(event, Connected):
            self._on_connected(event, now)
        elif isinstance(event, Disconnected):
            self._on_disconnected(event, now_ms, now)
        elif isinstance(event, ProtocolFault):
            self.recorder.event(now, "INFO", "link", "noise", event.text)
        elif isinstance(event, Mismatch):
            self._on_mismatch(event, now)

    def _on_sample(self, sample: Sample, now: datetime) -> None:
        """An observation is judged at the moment it says it was received, which a replay can read again."""
        observation, devices = self.source.on_sample(sample, now, self.clock.monotonic_ms())
        received = observation.received_ts or now
        step = self.episode.run(observation, devices, self.context.at(received))
        if not step.estimate.late:
            # Both at once: whatever is shown, even an alarm before the next turn, has a reading with its own estimate.
            self.status.observation, self.status.estimate = observation, step.estimate
            self.on_step(step, now)

    def _on_result(self, result: Result, now_ms: int, now: datetime) -> None:
        output = self.executor.on_result(result, now_ms, now)
        if output is None or result.status == "ACCEPTED":
            return
        unit = OUTPUT_BY_NAME[output].dose_unit
        amount = result.delivered if unit == "ml" else result.delivered / 1000.0
        self.status.pulses.append(
            Pulse(now, output, result.status, amount, "ml" if unit == "ml" else "s", result.reason)
        )
        self.status.revision += 1

    def _on_board_event(self, event: BoardEvent, now: datetime) -> None:
        level, text = describe(event)
        stamp = {"a": event.a, "b": event.b, "t_ms": event.t_ms, "seq": event.seq, "boot": event.boot_id}
        self.recorder.event(now, level, "board", event.name, text, **stamp)
        happened = now - timedelta(milliseconds=self.clock.monotonic_ms() - event.host_ms)
        self.interrupted.on_board_event(event, happened, now)
        if event.name in ("fault", "fault_cleared", "state"):
            self.session.ask_health(self.clock.monotonic_ms())

    def _on_connected(self, event: Connected, now: datetime) -> None:
        hello = event.hello
        self._ever_connected = True
        self.context.link_came_up()
        self.interrupted.connected(self.clock.monotonic_ms())
        self.status.link, self.status.link_detail = "up", ""
        self.status.firmware = hello.firmware
        text = f"Board {hello.board} answers, firmware {hello.firmware}."
        self.recorder.event(now, "INFO", "link", "link_up", text, boot_id=hello.boot_id)
        self.source.on_connected(event, now)
        self.session.set_sampling(round(self.telemetry_period_s * 1000))
        self.session.ask_health(self.clock.monotonic_ms())

    def _on_mismatch(self, event: Mismatch, now: datetime) -> None:
        """No command is possible on such a board. At the start that ends the run; later it is an alarm and a retry."""
        self.status.link, self.status.link_detail = "down", "other firmware"
        self.recorder.event(now, "ALARM", "link", "schema_mismatch", event.text)
        if not self._ever_connected:
            raise TomatoError("E-SCHEMA-MISMATCH", event.text, "make flash")

    def _on_disconnected(self, event: Disconnected, now_ms: int, now: datetime) -> None:
        self.context.link_went_down(now)
        self.status.link, self.status.link_detail = "down", event.why
        text, reset = f"The board does not answer: {event.why}", event.why == BOARD_RESET
        self.recorder.event(now, "WARNING", "link", "link_down", text, **({"reset": True} if reset else {}))
        self.executor.on_link_lost(now_ms, now, RESET if reset else LINK_LOST)
        self.interrupted.add(self.executor.pop_unconfirmed(), CONFIRMATION_MS if not reset else 0)
        self.episode.record_devices(self.source.on_disconnected(now))
