"""Policies by relationship, hidden branches and size; and a log that several threads append to."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

from tomato_host.world.delta import delta, encoded_size
from tomato_host.world.document import WorldState
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.views import ObservationPolicy

from tests.world.test_delta import random_document

DOCUMENT: Any = {
    "soil": {"P1": {"moisture_pct": 20.0}, "P2": {"moisture_pct": 30.0}},
    "outputs": {"pump": {"on": True}, "lamp": {"on": False}},
    "notes": {"secret": "x", "open": "y"},
    "agents": {"sitter": {}, "owner": {}},
    "relations": {
        "sitter": {"P1": "waters"},
        "owner": {"tent": "owns"},
        "tent": {"P1": "has", "P2": "has", "lamp": "has"},
        "P1": {"pump": "is watered by"},
    },
}
RELATED = ObservationPolicy(name="related", paths=("/soil", "/outputs", "/notes"), hidden=("/notes/secret",),
                            related=("/soil", "/outputs"))  # fmt: skip


def seen(agent: str, policy: ObservationPolicy = RELATED) -> Any:
    return policy.filter_world_state(WorldState("w", document=DOCUMENT), agent)


def test_relationship_and_hidden_branches() -> None:
    sitter, owner, stranger = seen("sitter"), seen("owner"), seen("stranger")
    assert set(sitter["soil"]) == {"P1"} and set(sitter["outputs"]) == {"pump"}, "P1, and what waters it"
    assert set(owner["soil"]) == {"P1", "P2"} and set(owner["outputs"]) == {"pump", "lamp"}
    assert "soil" not in stranger and "outputs" not in stranger, "an empty branch would tell that something is in it"
    assert sitter["notes"] == owner["notes"] == {"open": "y"}
    near = ObservationPolicy(name="near", paths=("/soil",), related=("/soil",), reach=1)
    assert "soil" not in seen("owner", near), "two edges are too far for a reach of one"


def test_a_message_is_never_larger_than_the_snapshot() -> None:
    random, policy = Random(3), ObservationPolicy(name="all", paths=("",))
    snapshots = 0
    for _ in range(3_000):
        old, new = random_document(random), random_document(random)
        change = policy.calculate_observation_delta(old, new, 1, 0.0)
        if change is None:
            continue
        sent = change["snapshot"] if change["patch"] is None else change["patch"]
        snapshots += change["patch"] is None
        assert encoded_size(sent) == min(encoded_size(new), encoded_size(delta(old, new)))
    assert snapshots > 100


def test_threads_append_without_a_gap() -> None:
    log = ChainedLog("w")

    def append(name: str) -> None:
        for i in range(200):
            log.append({"schema_version": "effect_v1", "id": f"{name}{i}", "world": "w", "source": name, "kind": "k",
                        "payload": {}, "sim_time_s": 0.0, "priority": 0, "req_id": None}, None)  # fmt: skip

    threads = [threading.Thread(target=append, args=(f"t{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.validate() == [] and [entry.n for entry in log.entries_since(0)] == list(range(1, 1_601))
