"""Golden traces: a log recorded by an earlier version gives the same numbers, effects and views today, to the byte.

`python -m tests.world.test_golden_traces` writes the traces anew, after a change that is meant to change them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from tomato_host.world.event_log import ChainedLog, canonical_json
from tomato_host.world.rules import replay
from tomato_host.world.worlds.garden import GardenWorld
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.world.test_orchestrator import Stage, busy_garden

GOLDEN = Path(__file__).parent / "golden"


def garden() -> Stage:
    stage = Stage(GardenWorld(cans=2))
    busy_garden(stage, seed=7, steps=60)
    return stage


def talk() -> Stage:
    stage = Stage(TalkWorld())
    handles = [stage.join(name, LISTENER, queue_most=2) for name in ("ann", "ben")]
    for i in range(30):
        stage.clock.now_s += 0.5
        stage.ask("ann" if i % 3 else "ben", f"i{i // 2}", "say", text="" if i % 7 == 0 else f"sentence {i // 2}")
        for handle in handles:
            stage.follow(handle)
    return stage


TRACES = {"garden": garden, "talk": talk}


def outcome(stage: Stage) -> dict[str, Any]:
    """Numbers, views and the document of a run."""
    return {
        "n": stage.host.state.n,
        "head": stage.log.head.hash,
        "document": hashlib.sha256(canonical_json(stage.host.state.document)).hexdigest(),
        "views": {name: [numbers[-1], len(numbers)] for name, numbers in sorted(stage.numbers.items())},
        "rebuilt": hashlib.sha256(canonical_json(stage.rebuilt)).hexdigest(),
    }


@pytest.mark.parametrize("name", sorted(TRACES))
def test_todays_code_writes_the_recorded_log(name: str) -> None:
    stage = TRACES[name]()
    assert b"".join(stage.log.lines()) == (GOLDEN / f"{name}.jsonl").read_bytes()
    assert outcome(stage) == json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", sorted(TRACES))
def test_the_recorded_log_leads_to_the_recorded_state(name: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes((GOLDEN / f"{name}.jsonl").read_bytes())
    log, world = ChainedLog("w", path), GardenWorld(cans=2) if name == "garden" else TalkWorld()
    state = replay(world, "w", log.entries_since(0))
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    assert log.validate() == [] and state.n == expected["n"]
    assert hashlib.sha256(canonical_json(state.document)).hexdigest() == expected["document"]


def test_any_snapshot_equals_a_replay_from_zero() -> None:
    """At every entry of the log: the state there, and the rest replayed from it, are those of a replay from zero."""
    stage = garden()
    world, entries = GardenWorld(cans=2), list(stage.log.entries_since(0))
    whole = replay(world, "w", entries)
    state = None
    for at, entry in enumerate(entries):
        state = replay(world, "w", [entry], state)
        if at % 5 == 0:
            assert state == replay(world, "w", entries[: at + 1])
            assert replay(world, "w", entries[at + 1 :], state) == whole == stage.host.state


def write() -> None:
    """Write the golden files from what the code does now."""
    GOLDEN.mkdir(exist_ok=True)
    for name, make in TRACES.items():
        stage = make()
        (GOLDEN / f"{name}.jsonl").write_bytes(b"".join(stage.log.lines()))
        (GOLDEN / f"{name}.json").write_text(json.dumps(outcome(stage), indent=1) + "\n")


if __name__ == "__main__":
    write()
