"""The one place that wires rooms together: line, brain, hands, records, persons and time, in a single thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionV1, AnomalyV1
from tomato_host.board.event_text import in_words
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
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain, RuntimeContext
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.execution.executor import Executor
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.local_time import stamped
from tomato_host.commands.board_requests import KINDS as BOARD_KINDS
from tomato_host.commands.board_requests import BoardRequests
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.commands.operator_overrides import OperatorOverrides
from tomato_host.errors import TomatoError
from tomato_host.loop import clock_watch
from tomato_host.loop.clock import Wake
from tomato_host.loop.clock_watch import ClockWatch
from tomato_host.loop.episode import Episode
from tomato_host.loop.extensions import Display, Extension, NoDisplay
from tomato_host.loop.recorded_ledger import RecordedLedger
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.rig import Rig
from tomato_host.loop.scheduler import Run, Scheduler
from tomato_host.loop.status import Pulse, Status
from tomato_host.recovery.crash_recovery import InterruptedActions
from tomato_host.sources.board import BoardSource

WATCH_MS = 10_000
"""While nothing is observed, trust is weighed at this pace."""
HEALTH_MS = 60_000
INBOX_MS = 500
TIDY_MS = 600_000
GOODBYE_MS = 1_500
"""How long a shutdown waits for the board to confirm that everything is off."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What the deciding loop needs of the settings; periods in seconds."""

    zone: ZoneInfo
    telemetry_period_s: float
    lease_renew_s: float
    state_period_s: float
    decision_period_s: float


class Supervisor:
    """Runs one installation until it is told to stop.

    The deciding loop renews the lease itself: a loop that hangs lets the board drop its outputs.
    """

    def __init__(
        self,
        settings: LoopSettings,
        rig: Rig,
        session: BoardSession,
        brain: Brain,
        recorder: Recorder,
        status: Status,
        display: Display,
        inbox: Inbox | None = None,
        extensions: tuple[Extension, ...] = (),
        earlier: InterruptedActions | None = None,
    ) -> None:
        self.scheduler = Scheduler(rig.clock)
        self.status = status
        self._zone = settings.zone
        self._settings = settings
        self._rig = rig
        self._clock = rig.clock
        self._clock_watch = ClockWatch(rig.clock)
        self._session = session
        self._brain = brain
        self._log = recorder
        self._display = display
        self._inbox = inbox
        self._extensions = extensions
        self._unwatched = isinstance(display, NoDisplay) and not extensions
        self._overrides = OperatorOverrides()
        self._guardrails = RecordedLedger(brain.guardrails, recorder, rig.clock)
        self._executor = Executor(_SessionLine(session), self._guardrails)
        self._earlier = earlier or InterruptedActions()
        self._episode = Episode(brain, recorder, self)
        self._board_requests = BoardRequests(session, self, rig.ports.url, round(settings.telemetry_period_s * 1000))
        self._source = BoardSource(settings.zone.key)
        self._down_since: datetime | None = None
        self._ever_connected = False
        self._followed: tuple[AnomalyV1, ...] | None = None
        self._state_ms = round(settings.state_period_s * 1000)
        self._down_since = self._now()
        self._plan_tasks()

    # -- life --------------------------------------------------------------------------------------------------

    def run(self, until_ms: int | None = None) -> None:
        """Run until `scheduler.stop()` or until the clock's `until_ms`; then make everything safe."""
        self._display.start()
        self.begin()
        for extension in self._extensions:
            extension.start()
        try:
            wake: Wake | None = _LineWake(self._session) if self._rig.real_time else None
            self.scheduler.run(until_ms, wake, self._poll)
        finally:
            self._say_goodbye()

    def begin(self) -> None:
        """Take over what an earlier process left, and say so in the record."""
        # How many actions the ledger begin with: a replay takes over as many from the record before this event.
        self._brain.resume(self._earlier.finished)
        where = f" Dashboard: {self.status.dashboard}" if self.status.dashboard else ""
        self._log.event(
            self._now(),
            "INFO",
            "process",
            "started",
            f"Running on {self._rig.name}.{where}",
            resumed=len(self._earlier.finished),
        )

    def _say_goodbye(self) -> None:
        """Outputs safe, last records written; what goes wrong here must not hide what ended the run."""
        try:
            self._executor.stop_all("shutdown", self._clock.monotonic_ms(), self._now())
            self._session.stop_all(self._clock.monotonic_ms())
            if self._session.up:
                self._session.ask_health(self._clock.monotonic_ms())
            end_ms = self._clock.monotonic_ms() + GOODBYE_MS
            while self._clock.monotonic_ms() < end_ms and self._session.awaiting:
                self._clock.wait_until_ms(min(end_ms, self._clock.monotonic_ms() + 50))
                self._poll(self._clock.monotonic_ms())
        except TomatoError as error:
            self._log.event(self._now(), "WARNING", "link", "goodbye_failed", str(error))
        self._executor.abandon("shutdown", self._now())
        self._keep_finished()
        self._close_earlier(at_once=True)
        self._episode.log_state("shutdown")
        self._log.event(self._now(), "INFO", "process", "stopped", "Stopped; outputs are in their safe state.")
        self.status.jobs = {}
        self._session.close()
        # Last, because their processes may take seconds to end: the outputs were made safe before anything else.
        for extension in self._extensions:
            extension.stop()
        self._display.stop()

    def _plan_tasks(self) -> None:
        settings, plan = self._settings, self.scheduler
        plan.every("lease", round(settings.lease_renew_s * 1000), self._renew, priority=10)
        plan.every("watch", WATCH_MS, self._watch, priority=20, first_after_ms=WATCH_MS)
        plan.every("state", self._state_ms, self._state, priority=30, first_after_ms=self._state_ms)
        plan.every("health", HEALTH_MS, self._ask_health, priority=40, first_after_ms=HEALTH_MS)
        if self._inbox is not None:
            plan.every("inbox", INBOX_MS, self._read_inbox, priority=50)
            plan.every("tidy", TIDY_MS, self._tidy_inbox, priority=90, first_after_ms=TIDY_MS)

    # -- tasks -------------------------------------------------------------------------------------------------

    def _renew(self, run: Run) -> None:
        self._heed_clock()
        self._poll(run.now_ms)
        if self._session.up:
            self._session.renew_lease(run.now_ms)
            self._executor.tick(run.now_ms, self._now())
        self._keep_finished()
        self._close_earlier()
        self._show(run.now_ms)

    def _heed_clock(self) -> None:
        """A clock that was set is told, and does not make a lost link older or younger than it is."""
        moved = self._clock_watch.step()
        if moved is None:
            return
        if self._down_since is not None:
            self._down_since += moved
        self._log.event(
            self._now(),
            "WARNING",
            "process",
            "clock_set",
            clock_watch.in_words(moved),
            seconds=round(moved.total_seconds(), 3),
        )

    def _close_earlier(self, at_once: bool = False) -> None:
        """End the story of actions that an earlier process left open."""
        now_ms = self._clock.monotonic_ms()
        for action in self._earlier.pop_closed(now_ms, self._now(), self._guardrails, at_once):
            self._brain.add_outcome(action)
            self._log.record(action)

    def _watch(self, run: Run) -> None:
        """Trust is weighed with every observation; this is for when there is none."""
        self._poll(run.now_ms)
        if self._down_since is not None:
            self._episode.update_safe_mode(self._circumstances())

    def _state(self, run: Run) -> None:
        self._poll(run.now_ms)
        self._episode.log_state(None)

    def _ask_health(self, run: Run) -> None:
        self._poll(run.now_ms)
        if self._session.up:
            self._session.ask_health(run.now_ms)

    def _read_inbox(self, run: Run) -> None:
        assert self._inbox is not None
        for request in self._inbox.take():
            if request.kind in BOARD_KINDS:
                self._note_request(request)
                self._board_requests.take(request, run.now_ms)
            else:
                self._inbox.reply(self.submit(request))
        self._board_requests.tick(run.now_ms)

    def _tidy_inbox(self, run: Run) -> None:
        assert self._inbox is not None
        self._inbox.tidy(self._now().timestamp())

    # -- the line ----------------------------------------------------------------------------------------------

    def _poll(self, now_ms: int) -> None:
        for event in self._session.poll(now_ms):
            self._handle(event, now_ms)
            self._board_requests.hear(event, now_ms)
        self._keep_finished()

    def _handle(self, event: LinkEvent, now_ms: int) -> None:
        now = self._now()
        if isinstance(event, Sample):
            self._observe(event, now)
        elif isinstance(event, Result):
            self._on_result(event, now_ms, now)
        elif isinstance(event, Health):
            self._episode.log_devices(self._source.on_health(event, now))
        elif isinstance(event, BoardEvent):
            self._on_board_event(event, now)
        elif isinstance(event, Connected):
            self._on_connected(event, now)
        elif isinstance(event, Disconnected):
            self._on_disconnected(event, now_ms, now)
        elif isinstance(event, ProtocolFault):
            self._log.event(now, "INFO", "link", "noise", event.text)
        elif isinstance(event, Mismatch):
            self._on_mismatch(event, now)

    def _on_result(self, result: Result, now_ms: int, now: datetime) -> None:
        output = self._executor.on_result(result, now_ms, now)
        if output is not None and result.status != "ACCEPTED":
            unit = OUTPUT_BY_NAME[output].dose_unit
            amount = result.delivered if unit == "ml" else result.delivered / 1000.0
            self.status.pulses.append(
                Pulse(now, output, result.status, amount, "ml" if unit == "ml" else "s", result.reason)
            )
            self.status.revision += 1

    def _observe(self, sample: Sample, now: datetime) -> None:
        observation, devices = self._source.on_sample(sample, now, self._clock.monotonic_ms())
        self.status.observation = observation
        taken = self._episode.run(observation, devices, self._circumstances(observation.received_ts))
        if not taken.estimate.late:
            self._follow_sampling(taken.estimate, now)
            if taken.decision is not None:
                for extension in self._extensions:
                    extension.on_decision(taken, now)

    def _follow_sampling(self, estimate: Estimate, now: datetime) -> None:
        """Look more closely while something is wrong, and as before when it is over."""
        if estimate.open_anomalies is self._followed:
            return
        self._followed = estimate.open_anomalies
        plan = estimate.sampling
        period_s = min([plan.base_period_s, *(window.period_s for window in plan.overrides)])
        if round(period_s * 1000) != self._state_ms:
            self._state_ms = round(period_s * 1000)
            self.scheduler.set_period("state", self._state_ms)
            self._log.record(plan)

    def _on_board_event(self, event: BoardEvent, now: datetime) -> None:
        level, text = in_words(event)
        self._log.event(
            now,
            level,
            "board",
            event.name,
            text,
            a=event.a,
            b=event.b,
            t_ms=event.t_ms,
            seq=event.seq,
            boot=event.boot_id,
        )
        self._earlier.hear(event, now - timedelta(milliseconds=self._clock.monotonic_ms() - event.host_ms))
        if event.name in ("fault", "fault_cleared", "state"):
            self._session.ask_health(self._clock.monotonic_ms())

    def _on_connected(self, event: Connected, now: datetime) -> None:
        self._down_since, self._ever_connected = None, True
        self._earlier.connected(self._clock.monotonic_ms())
        self.status.link, self.status.link_detail = "up", ""
        self.status.firmware = event.hello.firmware
        self._log.event(
            now,
            "INFO",
            "link",
            "link_up",
            f"Board {event.hello.board} answers, firmware {event.hello.firmware}.",
            boot_id=event.hello.boot_id,
        )
        self._source.on_connected(event, now)
        self._session.set_sampling(round(self._settings.telemetry_period_s * 1000))
        self._session.ask_health(self._clock.monotonic_ms())

    def _on_mismatch(self, event: Mismatch, now: datetime) -> None:
        """Nothing can be asked of such a board. At the start that ends the run; later it is told, and tried again."""
        self.status.link, self.status.link_detail = "down", "other firmware"
        self._log.event(now, "ALARM", "link", "schema_mismatch", event.text)
        if not self._ever_connected:
            raise TomatoError("E-SCHEMA-MISMATCH", event.text, "make flash")

    def _on_disconnected(self, event: Disconnected, now_ms: int, now: datetime) -> None:
        self._down_since = self._down_since or now
        self.status.link, self.status.link_detail = "down", event.why
        self._log.event(now, "WARNING", "link", "link_down", f"The board does not answer: {event.why}")
        self._executor.on_link_lost(now_ms, now)
        self._earlier.add(self._executor.pop_unconfirmed())
        self._episode.log_devices(self._source.on_disconnected(now))

    # -- hands -------------------------------------------------------------------------------------------------

    def act(self, verdict: Verdict) -> None:
        """Carry out one allowed action."""
        self._executor.start(verdict.action, verdict.preempts, self._clock.monotonic_ms(), self._now())
        self._keep_finished()

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now."""
        self._executor.switch_off(outputs, reason, self._clock.monotonic_ms(), self._now())
        self._keep_finished()

    def submit(self, request: Request) -> Reply:
        """A person's request: a proposal through the guardrails, or a change of mode. Recorded either way."""
        self._note_request(request)
        if request.kind != "action" or request.action is None:
            text = self._overrides.wish(request, self._now())
            self._episode.update_safe_mode(self._circumstances())
            return Reply(id=request.id, ok=True, text=text)
        return self.propose(request.id, request.action)

    def _note_request(self, request: Request) -> None:
        """Whatever a person asks for stands in the record before anything is done about it."""
        if request.kind == "faults":
            return  # looking is no action
        self._log.event(
            self._now(),
            "INFO",
            "person",
            f"person_{request.kind}",
            request.reason or "no reason given",
            mode=request.mode,
            request=request.id,
            until=request.until.isoformat() if request.until is not None else None,
        )

    def answer(self, request: Request, reply: Reply) -> None:
        """What became of a request for work on the board: recorded, then told to whoever asked."""
        if request.kind != "faults":
            self._log.event(
                self._now(),
                "INFO",
                "person",
                f"person_{request.kind}_answered",
                reply.text,
                request=request.id,
                ok=reply.ok,
            )
        if self._inbox is not None:
            self._inbox.reply(reply)

    def propose(self, request_id: str, proposal: ActionV1) -> Reply:
        """A person's proposal through the guardrails; what it allows is carried out."""
        verdict = self._brain.judge(proposal, self._circumstances())
        self._log.record(verdict.action)
        if verdict.allowed:
            self.act(verdict)
        text = "accepted" if verdict.allowed else f"refused by {verdict.rule}"
        details = "; ".join(check.text for check in verdict.checks if check.text)
        return Reply(
            id=request_id, ok=verdict.allowed, text=f"{text}: {details}" if details else text, action=verdict.action
        )

    # -- small things ------------------------------------------------------------------------------------------

    def _now(self) -> datetime:
        """Wall time as the records carry it: local, with its offset."""
        return stamped(self._clock.now(), self._zone)

    def _circumstances(self, now: datetime | None = None) -> RuntimeContext:
        """An observation is judged at the moment it says it was received, which a replay can read again."""
        now = now or self._now()
        down_s = (now - self._down_since).total_seconds() if self._down_since is not None else 0.0
        return RuntimeContext(
            now=now,
            link_up=self._session.up,
            link_down_s=down_s,
            operator_paused=self._overrides.paused(now),
            operator_wants_safe=self._overrides.wants_safe(now),
            operator_acknowledges=self._overrides.take_acknowledgement(),
        )

    def _keep_finished(self) -> None:
        for action in self._executor.pop_finished():
            self._brain.add_outcome(action)
            self._log.record(action)
            self._board_requests.hear(action, self._clock.monotonic_ms())

    def _show(self, now_ms: int) -> None:
        if self._unwatched:
            return
        status, now = self.status, self._now()
        status.now = now
        status.mode, status.mode_reason = self._brain.mode, ", ".join(self._brain.safe_mode.causes)
        status.jobs = {
            name: now + timedelta(milliseconds=job.end_ms - now_ms) if job.row.renewable and job.end_ms else None
            for name, job in self._executor.jobs.items()
        }
        decided = self._brain.memory.decided_at
        if decided is not None:
            status.next_decision_at = decided + timedelta(seconds=self._settings.decision_period_s)
        for extension in self._extensions:
            extension.tick(now)
        self._display.refresh(now_ms / 1000.0)


class _SessionLine:
    """The session as the executor wants it."""

    def __init__(self, session: BoardSession) -> None:
        self._session = session

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        return self._session.pulse(output, amount)

    def stop(self, output: str, now_ms: int) -> int:
        return self._session.stop(output)


class _LineWake:
    """Bytes on the line end a wait; a lost line does not (the session finds out when it polls)."""

    def __init__(self, session: BoardSession) -> None:
        self._session = session

    def wait(self, timeout_s: float) -> bool | None:
        return self._session.wait(timeout_s)
