"""The advisor as an extension of the deciding loop: woken after decisions, cancelled on anomalies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo
from typing import Protocol

from shared_schemas.records import ActionV1, AgentV1, AnomalyV1, EventV1, Record, Severity, StateV1, VisionV1
from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.advisor_agent import AdvisorAgent
from tomato_host.advisor.context import DayTotals, Task, WakeContext
from tomato_host.advisor.daily_totals import DailyTotals
from tomato_host.brain.step_data import StepResult

URGENT = frozenset({Severity.HIGH, Severity.CRITICAL})
"""An anomaly of this severity needs the processor."""

CONTEXT_RECORDS = 12


class RecordSink(Protocol):
    """The part of the recorder that the advisor needs."""

    listeners: list[Callable[[Record], None]]

    def record(self, record: Record) -> None:
        """Store one record."""


class VisionReceiver(Protocol):
    """Receives photo verdicts: the estimator shows the newest one in the state."""

    def add_vision(self, vision: VisionV1) -> None:
        """Use this verdict as the newest."""


class AdvisorExtension:
    """One per run. Reads and writes records; has no reference by which an output could be switched."""

    def __init__(
        self,
        advisor: Advisor,
        recorder: RecordSink,
        zone: tzinfo,
        wake_every: timedelta,
        vision_receiver: VisionReceiver | None = None,
        agent: AdvisorAgent | None = None,
    ) -> None:
        self._agent = agent or AdvisorAgent()
        self._advisor = advisor
        self._vision_receiver = vision_receiver
        self._recorder = recorder
        self._zone = zone
        self._wake_every = wake_every
        self._anomalies: deque[AnomalyV1] = deque(maxlen=CONTEXT_RECORDS)
        self._actions: deque[ActionV1] = deque(maxlen=CONTEXT_RECORDS)
        self._woken_at: datetime | None = None
        self._day = DailyTotals()
        self._finished_day: DayTotals | None = None
        self._today: date | None = None

    def start(self) -> None:
        """Receive every record from now on."""
        self._recorder.listeners.append(self._on_record)

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """After a decision: wake the advisor when the last time is long enough ago."""
        self._start_new_day(now)
        if result.decision is None or not self._due(now) or not self._agent.is_active:
            return
        context = WakeContext(
            wake_id=result.decision.plan.id,
            ts=now,
            tasks=self._tasks(),
            state=result.estimate.state,
            anomalies=tuple(self._anomalies),
            actions=tuple(self._actions) or tuple(v.action for v in result.decision.verdicts)[:CONTEXT_RECORDS],
            plan=result.decision.plan,
            day=self._finished_day,
        )
        if self._advisor.wake(context, use_model=self._agent.has_tokens(now.timestamp())):
            self._woken_at = now
            self._finished_day = None
            self._anomalies.clear()
            self._actions.clear()

    def tick(self, now: datetime) -> None:
        """Record what the advisor has finished."""
        for record in self._advisor.poll():
            self._recorder.record(record)
            if isinstance(record, VisionV1) and self._vision_receiver is not None:
                self._vision_receiver.add_vision(record)

    def stop(self) -> None:
        """The run ends."""
        self._advisor.close()

    def _due(self, now: datetime) -> bool:
        # A moment ahead of now: a clock was set back since.
        return self._woken_at is None or not timedelta(0) <= now - self._woken_at < self._wake_every

    def _tasks(self) -> tuple[Task, ...]:
        tasks: list[Task] = ["vision", "summary", "explanation"]
        if self._anomalies:
            tasks.append("hypothesis")
        if self._finished_day is not None:
            tasks.append("chronicle")
        return tuple(tasks)

    def _start_new_day(self, now: datetime) -> None:
        today = now.astimezone(self._zone).date()
        if self._today is not None and today != self._today:
            self._finished_day = self._day.totals(self._today.isoformat())
            self._day = DailyTotals()
        self._today = today

    def _on_record(self, record: Record) -> None:
        self._day.add(record)
        if isinstance(record, StateV1):
            self._advisor.observe(record)
        elif isinstance(record, ActionV1):
            self._actions.append(record)
        elif isinstance(record, AnomalyV1):
            self._anomalies.append(record)
            if record.phase == "OPENED" and record.severity in URGENT:
                self._advisor.cancel(f"anomaly {record.type.value}", record.ts)
        elif isinstance(record, AgentV1):
            if self._agent.set_record(record) and not self._agent.is_active:
                self._advisor.cancel(f"its agent is {record.state}", record.ts)
        elif isinstance(record, EventV1):
            self._agent.add_text(record)
            if record.kind == "link" and record.name == "link_down":
                self._advisor.cancel("the board does not answer", record.ts)
