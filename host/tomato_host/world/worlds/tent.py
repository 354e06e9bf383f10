"""The real tent as a world: its records folded into one document, and what its agents may see of it.

The log is the dataset and the validator are the guardrails, behind `brain/admission/tent_admission.py`; what this file
adds are views. `TentViews` follows the records as they are stored and brings each agent's view up to date, so that a
proposal that names its `context_seq` is judged by what its agent could have seen.

*Another tent.* A node of a fleet sees of this tent what the policy of an agent row that names it shows, and nothing
without such a row: `summary` is the row's policy for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from shared_schemas.records import (
    ActionV1,
    AgentV1,
    AnomalyV1,
    DeviceStatusV1,
    EventV1,
    ObservationV1,
    PlanV1,
    Prediction36hV1,
    Record,
    StateV1,
)
from shared_schemas.world.messages import Effect, ObservationDelta
from tomato_host.brain.admission.pipeline import Admission
from tomato_host.world.distribution import Observer, SharedViews
from tomato_host.world.document import Document, WorldState, assign, escape, lookup, remove
from tomato_host.world.views import EVERYTHING, ObservationPolicy

RECENT_ACTIONS = 50
RECENT_MESSAGES = 50
SHOWN_HOURS = (1, 3, 6, 12, 24, 36)
"""Hours ahead of the forecast that a view has."""

COARSE: Mapping[str, float] = {
    "air_temp_c": 0.5,
    "rh_pct": 2.0,
    "co2_ppm": 20.0,
    "vpd_kpa": 0.05,
    "moisture_pct": 1.0,
    "confidence": 0.1,
    "light_lux": 500.0,
    "temp_c": 0.5,
    "leaf_temp_c": 0.5,
}
"""Steps below which a change is not news."""

POLICIES: dict[str, ObservationPolicy] = {
    row.name: row
    for row in (
        ObservationPolicy(name="full", paths=EVERYTHING, events=("*",)),
        ObservationPolicy(
            name="tent",
            paths=(
                "/air",
                "/soil",
                "/plant",
                "/devices",
                "/budgets",
                "/mode",
                "/plan",
                "/actions",
                "/anomalies",
                "/forecast",
                "/advice",
            ),
            rounding=COARSE,
            events=("message",),
            least_interval_s=1.0,
        ),
        ObservationPolicy(
            name="sitter",
            paths=("/soil", "/mode", "/budgets", "/anomalies", "/air/air_temp_c", "/devices/reservoir_ok"),
            rounding=COARSE,
            events=("message",),
            least_interval_s=10.0,
        ),
        ObservationPolicy(name="summary", paths=("/mode", "/anomalies"), least_interval_s=60.0),
    )
}
"""What an agent may see, by the name in its record."""
FOR_OTHER_TENTS = frozenset({"summary"})
"""Policies by which an agent of another tent sees this one; by any other it sees nothing."""
NOTHING = ObservationPolicy(name="nothing")


def policy_of(agent: AgentV1, tent: str) -> ObservationPolicy:
    """What an agent may see of a tent. An unknown policy shows nothing, and so does one that is not for its tent."""
    foreign = agent.tent != tent and agent.policy not in FOR_OTHER_TENTS
    return NOTHING if foreign else POLICIES.get(agent.policy, NOTHING)


def may_see(agent: AgentV1, tent: str, pointer: str) -> bool:
    """Whether an agent's policy shows what is at a pointer of one key."""
    state = WorldState(tent, document={pointer.removeprefix("/"): {"": True}})
    return bool(policy_of(agent, tent).filter_world_state(state, agent.name))


def fold(document: Document, record: Record) -> Document:
    """The document after one more record; kinds that say nothing about the tent's condition change nothing."""
    folder = FOLDERS.get(type(record))
    return document if folder is None else folder(document, record)


def _fold_state(document: Document, state: StateV1) -> Document:
    parts = state.model_dump(mode="json", include={"env", "plant", "soil", "devices", "budgets", "confidence", "mode"})
    probes = {probe.pop("id"): probe for probe in parts["soil"].pop("probes")}
    known = lookup(document, "/devices")
    devices = {**(known if isinstance(known, dict) else {}), **parts["devices"]}
    return {
        **document,
        "air": parts["env"],
        "plant": parts["plant"],
        "soil": {**parts["soil"], "probes": probes},
        "devices": devices,
        "budgets": parts["budgets"],
        "confidence": parts["confidence"],
        "mode": parts["mode"],
    }


def _fold_observation(document: Document, observation: ObservationV1) -> Document:
    """Leak and reservoir are read here: they are facts of the moment and of no estimate."""
    for name in ("leak", "reservoir_ok"):
        document = _assigned(document, f"/devices/{name}", getattr(observation, name))
    return document


def _fold_devices(document: Document, devices: DeviceStatusV1) -> Document:
    document = _assigned(document, "/devices/board_state", devices.board_state)
    return _assigned(document, "/devices/faults", sorted(fault.name for fault in devices.faults))


def _fold_action(document: Document, action: ActionV1) -> Document:
    shown = {
        "agent": action.agent,
        "origin": action.origin,
        "type": action.type.value,
        "params": action.params.model_dump(mode="json", exclude_none=True),
        "validated": action.safety.validated,
        "refused_by": action.safety.refused_by,
        "shadow": action.shadow,
        "status": None if action.outcome is None else action.outcome.status,
        "why": action.why.text,
    }
    return _bounded(document, "/actions", str(action.id), shown, RECENT_ACTIONS)


def _fold_plan(document: Document, plan: PlanV1) -> Document:
    return document if plan.shadow else assign(document, "/plan", {"id": plan.id, "controller": plan.controller})


def _fold_prediction(document: Document, prediction: Prediction36hV1) -> Document:
    return assign(document, "/forecast", shown_prediction(prediction))


def shown_prediction(prediction: Prediction36hV1) -> Document:
    """What a view has of a forecast: some hours ahead, and the first windows of risk."""
    hours = {
        f"{number + 1:02d}": hour.model_dump(mode="json", exclude_none=True)
        for number, hour in enumerate(prediction.hours)
        if (number + 1) in SHOWN_HOURS
    }
    windows = {
        f"{number:02d}": window.model_dump(mode="json") for number, window in enumerate(prediction.risk_windows[:10])
    }
    return {"explanation": prediction.explanation, "hours": hours, "risks": windows}


def _fold_anomaly(document: Document, anomaly: AnomalyV1) -> Document:
    at = f"/anomalies/{escape(anomaly.id or f'{anomaly.type.value}:{anomaly.subject}')}"
    if anomaly.phase == "CLEARED":
        return remove(document, at)
    return _assigned(
        document, at, {"type": anomaly.type.value, "severity": anomaly.severity, "subject": anomaly.subject}
    )


def _fold_event(document: Document, event: EventV1) -> Document:
    if event.kind == "agent" and event.data.get("written_by"):
        return assign(document, f"/advice/{escape(event.name)}", {"text": event.text, "ts": event.ts.isoformat()})
    if event.kind != "message":
        return document
    shown = {"name": event.name, "text": event.text, "agent": event.data.get("agent"), "to": event.data.get("to")}
    return _bounded(document, "/messages", event.ts.isoformat(), shown, RECENT_MESSAGES)


def _fold_agent(document: Document, agent: AgentV1) -> Document:
    return _assigned(document, f"/agents/{escape(agent.name)}", {"state": agent.state, "shadow": agent.shadow})


FOLDERS: dict[type[Record], Callable[[Document, Any], Document]] = {
    StateV1: _fold_state,
    ObservationV1: _fold_observation,
    DeviceStatusV1: _fold_devices,
    ActionV1: _fold_action,
    PlanV1: _fold_plan,
    AnomalyV1: _fold_anomaly,
    Prediction36hV1: _fold_prediction,
    EventV1: _fold_event,
    AgentV1: _fold_agent,
}
"""How each kind of record changes the document."""


class TentViews:
    """The views of a tent's agents: every agent of the admission has one from its first record on.

    Everything here follows from the records alone, their times included: `replay --check` adds the same records and
    gets the same view numbers, so that a refusal for a stale context can be judged again. What an agent has not been
    sent costs one document: its queue fills from the first call of `observer` on.
    """

    def __init__(self, tent: str, admission: Admission, seed: int = 0) -> None:
        self.state = WorldState(tent)
        self._admission = admission
        self._seed = seed
        self._now_s = 0.0
        self._moved_s = 0.0
        """How far the wall clock was set since the process began; views go by elapsed time."""
        self._first_seq = 0
        self._observers: dict[str, Observer] = {}
        self._readers: set[str] = set()

    def add(self, record: Record) -> None:
        """Fold one record and bring every view up to date. An observation also ends pauses between two deltas."""
        if isinstance(record, EventV1) and record.kind == "process":
            self._on_process(record)
        document = fold(self.state.document, record)
        if document is not self.state.document:
            self.state = WorldState(self.state.world, self.state.n + 1, record.ts.timestamp(), document)
        elif not isinstance(record, ObservationV1):
            return
        if not isinstance(record, ActionV1 | AgentV1):  # theirs is the time of a client
            received = record.received_ts if isinstance(record, ObservationV1) and record.received_ts else record.ts
            self._now_s = max(self._now_s, received.timestamp() - self._moved_s)
        self.update()

    def update(self) -> dict[str, ObservationDelta]:
        """Queue the deltas that are due; returns them by agent."""
        sent, shared = {}, SharedViews()
        for name in sorted(self._admission.accounts):
            observer = self._observer(name)
            change = observer.update(self.state, self._now_s, shared)
            if change is not None:
                sent[name] = change
                if name not in self._readers:
                    observer.queue.clear()
        return sent

    def observer(self, agent: str) -> Observer:
        """What an agent has seen; the first call queues its whole view. Raises KeyError for an unknown agent."""
        observer = self._observer(agent)
        if agent not in self._readers:
            self._readers.add(agent)
            if observer.update(self.state, self._now_s) is None:
                observer.resend(self._now_s)
        return observer

    def send_event(self, effect: Effect) -> None:
        """Queue an event for those who read and whose policies pass it on."""
        for name in sorted(self._readers):
            self._observer(name).send_event(effect, self.state, self._now_s)

    def _observer(self, agent: str) -> Observer:
        account = self._admission.accounts[agent]
        policy = policy_of(account.record, self.state.world)
        observer = self._observers.get(agent)
        if observer is None:
            account.view.seq = max(account.view.seq, self._first_seq)
            observer = Observer(account, policy, lambda: self._now_s, self._seed)
            self._observers[agent] = observer
        observer.set_policy(policy)
        return observer

    def _on_process(self, event: EventV1) -> None:
        """A process that starts counts behind every number that an earlier one has given: from its time in ms."""
        if event.name == "started":
            self._first_seq = round(event.ts.timestamp() * 1_000.0)
            self._now_s = event.ts.timestamp() - self._moved_s
            for account in self._admission.accounts.values():
                account.view.seq = max(account.view.seq, self._first_seq)
        elif event.name == "clock_set":
            self._moved_s += float(event.data.get("seconds") or 0.0)


def _assigned(document: Document, pointer: str, value: Any) -> Document:
    """As `assign`, but an equal value gives the same document: nothing has changed then."""
    return document if lookup(document, pointer) == value else assign(document, pointer, value)


def _bounded(document: Document, collection: str, key: str, value: Any, most: int) -> Document:
    """The newest `most` members of a collection."""
    known = lookup(document, collection)
    members = {**(known if isinstance(known, dict) else {}), key: value}
    while len(members) > most:
        del members[next(iter(members))]
    return assign(document, collection, members)
