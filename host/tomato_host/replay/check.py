"""Replay as proof: recorded observations through today's brain, every state, anomaly and decision compared.

The records say all that the brain was told: observations, device statuses, weather, actions and their outcomes, the
loss of the link. So today's brain must say again what was recorded, byte for byte, or the difference is shown.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared_schemas.records import (
    ActionV1,
    DeviceStatusV1,
    EventV1,
    Forecast36hV1,
    ObservationV1,
    Record,
    SamplingPlanV1,
    SensorHealthV1,
    StateV1,
    VisionV1,
)
from shared_schemas.records.action_v1 import OUTPUT_OF
from tomato_host.brain.brain import Brain, BrainSettings, RuntimeContext
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.guardrails.ledger_events import LEDGER_EVENTS, replay_event
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.commands.inbox import Request
from tomato_host.commands.operator_overrides import OperatorOverrides

WATCH = timedelta(seconds=10)
"""The pace at which the running host weighs trust while nothing is observed."""


_COMPARED = frozenset(
    {
        "anomaly_v1",
        "plan_v1",
        "state_v1",
        "sensor_health_v1",
        "sampling_plan_v1",
        "targets_v1",
        "weather_adapter_log_v1",
        "prediction_36h_v1",
    }
)
_OWN = frozenset({"controller", "safe_mode", "policy"})
"""Origins of proposals that the brain makes itself."""


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

    def __init__(
        self,
        settings: BrainSettings,
        *,
        decides: bool = True,
        keep: int = 200,
        stored_model: Callable[[str], WorldModel] | None = None,
    ) -> None:
        """`decides`: the recording holds decisions (a run), not estimates alone (a simulated day).

        `stored_model` gives the world model of a version that the recorded run had loaded when it started.
        """
        self._stored_model = stored_model
        self._accepted: dict[str, ActionV1] = {}
        self._finished: dict[str, ActionV1] = {}
        self.result = CheckResult()
        self._settings = settings
        self._decides = decides
        self._keep = keep
        self._begin_anew(None)

    def check(self, records: Iterable[Record]) -> CheckResult:
        """Compare everything; the answer names what differs."""
        for record in records:
            self._take(record)
        self._close_group()
        return self.result

    def _begin_anew(self, now: datetime | None) -> None:
        """A process has started: a fresh brain, nobody's wishes, and no link yet."""
        self._brain = Brain(self._settings)
        self._overrides = OperatorOverrides()
        self._devices: DeviceStatusV1 | None = None
        self._estimate: Estimate | None = None
        self._expected: dict[str, list[Record]] = {}
        self._link_down_since = self._watch_at = now

    # -- what the brain was told ---------------------------------------------------------------------------------

    def _take(self, record: Record) -> None:
        if isinstance(record, ObservationV1):
            self._close_group()
            self._observe(record)
        elif isinstance(record, DeviceStatusV1):
            self._devices = record
            self._brain.update_devices(record)
        elif isinstance(record, EventV1):
            self._on_event(record)
        elif isinstance(record, Forecast36hV1):
            self._brain.add_weather(record)
        elif isinstance(record, VisionV1):
            self._brain.add_vision(record)
        elif isinstance(record, ActionV1):
            self._on_action(record)
        elif _kind(record) in _COMPARED:
            self._compare(record, self._today(record))

    def _observe(self, observation: ObservationV1) -> None:
        self.result.observations += 1
        now = observation.received_ts or observation.ts
        self._let_time_pass(now)
        if self._devices is None:
            return
        if not self._decides:
            self._estimate = self._brain.observe(observation, self._devices)
            self._expect(self._estimate.anomalies)
            return
        taken = self._brain.step(observation, self._devices, self._here(now))
        self._estimate = self._brain.estimate
        self._expect(taken.estimate.anomalies)
        if taken.rebuilt is not None:
            self._expect((taken.rebuilt.targets, taken.rebuilt.sampling, taken.rebuilt.log))
        if taken.prediction is not None:
            self._expect((taken.prediction,))
        if taken.decision is not None:
            self._expect((taken.decision.plan, *(verdict.action for verdict in taken.decision.verdicts)))

    def _here(self, now: datetime) -> RuntimeContext:
        down = self._link_down_since
        return RuntimeContext(
            now=now,
            link_up=down is None,
            link_down_s=0.0 if down is None else (now - down).total_seconds(),
            operator_paused=self._overrides.paused(now),
            operator_wants_safe=self._overrides.wants_safe(now),
            operator_acknowledges=self._overrides.take_acknowledgement(),
        )

    def _on_event(self, event: EventV1) -> None:
        if event.name not in ("started", "clock_set"):
            self._let_time_pass(event.ts)
        if event.name in LEDGER_EVENTS:
            action = self._accepted.get(str(event.data.get("action")))
            if action is not None:
                replay_event(self._brain.guardrails, event, action)
        elif event.kind == "process" and event.name == "started":
            self._close_group()
            self._begin_anew(event.ts)
            resumed = int(event.data.get("resumed") or 0)
            self._brain.resume(list(self._finished.values())[-resumed:] if resumed else ())
        elif event.kind == "process" and event.name == "clock_set":
            self._shift(timedelta(seconds=float(event.data.get("seconds") or 0.0)))
        elif event.kind == "model" and event.name == "model_loaded" and self._stored_model is not None:
            self._brain.forecast_state.adopt(self._stored_model(str(event.data.get("version"))))
        elif event.kind == "link" and event.name == "link_down":
            self._link_down_since = self._link_down_since or event.ts
        elif event.kind == "link" and event.name == "link_up":
            self._link_down_since = None
        elif event.kind == "person" and event.name in ("person_mode", "person_acknowledge"):
            self._overrides.wish(_request(event), event.ts)
            self._brain.update_safe_mode(self._here(event.ts))

    def _shift(self, moved: timedelta) -> None:
        """The recorded host's clock was set: what it counts from moved with it."""
        if self._link_down_since is not None:
            self._link_down_since += moved
        if self._watch_at is not None:
            self._watch_at += moved

    def _let_time_pass(self, now: datetime) -> None:
        """While the link was down the host weighed trust every 10 s from its start on."""
        if self._watch_at is None or not self._decides:
            return
        while self._watch_at + WATCH <= now:
            self._watch_at += WATCH
            if self._link_down_since is not None and self._watch_at > self._link_down_since:
                self._brain.update_safe_mode(self._here(self._watch_at))

    def _on_action(self, action: ActionV1) -> None:
        """First comes the verdict, later the same action with its outcome."""
        if action.outcome is not None:
            self._accepted.pop(str(action.id), None)
            if action.type in OUTPUT_OF:
                self._finished[str(action.id)] = action
            self._brain.add_outcome(action)
            return
        if action.safety.validated:
            self._accepted[str(action.id)] = action
        if action.origin in _OWN:
            self._compare(action, self._today(action))
        else:
            # Somebody else's proposal: judged again by today's guardrails.
            self._compare(action, self._brain.judge(_as_proposed(action), self._here(action.ts)).action)

    # -- comparing ---------------------------------------------------------------------------------------------

    def _expect(self, records: Iterable[Record]) -> None:
        for record in records:
            self._expected.setdefault(_kind(record), []).append(record)

    def _today(self, recorded: Record) -> Record | None:
        """What today's brain says in the place of a recorded record; None for nothing."""
        estimate = self._estimate
        if isinstance(recorded, StateV1):
            # When a state is written on the cadence, or at a shutdown, is the process's part, and so is `reason`.
            update = {"mode": self._brain.mode if self._decides else None, "reason": recorded.reason}
            return None if estimate is None else estimate.state.model_copy(update=update)
        if isinstance(recorded, SensorHealthV1):
            return None if estimate is None else estimate.health
        waiting = self._expected.get(_kind(recorded))
        if isinstance(recorded, SamplingPlanV1) and not waiting:
            # Not the day's plan but the closer look that anomalies ask for; when to write it is the process's part.
            return None if estimate is None else estimate.sampling
        return waiting.pop(0) if waiting else None

    def _close_group(self) -> None:
        """What today's brain said of the last observation and nobody recorded."""
        for records in self._expected.values():
            for record in records:
                self._differ(record, None, _brief(record))
        self._expected.clear()

    def _compare(self, recorded: Record, today: Record | None) -> None:
        kind = _kind(recorded)
        self.result.compared[kind] += 1
        if today is None:
            self._differ(recorded, _brief(recorded), None)
            return
        old, new = recorded.to_json(), today.to_json()
        if old == new:
            return
        self.result.differing[kind] += 1
        for path, before, after in _fields(json.loads(old), json.loads(new)):
            self._note(Difference(kind, recorded.ts.isoformat(), path, before, after))

    def _differ(self, record: Record, old: Any, new: Any) -> None:
        self.result.differing[_kind(record)] += 1
        self._note(Difference(_kind(record), record.ts.isoformat(), "", old, new))

    def _note(self, difference: Difference) -> None:
        if len(self.result.differences) < self._keep:
            self.result.differences.append(difference)
        else:
            self.result.more_differences += 1


def _request(event: EventV1) -> Request:
    """The person's request behind an event."""
    until = event.data.get("until")
    return Request.model_validate(
        {
            "id": event.data.get("request") or "recorded",
            "ts": event.ts,
            "kind": event.name.removeprefix("person_"),
            "mode": event.data.get("mode"),
            "until": None if until is None else datetime.fromisoformat(str(until)),
        }
    )


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
