"""The real tent as a world: its records folded into one document, and what its agents may see of it.

The log is the dataset and the validator are the guardrails, behind `brain/admission/tent_admission.py`; what this file
adds are views. `TentViews` follows the records as they are stored and brings each agent's view up to date, so that a
proposal that names its `context_seq` is judged by what its agent could have seen.
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
    Record,
    StateV1,
)
from shared_schemas.world.messages import ObservationDelta
from tomato_host.brain.admission.pipeline import Admission
from tomato_host.world.distribution import Observer
from tomato_host.world.document import Document, WorldState, assign, escape, lookup, remove
from tomato_host.world.views import EVERYTHING, ObservationPolicy

RECENT_ACTIONS = 50
RECENT_MESSAGES = 50

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
            paths=("/air", "/soil", "/plant", "/devices", "/budgets", "/mode", "/plan", "/actions", "/anomalies"),
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
"""What an agent may see, by the name in its record. `summary` is what another tent may see of this one."""


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
    }
    return _bounded(document, "/actions", str(action.id), shown, RECENT_ACTIONS)


def _fold_plan(document: Document, plan: PlanV1) -> Document:
    return document if plan.shadow else assign(document, "/plan", {"id": plan.id, "controller": plan.controller})


def _fold_anomaly(document: Document, anomaly: AnomalyV1) -> Document:
    at = f"/anomalies/{escape(anomaly.id or f'{anomaly.type.value}:{anomaly.subject}')}"
    if anomaly.phase == "CLEARED":
        return remove(document, at)
    return _assigned(
        document, at, {"type": anomaly.type.value, "severity": anomaly.severity, "subject": anomaly.subject}
    )


def _fold_event(document: Document, event: EventV1) -> Document:
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
    EventV1: _fold_event,
    AgentV1: _fold_agent,
}
"""How each kind of record changes the document."""


class TentViews:
    """The views of a tent's agents. Call `add` with each record as it is stored; equal records give equal views.

    An agent that never looks costs nothing: its view begins with the first call of `observer`.
    """

    def __init__(self, tent: str, admission: Admission, clock: Callable[[], float], seed: int = 0) -> None:
        """`clock`: seconds of the host; it paces deliveries and decides nothing."""
        self.state = WorldState(tent)
        self._admission = admission
        self._clock = clock
        self._seed = seed
        self._observers: dict[str, Observer] = {}

    def add(self, record: Record) -> None:
        """Fold one record and bring every view up to date."""
        document = fold(self.state.document, record)
        if document is self.state.document:
            return
        self.state = WorldState(self.state.world, self.state.n + 1, record.ts.timestamp(), document)
        self.update()

    def update(self) -> dict[str, ObservationDelta]:
        """Queue the deltas that have become due; returns them by agent."""
        now_s, sent = self._clock(), {}
        for name in sorted(self._observers):
            change = self.observer(name).update(self.state, now_s)
            if change is not None:
                sent[name] = change
        return sent

    def observer(self, agent: str) -> Observer:
        """What an agent has seen. Raises KeyError for an unknown one; an unknown policy shows nothing."""
        account = self._admission.accounts[agent]
        policy = POLICIES.get(account.record.policy) or ObservationPolicy(name=account.record.policy)
        observer = self._observers.get(agent)
        if observer is None:
            observer = self._observers[agent] = Observer(account, policy, self._clock, self._seed)
            observer.update(self.state, self._clock())
        observer.set_policy(policy)
        return observer


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
