"""Replay as proof: recorded observations through the current brain, every state, anomaly and decision compared.

The records hold all inputs of the brain: observations, device statuses, weather, actions and their outcomes, the loss
of the link. So the current brain must produce what was recorded, byte for byte, or the difference is shown.
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
    AgentV1,
    DeviceStatusV1,
    EventV1,
    ExtraReadingV1,
    Forecast36hV1,
    ObservationV1,
    Record,
    SamplingPlanV1,
    SensorHealthV1,
    StateV1,
    VisionV1,
)
from shared_schemas.records.action_v1 import OUTPUT_OF
from tomato_host.brain.admission.pipeline import TALLIED
from tomato_host.brain.brain import Brain
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.guardrails.ledger_events import ledger_event, replay_event
from tomato_host.brain.guardrails.profiles import OWN_ORIGINS
from tomato_host.brain.step_data import BrainSettings
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.commands.inbox import Request
from tomato_host.loop.context_state import ContextState
from tomato_host.loop.episode import SAFE_MODE_PERIOD, Episode, EstimateOnly
from tomato_host.world.worlds.tent import TentViews

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


NOT_REPEATABLE = TALLIED | {"TIMEOUT", "UNAVAILABLE"}
"""Refusals that are not judged again: they rest on how long a proposal waited, or, in old recordings, on quotas that
began anew with each process. Today those of quotas are recorded as counts, and change nothing."""


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
        """One line of text."""
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
        """True when the current brain produces exactly what was recorded."""
        return not self.differing


class Checker:
    """Runs the recorded observations through the episode's walk, and compares what comes out with the recording.

    The recording is read once, in the order in which it was written. Records that the brain was given (device statuses,
    weather, ledger movements, outcomes, requests) are given to it again at their place; records that it made are
    compared with what the walk makes now.
    """

    def __init__(
        self,
        settings: BrainSettings,
        *,
        decides: bool = True,
        max_differences: int = 200,
        stored_model: Callable[[str], WorldModel] | None = None,
    ) -> None:
        """`decides`: the recording holds decisions (a run), not estimates alone (a simulated day).

        `stored_model` gives the world model of a version that the recorded run had loaded when it started.
        """
        self._stored_model = stored_model
        self._accepted: dict[str, ActionV1] = {}
        self._finished: dict[str, ActionV1] = {}
        self._agents: dict[str, AgentV1] = {}
        self._judged: list[ActionV1] = []
        self._asked_at: dict[str, datetime] = {}
        """When a person's proposal was judged, by its id: later than it was written."""
        self.result = CheckResult()
        self._settings = settings
        self._decides = decides
        self._max_differences = max_differences
        self._restart(None)

    def check(self, records: Iterable[Record]) -> CheckResult:
        """Compare everything; the result names what differs."""
        for record in records:
            self._on_record(record)
        self._close_group()
        return self.result

    def begin_count(self) -> None:
        """What was compared before the next observation does not count: it has only brought the brain to a range."""
        self._close_group()
        self.result = CheckResult()

    def _restart(self, now: datetime | None) -> None:
        """A process has started: a fresh brain, no overrides, and no link yet."""
        self._brain = Brain(self._settings)
        for agent in self._agents.values():
            self._brain.admission.set_agent(agent)
        self._views = TentViews(self._settings.tent, self._brain.admission.pipeline)
        self._walked = self._brain if self._decides else EstimateOnly(self._brain.estimator)
        self._expected = _Expected()
        self._episode = Episode(self._walked, self._expected, _NoActuator())
        self._context = ContextState(now)
        self._devices: DeviceStatusV1 | None = None
        self._safe_mode_at = now

    # -- what the brain was given ----------------------------------------------------------------------------------

    def _on_record(self, record: Record) -> None:
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
        elif isinstance(record, ExtraReadingV1):
            self._brain.add_extra_reading(record)
        elif isinstance(record, ActionV1):
            self._on_action(record)
        elif isinstance(record, AgentV1):
            self._agents[record.name] = record
            self._brain.admission.set_agent(record)
        elif _kind(record) in _COMPARED:
            self._compare(record, self._recomputed(record))
        self._views.add(record)

    def _observe(self, observation: ObservationV1) -> None:
        self.result.observations += 1
        now = observation.received_ts or observation.ts
        self._advance_to(now)
        if self._devices is not None:
            self._episode.run(observation, self._devices, self._context.at(now))

    def _on_event(self, event: EventV1) -> None:
        if event.name not in ("started", "clock_set"):
            self._advance_to(event.ts)
        if ledger_event(event.name) is not None:
            action = self._accepted.get(str(event.data.get("action")))
            if action is not None:
                replay_event(self._brain.guardrails, event, action)
        elif event.kind == "process" and event.name == "started":
            self._close_group()
            self._restart(event.ts)
            resumed = int(event.data.get("resumed") or 0)
            finished = list(self._finished.values())[-resumed:] if resumed else ()
            # A recording of before 0.3 counts no answers; its process had none to give.
            self._brain.resume(finished, self._judged if "answers" in event.data else (), event.ts)
            if "light_ts" in event.data:
                light_ts = datetime.fromisoformat(str(event.data["light_ts"]))
                self._brain.estimator.resume_light(light_ts, float(event.data["light_mol_m2"] or 0.0))
        elif event.kind == "process" and event.name == "clock_set":
            self._shift(timedelta(seconds=float(event.data.get("seconds") or 0.0)))
        elif event.kind == "model" and event.name == "model_loaded" and self._stored_model is not None:
            self._brain.forecast_state.adopt(self._stored_model(str(event.data.get("version"))))
        elif event.kind == "link" and event.name == "link_down":
            self._context.link_went_down(event.ts)
        elif event.kind == "link" and event.name == "link_up":
            self._context.link_came_up()
        elif event.kind == "person" and event.name == "person_action":
            self._asked_at[str(event.data.get("action"))] = event.ts
        elif event.kind == "person" and event.name in ("person_mode", "person_acknowledge"):
            self._context.apply(_request(event), event.ts)
            self._episode.update_safe_mode(self._context.at(event.ts))

    def _shift(self, moved: timedelta) -> None:
        """The recorded host's clock was set: what it counts from moved with it."""
        self._context.clock_was_set(moved)
        self._brain.clock_was_set(moved)
        if self._safe_mode_at is not None:
            self._safe_mode_at += moved

    def _advance_to(self, now: datetime) -> None:
        """While the link was down the host updated safe mode every SAFE_MODE_PERIOD from its start on."""
        if self._safe_mode_at is None or not self._decides:
            return
        while self._safe_mode_at + SAFE_MODE_PERIOD <= now:
            self._safe_mode_at += SAFE_MODE_PERIOD
            down_since = self._context.link_down_since
            if down_since is not None and self._safe_mode_at > down_since:
                self._episode.update_safe_mode(self._context.at(self._safe_mode_at))

    def _on_action(self, action: ActionV1) -> None:
        """First comes the verdict, later the same action with its outcome."""
        if action.outcome is not None:
            self._accepted.pop(str(action.id), None)
            if action.type in OUTPUT_OF:
                self._finished[str(action.id)] = action
            self._brain.add_outcome(action)
            return
        if action.type in OUTPUT_OF and not action.shadow:
            self._judged.append(action)
        if action.safety.refused_by in NOT_REPEATABLE:
            return
        if action.safety.validated and not action.shadow:
            self._accepted[str(action.id)] = action
        if action.origin in OWN_ORIGINS and action.agent is None:
            self._compare(action, self._recomputed(action))
        else:
            # A proposal from outside the brain: judged again by the current guardrails.
            now = self._asked_at.pop(str(action.id), action.ts)
            self._compare(action, self._brain.judge(_as_proposed(action), self._context.at(now)).action)

    # -- comparing ---------------------------------------------------------------------------------------------

    def _recomputed(self, recorded: Record) -> Record | None:
        """What the current brain makes in the place of a recorded record; None for nothing."""
        estimate = self._walked.estimate
        if isinstance(recorded, StateV1):
            # When a state is written on the cadence, or at a shutdown, is the process's part, and so is `reason`; a
            # recording of 0.1 has no means.
            means = None if recorded.means is None else self._walked.recent_air
            update = {"mode": self._walked.mode, "reason": recorded.reason, "means": means}
            return None if estimate is None else estimate.state.model_copy(update=update)
        if isinstance(recorded, SensorHealthV1):
            return None if estimate is None else estimate.health
        made = self._expected.pop(_kind(recorded))
        if made is None and isinstance(recorded, SamplingPlanV1):
            # Not the day's plan but the closer sampling that anomalies ask for; when to write it is the process's part.
            return None if estimate is None else estimate.sampling
        return made

    def _close_group(self) -> None:
        """Report what the current brain made of the last observation and the recording does not have."""
        for record in self._expected.pop_all():
            self._differ(record, None, _brief(record))

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
            self._add_difference(Difference(kind, recorded.ts.isoformat(), path, before, after))

    def _differ(self, record: Record, old: Any, new: Any) -> None:
        self.result.differing[_kind(record)] += 1
        self._add_difference(Difference(_kind(record), record.ts.isoformat(), "", old, new))

    def _add_difference(self, difference: Difference) -> None:
        if len(self.result.differences) < self._max_differences:
            self.result.differences.append(difference)
        else:
            self.result.more_differences += 1


class _Expected:
    """The sink of a check: what the walk makes waits, by kind, for its counterpart in the recording.

    Left out are the records that the recording itself gives (observations, devices), events, and states with their
    health, which the recording process also writes at moments of its own.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[Record]] = {}

    def record(self, record: Record) -> None:
        if not isinstance(record, ObservationV1 | DeviceStatusV1 | EventV1 | StateV1 | SensorHealthV1):
            self._waiting.setdefault(_kind(record), []).append(record)

    def pop(self, kind: str) -> Record | None:
        """The oldest record of that kind; None when there is none."""
        waiting = self._waiting.get(kind)
        return waiting.pop(0) if waiting else None

    def pop_all(self) -> list[Record]:
        """Everything that is left, by kind."""
        left = [record for records in self._waiting.values() for record in records]
        self._waiting.clear()
        return left


class _NoActuator:
    """In a check nothing moves; what the ledger did is in the recording, and repeated from there."""

    def act(self, verdict: Verdict) -> None:
        """Nothing."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Nothing."""


def _request(event: EventV1) -> Request:
    """The operator's request behind an event."""
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
    asked = action.safety.asked or action.params
    return action.model_copy(update={"safety": ActionV1.model_fields["safety"].default, "params": asked})


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
