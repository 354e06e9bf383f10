"""Field reports: every decision is watched for three epochs, then reported with all that offline learning needs."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_schemas.learn.budgets import REPORT_WINDOW_EPOCHS
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.report_pb2 import EpochOutcome, FieldReport, ReportedChoice, ReportedState, ReportOutcome
from shared_schemas.learn.state_pb2 import SystemStatePacket
from tomato_host.learn.messages import SCHEMA
from tomato_host.learn.policy.view import (
    FEATURE_VERSION,
    EpochView,
    allowed_actions,
    features_of,
    packet_of,
    reward_of,
    view_of_packet,
)

_NEUTRAL = 0.01
"""A sum of rewards within so much of zero is neither better nor worse."""


@dataclass(frozen=True)
class Choice:
    """What a core chose, as PPO needs it."""

    action: int
    log_probability: float = 0.0
    value: float = 0.0
    deterministic: bool = True


@dataclass
class _Window:
    """One decision that is still watched."""

    view: EpochView
    choice: Choice
    report: FieldReport
    last: EpochView
    epochs: list[EpochOutcome] = field(default_factory=list)


@dataclass
class ObservationWindows:
    """The open windows of one policy. A report closes after REPORT_WINDOW_EPOCHS epochs, or when it is cut short."""

    policy_version: int = 0
    _open: list[_Window] = field(default_factory=list)

    def observe(self, view: EpochView) -> list[FieldReport]:
        """Add an epoch to every open window; returns the reports of those that are complete, unsigned."""
        for window in self._open:
            reward = reward_of(window.last, view, window.choice.action if not window.epochs else 0)
            window.epochs.append(EpochOutcome(epoch=view.epoch, metrics=view.metrics, reward=reward))
            if len(window.epochs) == 1:
                window.report.next_state.CopyFrom(_state(view))
            window.last = view
        done = [one for one in self._open if len(one.epochs) >= REPORT_WINDOW_EPOCHS]
        self._open = [one for one in self._open if len(one.epochs) < REPORT_WINDOW_EPOCHS]
        return [_closed(window) for window in done]

    def open(
        self, view: EpochView, choice: Choice, command_id: int, risk: Any, slot: str = "", blueprint: int = 0
    ) -> None:
        """Begin to watch a decision."""
        report = FieldReport(
            schema=SCHEMA, report_id=command_id, run_id=view.run_id, command_id=command_id,
            policy_version=self.policy_version, state=_state(view), risk=risk, slot=slot, blueprint=blueprint,
            choice=ReportedChoice(
                action=choice.action, log_probability=choice.log_probability, value=choice.value,
                deterministic=choice.deterministic,
            ),
        )  # fmt: skip
        self._open.append(_Window(view, choice, report, view))

    def cut(self, rolled_back: bool = False) -> list[FieldReport]:
        """End every window now: a rollback, or the end of the run. Reports without an epoch are censored."""
        cut, self._open = self._open, []
        found = [_closed(window) for window in cut]
        for report in found:
            report.ends_episode = True
            if rolled_back:
                report.outcome = ReportOutcome.REPORT_OUTCOME_ROLLED_BACK
        return found

    def waiting(self) -> int:
        """Open windows."""
        return len(self._open)

    def dump(self) -> list[list[str]]:
        """The open windows as text, so that another process goes on watching."""
        rows = []
        for one in self._open:
            partial = FieldReport()
            partial.CopyFrom(one.report)
            partial.epochs.extend(one.epochs)
            parts = (packet_of(one.view), packet_of(one.last), partial)
            rows.append([b64encode(part.SerializeToString()).decode() for part in parts])
        return rows

    def load(self, rows: list[list[str]]) -> None:
        """Go on with what `dump` gave. Raises ValueError or DecodeError for anything else."""
        self._open = []
        for row in rows:
            view, last, partial = (b64decode(text, validate=True) for text in row)
            report = FieldReport.FromString(partial)
            epochs = list(report.epochs)
            del report.epochs[:]
            c = report.choice
            choice = Choice(c.action, c.log_probability, c.value, c.deterministic)
            views = [view_of_packet(SystemStatePacket.FromString(raw)) for raw in (view, last)]
            self._open.append(_Window(views[0], choice, report, views[1], epochs))


def _state(view: EpochView) -> ReportedState:
    return ReportedState(
        feature_version=FEATURE_VERSION, features=features_of(view), allowed_actions=allowed_actions(view)
    )


def _closed(window: _Window) -> FieldReport:
    report = window.report
    report.epochs.extend(window.epochs)
    report.outcome = _outcome(window)
    return report


def _outcome(window: _Window) -> ReportOutcome:
    if not window.epochs:
        return ReportOutcome.REPORT_OUTCOME_CENSORED
    stages: Mapping[str, SlotStage | None] = {slot.slot: window.last.stage(slot) for slot in window.last.slots}
    if window.report.slot and stages.get(window.report.slot) is SlotStage.CULLED:
        return ReportOutcome.REPORT_OUTCOME_CULLED
    total = sum(one.reward for one in window.epochs)
    if abs(total) <= _NEUTRAL:
        return ReportOutcome.REPORT_OUTCOME_NEUTRAL
    return ReportOutcome.REPORT_OUTCOME_IMPROVED if total > 0.0 else ReportOutcome.REPORT_OUTCOME_WORSE
