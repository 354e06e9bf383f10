"""Replay as proof: recorded observations through today's brain, every state, anomaly and decision compared.

The records say all that the brain was told: observations, device statuses, weather, deeds and their outcomes, the
loss of the link. So today's brain must say again what was recorded, byte for byte, or the difference is shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared_schemas.records import (
    ActionV1,
    AnomalyV1,
    DeviceStatusV1,
    EventV1,
    Forecast36hV1,
    ObservationV1,
    PlanV1,
    Prediction36hV1,
    Record,
    SamplingPlanV1,
    SensorHealthV1,
    StateV1,
    TargetsV1,
)
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.mind import Circumstances, Mind, MindSettings, Taken
from tomato_host.runtime.recorded_door import MOVEMENTS, repeat

WATCH = timedelta(seconds=10)
"""The pace at which the running host weighs trust while nothing is observed."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, or a whole record that only one side has (`field` is empty then)."""

    kind: str
    ts: str
    field: str
    recorded: Any
    today: Any

    @property
    def text(self) -> str:
        """One line for a person."""
        if not self.field:
            side = "only in the record" if self.today is None else "only today"
            return f"{self.ts} {self.kind}: {side}: {self.recorded or self.today}"
        return f"{self.ts} {self.kind} {self.field}: recorded {self.recorded!r}, today {self.today!r}"


@dataclass(slots=True)
class CheckResult:
    """How many records were compared, and what differed."""

    observations: int = 0
    compared: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    more_differences: int = 0

    @property
    def same(self) -> bool:
        """True when today's brain says exactly what was recorded."""
        return not self.differing


class Checker:
    """Walks once over the records in the order in which they were written."""

    def __init__(self, settings: MindSettings, *, decides: bool = True, keep: int = 200) -> None:
        """`decides`: the recording holds decisions (a run), not estimates alone (a simulated day)."""
        self.result = CheckResult()
        self._settings = settings
        self._decides = decides
        self._keep = keep
        self._mind = Mind(settings)
        self._devices: DeviceStatusV1 | None = None
        self._taken: Taken | None = None
        self._anomalies: list[AnomalyV1] = []
        self._plans: list[PlanV1] = []
        self._verdicts: list[ActionV1] = []
        self._accepted: dict[str, ActionV1] = {}
        self._link_down_since: datetime | None = None
        self._watch_at: datetime | None = None

    def check(self, records: Iterable[Record]) -> CheckResult:
        """Compare everything; the answer names what differs."""
        for record in records:
            self._take(record)
        self._close_group()
        return self.result

    def _take(self, record: Record) -> None:
        if isinstance(record, ObservationV1):
            self._close_group()
            self._observe(record)
        elif isinstance(record, DeviceStatusV1):
            self._devices = record
            self._mind.learn_devices(record)
        elif isinstance(record, EventV1):
            self._on_event(record)
        elif isinstance(record, Forecast36hV1):
            self._mind.outlook.weather = record
        elif isinstance(record, Prediction36hV1):
            self._mind.outlook.prediction = record
        elif isinstance(record, TargetsV1):
            self._mind.outlook.targets = record
        else:
            self._compare_record(record)

    def _observe(self, observation: ObservationV1) -> None:
        self.result.observations += 1
        now = observation.received_ts or observation.ts
        self._let_time_pass(now)
        if self._devices is None:
            return
        if self._decides:
            self._taken = self._mind.take(observation, self._devices, Circumstances(now=now))
        else:
            self._taken = Taken(self._mind.observe(observation, self._devices))
        self._anomalies = list(self._taken.estimate.anomalies)
        if self._taken.judged is not None:
            self._plans = [self._taken.judged.plan]
            self._verdicts = [verdict.action for verdict in self._taken.judged.verdicts]

    def _close_group(self) -> None:
        """What today's brain said of the last observation and nobody recorded."""
        for record in (*self._anomalies, *self._plans, *self._verdicts):
            self._differ(record, "", None, _brief(record))
        self._anomalies, self._plans, self._verdicts = [], [], []

    # -- comparing ---------------------------------------------------------------------------------------------

    def _compare_record(self, record: Record) -> None:
        estimate = None if self._taken is None else self._taken.estimate
        if isinstance(record, AnomalyV1):
            self._compare(record, self._anomalies.pop(0) if self._anomalies else None)
        elif isinstance(record, PlanV1):
            self._compare(record, self._plans.pop(0) if self._plans else None)
        elif isinstance(record, ActionV1):
            self._on_action(record)
        elif isinstance(record, StateV1):
            self._compare(record, None if estimate is None else self._todays_state(record, estimate))
        elif isinstance(record, SensorHealthV1):
            self._compare(record, None if estimate is None else estimate.health)
        elif isinstance(record, SamplingPlanV1) and not self._decides:
            # In a run the plans of sampling come from the weather's side.
            self._compare(record, None if estimate is None else estimate.sampling)

    def _todays_state(self, recorded: StateV1, estimate: Estimate) -> StateV1:
        """When a state is written on the cadence, and that a shutdown wrote one, is the process's part."""
        mode = self._mind.mode if self._decides else None
        return estimate.state.model_copy(update={"mode": mode, "reason": recorded.reason})

    def _on_action(self, action: ActionV1) -> None:
        if action.outcome is not None:
            self._accepted.pop(str(action.id), None)
            return
        if action.safety.validated:
            self._accepted[str(action.id)] = action
        if action.origin in ("controller", "safe_mode"):
            self._compare(action, self._verdicts.pop(0) if self._verdicts else None)
        else:
            # Somebody else's proposal: judged again by today's door, in the circumstances of that moment.
            verdict = self._mind.judge(_as_proposed(action), Circumstances(now=action.ts))
            self._compare(action, verdict.action)

    def _compare(self, recorded: Record, today: Record | None) -> None:
        kind = _kind(recorded)
        self.result.compared[kind] += 1
        if today is None:
            self._differ(recorded, "", _brief(recorded), None)
            return
        if recorded.to_json() == today.to_json():
            return
        self.result.differing[kind] += 1
        for path, old, new in _fields(json.loads(recorded.to_json()), json.loads(today.to_json())):
            self._note(Difference(kind, recorded.ts.isoformat(), path, old, new))

    def _differ(self, record: Record, path: str, old: Any, new: Any) -> None:
        self.result.differing[_kind(record)] += 1
        self._note(Difference(_kind(record), record.ts.isoformat(), path, old, new))

    def _note(self, difference: Difference) -> None:
        if len(self.result.differences) < self._keep:
            self.result.differences.append(difference)
        else:
            self.result.more_differences += 1

    # -- what else the brain was told ----------------------------------------------------------------------------

    def _move_books(self, event: EventV1) -> None:
        """The door's books move as they did then: a pulse drawn, settled, given back, an action released."""
        action = self._accepted.get(str(event.data.get("action")))
        if action is not None:
            repeat(self._mind.door, event, action)

    def _on_event(self, event: EventV1) -> None:
        if event.name in MOVEMENTS:
            self._move_books(event)
        elif event.kind == "process" and event.name == "started":
            self._close_group()
            self._mind, self._taken, self._devices = Mind(self._settings), None, None
            self._accepted.clear()
            self._link_down_since = self._watch_at = event.ts
        elif event.kind == "link" and event.name == "link_down":
            self._link_down_since = self._link_down_since or event.ts
        elif event.kind == "link" and event.name == "link_up":
            self._let_time_pass(event.ts)
            self._link_down_since = None

    def _let_time_pass(self, now: datetime) -> None:
        """While the link was down the host weighed trust every 10 s from its start on."""
        if self._watch_at is None:
            return
        while self._watch_at + WATCH <= now:
            self._watch_at += WATCH
            down = self._link_down_since
            if down is not None and self._watch_at > down and self._decides:
                down_s = (self._watch_at - down).total_seconds()
                self._mind.weigh_trust(Circumstances(now=self._watch_at, link_up=False, link_down_s=down_s))


def _as_proposed(action: ActionV1) -> ActionV1:
    return action.model_copy(update={"safety": ActionV1.model_fields["safety"].default})


def _kind(record: Record) -> str:
    return str(getattr(record, "schema_version", type(record).__name__))


def _brief(record: Record) -> str:
    text = record.to_json()
    return text if len(text) <= 160 else text[:157] + "..."


def _fields(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every leaf in which two JSON values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _fields(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _fields(a, b, f"{path}[{place}]")
    elif old != new or type(old) is not type(new):
        yield path, old, new
