"""Limits of memory: views leave by use, snapshots come by number; what is forgotten changes no answer and no state."""

from __future__ import annotations

from pathlib import Path

import pytest
from tomato_host.storage.chain import Head
from tomato_host.world.document import WorldState
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.memory import MemoryLimits, MemoryManager
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.rules import replay
from tomato_host.world.snapshots import WorldSnapshot
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.admission.cases import agent
from tests.world.test_orchestrator import Stage

DAY_S = 86_400.0


def test_the_least_recently_used_view_leaves() -> None:
    stage = Stage(TalkWorld())
    memory = MemoryManager(stage.host, stage.log, MemoryLimits(views=2))
    for name in ("ann", "ben", "cleo"):
        stage.join(name, LISTENER)
    for name in ("ann", "ben", "ann", "cleo"):
        memory.use(name)
    assert [stage.host.observer(name).view is not None for name in ("ann", "ben", "cleo")] == [True, False, True]


def test_snapshots_and_compaction_change_no_state_and_no_answer() -> None:
    stage = Stage(TalkWorld())
    memory = MemoryManager(stage.host, stage.log, MemoryLimits(snapshot_every=20, entries=30))
    stage.join("ann", LISTENER)
    answers, forgotten = [], 0
    for i in range(100):
        stage.clock.now_s += DAY_S / 50
        answers.append(stage.ask("ann", f"i{i}", "say", text=str(i)).to_json())
        memory.snapshot_when_due()
        forgotten += memory.compact(stage.clock.now_s)
    assert forgotten > 20 and stage.log.validate() == [] and memory.newest is not None
    assert stage.log.last_n - stage.log.first_n < 90
    rest = [entry for entry in stage.log.entries_since(stage.log.first_n - 1) if entry.n > memory.newest.state.n]
    assert replay(TalkWorld(), "w", rest, memory.newest.state) == stage.host.state
    again = Orchestrator("w", TalkWorld(), stage.log, stage.clock, start=memory.newest.state, stopwatch=lambda: 0.0)
    again.register_agent(agent("ann"), LISTENER)
    assert again.state.document == stage.host.state.document
    for i in range(55, 100):
        intent = {
            "schema_version": "intent_v1",
            "id": f"i{i}",
            "agent": "ann",
            "kind": "say",
            "payload": {"text": str(i)},
        }
        repeated = again.submit_intent(intent)  # type: ignore[arg-type]  # a dict by its keys
        assert repeated is not None and repeated.to_json() == answers[i], "answers of the last 24 h are still there"


def test_a_snapshot_reads_back_and_a_changed_one_is_found(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    snapshot = WorldSnapshot(WorldState("w", 5, 2.5, {"said": {"1": "ä"}}), Head(5, 5, "0" * 32))
    snapshot.save(path)
    assert WorldSnapshot.load(path) == snapshot
    path.write_bytes(path.read_bytes().replace("ä".encode(), b"b"))
    with pytest.raises(ValueError, match="digest"):
        WorldSnapshot.load(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="no snapshot"):
        WorldSnapshot.load(path)


def test_a_file_stays_whole_whatever_memory_forgets(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    stage = Stage(TalkWorld(), ChainedLog("w", path))
    stage.join("ann", LISTENER)
    for i in range(10):
        stage.ask("ann", f"i{i}", "say", text=str(i))
    stage.log.compact(8)
    stage.log.close()
    whole = ChainedLog("w", path)
    assert whole.first_n == 1 and whole.validate() == []
    assert replay(TalkWorld(), "w", whole.entries_since(0)) == stage.host.state
