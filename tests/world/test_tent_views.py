"""The tent's document and what its policies show: stable pointers, rounding, nothing that is hidden."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tomato_host.world.delta import apply
from tomato_host.world.distribution import MOST_QUEUED
from tomato_host.world.document import lookup
from tomato_host.world.worlds.tent import POLICIES, RECENT_ACTIONS, TentViews, fold

from shared_schemas.records import EventV1, StateV1
from tests.admission.cases import agent, tent_admission
from tests.control.states import NOON, state
from tests.guardrails.proposals import ON, facts, proposal


def views(*records: Any) -> TentViews:
    admission = tent_admission()
    for record in records:
        admission.set_agent(record)
    return TentViews("main", admission.pipeline)


def later(first: StateV1, minutes: int, **soil: float) -> StateV1:
    """The state some minutes later, with other moistures by probe."""
    probes = tuple(p.model_copy(update={"moisture_pct": soil.get(p.id, p.moisture_pct)}) for p in first.soil.probes)
    changed = first.soil.model_copy(update={"probes": probes})
    return first.model_copy(update={"ts": first.ts + timedelta(minutes=minutes), "soil": changed})


def test_a_probe_has_a_stable_pointer() -> None:
    first = state(NOON)
    document = fold({}, first)
    probe = first.soil.probes[0]
    assert lookup(document, f"/soil/probes/{probe.id}/moisture_pct") == probe.moisture_pct


def test_a_change_below_the_step_is_no_news_and_above_it_is_one_operation() -> None:
    tent = views(agent("screen", policy="tent"))
    first = state(NOON)
    tent.add(first)
    observer = tent.observer("screen")
    (whole,) = observer.queue.pop_due()
    probe = first.soil.probes[0]
    moisture = float(probe.moisture_pct or 0.0)
    tent.add(later(first, 1, **{probe.id: round(moisture) + 0.2}))
    before = observer.queue.pop_due()
    tent.add(later(first, 2, **{probe.id: round(moisture) + 0.3}))
    assert observer.queue.pop_due() == [], "rounded, it is the same"
    tent.add(later(first, 3, **{probe.id: round(moisture) + 5.0}))
    (change,) = observer.queue.pop_due()
    assert change["patch"] == [  # type: ignore[typeddict-item]  # a delta, not an event
        {"op": "replace", "path": f"/soil/probes/{probe.id}/moisture_pct", "value": round(moisture) + 5.0}
    ]
    document: Any = whole["snapshot"]  # type: ignore[typeddict-item]
    for one in [*before, change]:
        document = apply(document, one["patch"])  # type: ignore[typeddict-item,arg-type]
    assert observer.view is not None and document == observer.view.document


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_each_policy_shows_what_it_says_and_nothing_else(name: str) -> None:
    tent = views(agent("one", policy=name))
    tent.add(state(NOON))
    tent.add(proposal("WATER", "a", ml=60.0))
    tent.add(state(NOON + timedelta(minutes=2)))
    observer = tent.observer("one")
    assert observer.view is not None
    seen = observer.view.document
    if name == "full":
        assert seen == tent.state.document
    for path in ("/actions", "/soil", "/air/rh_pct"):
        allowed = any(path.startswith(row) or row.startswith(path) for row in POLICIES[name].paths)
        found = lookup(seen, path)
        assert isinstance(found, object) and (isinstance(found, dict | float)) is allowed, path


def test_an_unknown_policy_shows_nothing() -> None:
    tent = views(agent("one", policy="no-such"))
    tent.add(state(NOON))
    view = tent.observer("one").view
    assert view is not None and view.document == {}


def test_another_tent_sees_the_summary_by_a_row_and_moves_nothing() -> None:
    neighbour = agent("neighbour", policy="summary", tent="north")
    admission = tent_admission()
    for record in (neighbour, agent("curious", policy="full", tent="north")):
        admission.set_agent(record)
    tent = TentViews("main", admission.pipeline)
    tent.add(state(NOON).model_copy(update={"mode": "CAUTION"}))
    summary, curious = tent.observer("neighbour").view, tent.observer("curious").view
    assert summary is not None and summary.document == {"mode": "CAUTION"}
    assert curious is not None and curious.document == {}
    fan = proposal("SET_CIRCULATION_FAN", origin="api", **ON).model_copy(update={"agent": "neighbour"})
    assert admission.admit(fan, facts()).rule == "NOT_PERMITTED"


def test_actions_and_messages_are_bounded() -> None:
    document: Any = {}
    for i in range(200):
        document = fold(document, proposal("WATER", f"a{i}", ml=60.0))
        event = {"schema_version": "event_v1", "ts": NOON + timedelta(seconds=i), "level": "INFO", "kind": "message",
                 "name": "said", "text": "hello", "data": {"agent": "sitter"}}  # fmt: skip
        document = fold(document, EventV1.model_validate(event))
    assert len(document["actions"]) == RECENT_ACTIONS and "a199" in document["actions"]
    assert len(document["messages"]) <= RECENT_ACTIONS


def test_who_does_not_read_costs_a_bounded_memory_and_gets_the_whole_view() -> None:
    tent = views(agent("slow", policy="full"))
    observer = tent.observer("slow")
    for i in range(MOST_QUEUED + 50):
        tent.add(proposal("WATER", f"a{i}", ml=60.0))
    assert len(observer.queue) <= MOST_QUEUED and observer.dropped >= MOST_QUEUED
    document: Any = None
    for one in observer.queue.pop_due():
        document = one["snapshot"] if one["patch"] is None else apply(document, one["patch"])  # type: ignore[typeddict-item]
    assert document == tent.state.document


def test_what_the_advisor_writes_is_seen_by_policies_that_show_advice() -> None:
    tent = views(agent("screen", policy="tent"), agent("sitter", policy="sitter"))
    tent.add(state(NOON))
    readers = {name: tent.observer(name) for name in ("screen", "sitter")}
    for reader in readers.values():
        reader.queue.pop_due()
    event = {"schema_version": "event_v1", "ts": NOON + timedelta(seconds=20), "level": "INFO", "kind": "agent",
             "name": "summary", "text": "All is calm.", "data": {"written_by": "model"}}  # fmt: skip
    tent.add(EventV1.model_validate(event))
    tent.add(later(state(NOON), 1))
    (change,) = readers["screen"].queue.pop_due()
    assert "All is calm." in str(change) and "/advice" in str(change)
    assert readers["sitter"].queue.pop_due() == []
    tent.add(EventV1.model_validate({**event, "name": "advice_cancelled", "data": {"wake_id": "w"}}))
    assert list(tent.state.document["advice"]) == ["summary"]
