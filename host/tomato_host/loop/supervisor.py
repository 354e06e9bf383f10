"""The deciding loop of one installation: a single thread that connects link, brain, executor, records and requests.

The parts: `link_events.py` handles what the board sends, `request_handler.py` what operators ask for, `episode.py` the
walk of an observation, `status_refresh.py` the status. This file has their construction, the periodic tasks, start and
shutdown.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from shared_schemas.records import ActionV1
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain
from tomato_host.brain.execution.executor import Executor
from tomato_host.brain.local_time import stamped
from tomato_host.brain.step_data import StepResult
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.errors import TomatoError
from tomato_host.loop.actuator import ExecutorActuator, SessionCommands
from tomato_host.loop.board_runtime import BoardRuntime
from tomato_host.loop.clock import ClockWatch, Wake, describe_clock_step
from tomato_host.loop.context_state import ContextState
from tomato_host.loop.episode import SAFE_MODE_PERIOD, Episode
from tomato_host.loop.extensions import Display, Extension, WakingExtension
from tomato_host.loop.link_events import LinkEventHandler
from tomato_host.loop.loop_wake import LoopWake
from tomato_host.loop.recorded_ledger import RecordedLedger
from tomato_host.loop.recorder import Kind, Recorder
from tomato_host.loop.request_handler import RequestHandler
from tomato_host.loop.scheduler import Run, Scheduler
from tomato_host.loop.status import Status
from tomato_host.loop.status_refresh import StatusRefresh
from tomato_host.recovery.crash_recovery import InterruptedActions
from tomato_host.sources.board import BoardSource
from tomato_host.sources.day_meters import RecordedDay
from tomato_host.world.telemetry import WorldTelemetry

SAFE_MODE_MS = round(SAFE_MODE_PERIOD.total_seconds() * 1000)
HEALTH_MS = 60_000
INBOX_MS = 500
INBOX_REST_MS = 15
"""A flooded inbox is read again after this: a quarter of the loop's time at most goes to it."""
INBOX_CLEANUP_MS = 600_000
SHUTDOWN_WAIT_MS = 1_500
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
    """Runs one installation until it is stopped.

    The deciding loop renews the lease itself: a loop that hangs lets the board drop its outputs.
    """

    restarting = False
    """Whether an operator has ended the run so that it starts anew."""

    def __init__(
        self,
        settings: LoopSettings,
        runtime: BoardRuntime,
        session: BoardSession,
        brain: Brain,
        recorder: Recorder,
        status: Status,
        display: Display,
        inbox: Inbox | None = None,
        extensions: tuple[Extension, ...] = (),
        interrupted: InterruptedActions | None = None,
        telemetry: WorldTelemetry | None = None,
        may_restart: Callable[[], str] | None = None,
        recorded_day: RecordedDay | None = None,
    ) -> None:
        """`inbox` None: no requests. `interrupted`: what an earlier process has left open.

        `may_restart`: why this process could not start anew, empty when it could; None: it cannot at all.
        `recorded_day`: the totals of an earlier process.
        """
        self._may_restart = may_restart
        self.scheduler = Scheduler(runtime.clock)
        self.status = status
        self._telemetry = telemetry or WorldTelemetry(time.monotonic)
        self._settings = settings
        self._runtime = runtime
        self._clock = runtime.clock
        self._stamped_from = runtime.clock.now()
        self._stamped = stamped(self._stamped_from, settings.zone)
        self._clock_watch = ClockWatch(runtime.clock)
        self._context = ContextState(stamped(runtime.clock.now(), settings.zone))
        self._session = session
        self._brain = brain
        self._recorder = recorder
        self._display = display
        self._extensions = extensions
        self._interrupted = interrupted or InterruptedActions()
        self._recorded_day = recorded_day
        self._state_ms = round(settings.state_period_s * 1000)
        self._ledger = RecordedLedger(brain.guardrails, recorder, self.now)
        self._executor = Executor(SessionCommands(session), self._ledger)
        self._actuator = ExecutorActuator(self._executor, runtime.clock.monotonic_ms, self.now, self._on_finished)
        self._episode = Episode(brain, recorder, self._actuator)
        self._status_refresh = StatusRefresh(
            status, brain, self._executor, settings.decision_period_s, display, extensions, self._context.operator_text
        )
        self.links = self._make_link_handler()
        self.requests = self._make_request_handler(inbox)
        self._waking = tuple(one for one in extensions if isinstance(one, WakingExtension))
        for extension in self._waking:
            extension.bind(self.requests)
        self._plan_tasks(with_inbox=inbox is not None)

    def _make_link_handler(self) -> LinkEventHandler:
        return LinkEventHandler(
            session=self._session,
            source=BoardSource(self._settings.zone.key),
            episode=self._episode,
            executor=self._executor,
            interrupted=self._interrupted,
            context=self._context,
            recorder=self._recorder,
            status=self.status,
            clock=self._clock,
            now=self.now,
            telemetry_period_s=self._settings.telemetry_period_s,
            on_step=self._on_step,
        )

    def _make_request_handler(self, inbox: Inbox | None) -> RequestHandler:
        return RequestHandler(
            inbox,
            self._session,
            self._brain,
            self._episode,
            self._actuator,
            self._context,
            self._recorder,
            self.now,
            port=self._runtime.link.url,
            sampling_ms=round(self._settings.telemetry_period_s * 1000),
            zone=self._settings.zone,
            telemetry=self._telemetry,
            restart=self._end_to_restart if self._may_restart is not None else None,
        )

    def _end_to_restart(self) -> str:
        """End the run in the usual order, for a new one with other settings; returns why not, if not."""
        assert self._may_restart is not None
        problem = self._may_restart()
        if not problem:
            self.restarting = True
            self.scheduler.stop()
        return problem

    # -- start and shutdown ------------------------------------------------------------------------------------

    def run(self, until_ms: int | None = None) -> None:
        """Run until `scheduler.stop()` or until the clock's `until_ms`; then make everything safe."""
        self._display.start()
        self.begin()
        for extension in self._extensions:
            extension.start()
        try:
            wake: Wake | None = LoopWake(self._session, self._waking) if self._runtime.real_time else None
            self.scheduler.run(until_ms, wake, self._on_wake)
        finally:
            self.shut_down()

    def begin(self) -> None:
        """Take over what an earlier process has left open, and record the start."""
        # How many actions the ledger begins with: a replay takes over as many from the record before this event.
        answers = self._brain.resume(self._interrupted.finished, self._interrupted.judged, self.now())
        where = f" Dashboard: {self.status.dashboard}" if self.status.dashboard else ""
        text = f"Running on {self._runtime.name}.{where}"
        resumed = len(self._interrupted.finished)
        light = self._resume_day()
        self._recorder.event(self.now(), "INFO", "process", "started", text, resumed=resumed, answers=answers, **light)

    def _resume_day(self) -> dict[str, str | float]:
        """Today's totals go on; returns what a replay needs to go on with the same light integral."""
        day = self._recorded_day
        if day is None:
            return {}
        self.links.source.resume(day, self.now())
        if day.dli_mol_m2 is None:
            return {}
        self._brain.estimator.resume_light(day.ts, day.dli_mol_m2)
        return {"light_ts": day.ts.isoformat(), "light_mol_m2": day.dli_mol_m2}

    def shut_down(self) -> None:
        """Outputs safe, last records written; an error here must not hide what ended the run."""
        try:
            self._stop_outputs()
        except TomatoError as error:
            self._recorder.event(self.now(), "WARNING", "link", "goodbye_failed", str(error))
        self._executor.abandon("shutdown", self.now())
        self._actuator.collect()
        self._close_interrupted(at_once=True)
        self.requests.record_refusals(math.inf)
        self._episode.record_state("shutdown")
        self._recorder.event(self.now(), "INFO", "process", "stopped", "Stopped; outputs are in their safe state.")
        self.status.jobs = {}
        self._session.close()
        # Last, because their processes may take seconds to end: the outputs were made safe before anything else.
        for extension in self._extensions:
            extension.stop()
        self._display.stop()

    def _stop_outputs(self) -> None:
        """Stop every output and wait a moment for the board's confirmation."""
        now_ms = self._clock.monotonic_ms()
        self._executor.stop_all("shutdown", now_ms, self.now())
        self._session.stop_all(now_ms)
        if self._session.up:
            self._session.ask_health(now_ms)
        end_ms = now_ms + SHUTDOWN_WAIT_MS
        while self._clock.monotonic_ms() < end_ms and self._session.awaiting:
            self._clock.wait_until_ms(min(end_ms, self._clock.monotonic_ms() + 50))
            self.poll(self._clock.monotonic_ms())

    # -- tasks -------------------------------------------------------------------------------------------------

    def _plan_tasks(self, with_inbox: bool) -> None:
        settings, plan = self._settings, self.scheduler
        plan.every("lease", round(settings.lease_renew_s * 1000), self._renew, priority=10)
        plan.every("watch", SAFE_MODE_MS, self._update_safe_mode, priority=20, first_after_ms=SAFE_MODE_MS)
        plan.every("state", self._state_ms, self._record_state, priority=30, first_after_ms=self._state_ms)
        plan.every("health", HEALTH_MS, self._ask_health, priority=40, first_after_ms=HEALTH_MS)
        if with_inbox:
            # In lock step a wake costs a turn with the VM, and a period of the lease passes in less than a millisecond.
            inbox_ms = INBOX_MS if self._runtime.real_time else round(settings.lease_renew_s * 1000)
            plan.every("inbox", inbox_ms, self._poll_inbox, priority=50)
            plan.every("tidy", INBOX_CLEANUP_MS, self._clean_inbox, priority=90, first_after_ms=INBOX_CLEANUP_MS)

    def _renew(self, run: Run) -> None:
        self.check_clock()
        self.poll(run.now_ms)
        if self._session.up:
            self._session.renew_lease(run.now_ms)
            self._telemetry.times["lease"].add((self._clock.monotonic_ms() - run.due_ms) / 1_000.0)
            self._executor.tick(run.now_ms, self.now())
        self._actuator.collect()
        self._close_interrupted()
        self.status.world = self._telemetry.snapshot()
        self._status_refresh.refresh(self.now(), run.now_ms)

    def check_clock(self) -> None:
        """Record that the wall clock was set, and tell it to all that counts in wall time: elapsed time decides."""
        moved = self._clock_watch.step()
        if moved is None:
            return
        self._context.clock_was_set(moved)
        self._brain.clock_was_set(moved)
        self.links.source.clock_was_set(self._clock.now())
        text, seconds = describe_clock_step(moved), round(moved.total_seconds(), 3)
        self._recorder.event(self.now(), "WARNING", "process", "clock_set", text, seconds=seconds)

    def _close_interrupted(self, at_once: bool = False) -> None:
        """Close actions of an earlier process or a lost link whose end is known, or was waited for long enough."""
        now_ms = self._clock.monotonic_ms()
        for action in self._interrupted.pop_closed(now_ms, self.now(), self._ledger, at_once):
            self._on_finished(action)

    def _update_safe_mode(self, run: Run) -> None:
        """Safe mode is updated with every observation; this is for when there is none."""
        self.poll(run.now_ms)
        if self._context.link_down_since is not None:
            self._episode.update_safe_mode(self._context.at(self.now()))

    def _watch_a_lost_link(self) -> None:
        """Nothing wakes for the watch while observations come: an idle wake costs lock step a turn with the VM."""
        if self._context.link_down_since is None:
            self.scheduler.suspend("watch")
        else:
            self.scheduler.resume("watch")

    def _record_state(self, run: Run) -> None:
        self.poll(run.now_ms)
        self._episode.record_state(None)

    def _ask_health(self, run: Run) -> None:
        self.poll(run.now_ms)
        if self._session.up:
            self._session.ask_health(run.now_ms)

    def _poll_inbox(self, run: Run) -> None:
        """Requests of 5 ms at most; what is left comes soon, after whatever else has become due meanwhile."""
        self.requests.poll(run.now_ms)
        self.scheduler.cancel("inbox_rest")
        if self.requests.is_flooded:
            self.scheduler.once("inbox_rest", INBOX_REST_MS, self._poll_inbox, priority=50)

    def _clean_inbox(self, run: Run) -> None:
        self.requests.remove_stale_replies()

    # -- events ------------------------------------------------------------------------------------------------

    def poll(self, now_ms: int) -> None:
        """Handle everything the link has brought."""
        for event in self._session.poll(now_ms):
            self.links.handle(event, now_ms)
            self.requests.on_event(event, now_ms)
        self._watch_a_lost_link()
        self._actuator.collect()

    def _on_wake(self, now_ms: int) -> None:
        """Bytes of the board, or requests of a child process, have ended the wait."""
        self.poll(now_ms)
        for extension in self._waking:
            extension.poll()

    def record_warning(self, kind: Kind, name: str, text: str) -> None:
        """A WARNING of this moment from outside the loop, before it runs."""
        self._recorder.event(self.now(), "WARNING", kind, name, text)

    def submit(self, request: Request) -> Reply:
        """A request for an action or a change of mode, outside the inbox."""
        return self.requests.submit(request)

    def now(self) -> datetime:
        """Wall time as the records carry it: local, with its offset. Nobody gets a time of a clock that was just set
        before those who count in wall time know of it."""
        self.check_clock()
        moment = self._clock.now()
        if moment is not self._stamped_from:  # a clock whose time stands returns the same object
            self._stamped_from, self._stamped = moment, stamped(moment, self._settings.zone)
        return self._stamped

    def _on_step(self, step: StepResult, now: datetime) -> None:
        self._follow_sampling(step)
        if step.decision is not None:
            for extension in self._extensions:
                extension.on_decision(step, now)

    def _on_finished(self, action: ActionV1) -> None:
        self._episode.finish(action)
        self.requests.on_event(action, self._clock.monotonic_ms())

    def _follow_sampling(self, step: StepResult) -> None:
        """States at a shorter period while something is wrong or the mode asks for it, then at the usual one again."""
        plan, mode = step.estimate.sampling, step.safe_mode
        asked = [window.period_s for window in plan.overrides]
        if mode is not None and mode.sampling_s is not None:
            asked.append(mode.sampling_s)
        period_ms = round(min([plan.base_period_s, *asked]) * 1000)
        if mode is not None and period_ms != self._state_ms:
            self._state_ms = period_ms
            self.scheduler.set_period("state", period_ms)
            self._recorder.record(plan)
