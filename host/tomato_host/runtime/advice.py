"""Wakes the advisor after each decision, keeps what it says, and silences it when something happens."""

from __future__ import annotations

from datetime import datetime

from shared_schemas.records import ActionV1, Severity
from shared_schemas.records.anomaly_v1 import AnomalyV1
from shared_schemas.records.base import Record
from tomato_host.agent.agent import Advisor
from tomato_host.agent.context import WakeContext
from tomato_host.brain.mind import Taken
from tomato_host.runtime.recorder import Recorder

RECENT_ACTIONS = 16
LOUD = (Severity.HIGH, Severity.CRITICAL)


class Advice:
    """An extension of the deciding loop. What the advisor says is recorded and shown; it moves nothing."""

    def __init__(self, advisor: Advisor, recorder: Recorder) -> None:
        self._advisor = advisor
        self._log = recorder
        self._actions: list[ActionV1] = []
        recorder.listeners.append(self._hear)

    def start(self) -> None:
        """The advisor starts by itself when it is first woken."""

    def on_decision(self, taken: Taken, now: datetime) -> None:
        """A wake cycle: the photo and the words belong to this decision."""
        if taken.judged is None:
            return
        self._advisor.wake(
            WakeContext(
                wake_id=taken.judged.plan.id, ts=now, state=taken.estimate.state,
                anomalies=taken.estimate.open_anomalies[-32:], actions=tuple(self._actions[-RECENT_ACTIONS:]),
                plan=taken.judged.plan,
            )
        )

    def tick(self, now: datetime) -> None:
        """Keep what has been said since."""
        for record in self._advisor.poll():
            self._log.keep(record)

    def stop(self) -> None:
        """End the advisor's process."""
        self._advisor.close()

    def _hear(self, record: Record) -> None:
        if isinstance(record, ActionV1):
            self._actions = [*self._actions[-RECENT_ACTIONS:], record]
        elif isinstance(record, AnomalyV1) and record.phase == "OPENED" and record.severity in LOUD:
            self._advisor.cancel(f"{record.type.value} {record.subject or ''}".strip(), record.ts)
