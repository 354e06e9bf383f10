"""How often the state is recorded: at the mode's pace while the controller is in safe mode, at the usual one else."""

from __future__ import annotations

from pathlib import Path

from tomato_host.commands.inbox import Request
from tomato_host.settings import Settings

from shared_schemas.records import StateV1
from tests.incidents.loop import Loop


def test_safe_mode_records_states_at_its_own_pace(tmp_path: Path) -> None:
    loop, settings = Loop(tmp_path), Settings()
    usual_s, safe_s = settings.estimator.state_period_s, settings.safe_mode.sampling_safe_s
    assert safe_s < usual_s / 3

    def states_in(seconds: float) -> int:
        before = sum(isinstance(record, StateV1) for record in loop.kept.records)
        loop.live(seconds)
        return sum(isinstance(record, StateV1) for record in loop.kept.records) - before

    try:
        loop.live(1_200.0)
        asked = Request(id="safe", ts=loop.clock.now(), kind="mode", mode="SAFE", reason="leaving for a day")
        reply = loop.ask(asked, 30.0)
        assert reply is not None and reply.ok, reply
        closely = states_in(1_800.0)
        normal = Request(id="normal", ts=loop.clock.now(), kind="mode", mode="NORMAL")
        assert loop.ask(normal, 30.0) is not None
        loop.live(usual_s)
        widely = states_in(usual_s)
    finally:
        loop.close()
    assert 1_800 / safe_s - 1 <= closely <= 1_800 / safe_s + 2
    assert widely < closely
