"""A valve open after a restart: whatever restarts - board, host or both - nothing is on that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from tomato_host.commands.inbox import new_request

from shared_schemas.records import ActionV1
from tests.guardrails.proposals import proposal
from tests.incidents.loop import Loop
from tests.incidents.running_host import bit

DOSE_ML = 200.0


@pytest.mark.parametrize("who", ["the board", "both"])
def test_power_comes_back_in_mid_dose(tmp_path: Path, who: str) -> None:
    loop = Loop(tmp_path)
    loop.live(70)
    dose = proposal("WATER", "h-1", origin="person", ml=DOSE_ML).model_copy(update={"ts": loop.supervisor.now()})
    answer = loop.ask(new_request("action", "dry leaf", action=dose), 5.0)
    assert answer is not None and answer.ok
    loop.live(3)
    board = loop.board
    assert board.twin.world.outputs & bit("water_pump")
    if who == "both":
        loop.die()
    board.twin.board.power_cycle()
    board.live_alone(1)
    assert board.twin.world.outputs == 0, "every pin is off before anything else runs"
    board.twin.world.advance_to(board.twin.now_ms)
    pumped = board.twin.world.tent.truth().pumped_ml
    assert 10.0 < pumped < DOSE_ML
    if who == "both":
        loop = Loop(tmp_path, board=board)
    try:
        loop.live(120)
        decided = [
            r.outcome.delivered_ml or 0.0
            for r in loop.kept.records
            if isinstance(r, ActionV1) and r.id != "h-1" and r.type.value == "WATER" and r.outcome
        ]
        since = board.twin.world.tent.truth().pumped_ml - pumped
        assert since <= sum(decided) * 1.05 + 5.0, "the rest of the dose is not given blindly"
        assert not board.twin.world.safety.broken()
        (ended,) = [r for r in loop.kept.records if isinstance(r, ActionV1) and r.id == "h-1" and r.outcome]
        assert ended.outcome is not None and ended.outcome.status == "ABORTED"
        assert ended.outcome.reason.startswith("reset" if who == "the board" else "host_restart")
        assert ended.outcome.delivered_ml is None, "nobody heard how much came, and nobody invents it"
        assert loop.events("link_up")
    finally:
        loop.close()
