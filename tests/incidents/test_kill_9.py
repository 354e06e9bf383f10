"""`kill -9` of the host in mid-dose: the room stays dry, the grower sees how the dose ended, nothing is there twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tomato_host.app import brain_settings
from tomato_host.commands.inbox import new_request
from tomato_host.replay.check import Checker
from tomato_host.settings import Settings
from tomato_host.storage.reader import read_records

from shared_schemas.devices import LIMITS, OUTPUT_BY_NAME
from shared_schemas.records import ActionV1
from tests.guardrails.proposals import proposal
from tests.incidents.loop import Loop
from tests.incidents.running_host import RunningHost, Tent, bit, metered, running_host, until

DOSE_ML = 200.0
PUMP = OUTPUT_BY_NAME["water_pump"]
AWAY_S = {"at once": 0.0, "in time": 15.0, "after SURVIVAL": 700.0, "with a reset": 5.0}


def watered(loop: Loop, name: str, ml: float = DOSE_ML) -> Any:
    """A person's watering, and the host's answer."""
    action = proposal("WATER", name, origin="person", ml=ml).model_copy(update={"ts": loop.supervisor.now()})
    return loop.ask(new_request("action", "dry leaf", action=action), 5.0)


@pytest.mark.parametrize("away", AWAY_S)
def test_the_next_host_tells_how_the_dose_ended(tmp_path: Path, away: str) -> None:
    """The real firmware in lock step; the first loop ends without a word while the pump runs."""
    first = Loop(tmp_path)
    first.live(70)
    assert watered(first, "h-1").ok
    first.live(3)
    board = first.die()
    assert board.twin.world.outputs & bit("water_pump")
    board.live_alone(AWAY_S[away])
    if away == "with a reset":
        board.twin.board.power_cycle()
    second = Loop(tmp_path, board=board)
    try:
        second.live(100)
        assert not board.twin.world.safety.broken()
        pumped = board.twin.world.tent.truth().pumped_ml
        assert pumped <= DOSE_ML * 1.05, "given once at most"
        (ended,) = [r for r in second.kept.records if isinstance(r, ActionV1) and r.id == "h-1"]
        assert ended.outcome is not None and ended.outcome.status == "ABORTED"
        assert ended.outcome.reason.startswith("host_restart")
        if away == "with a reset":
            assert ended.outcome.delivered_ml is None, "the board has forgotten; the record does not invent it"
        else:
            assert ended.outcome.delivered_ml == pytest.approx(pumped, abs=12.0), "as the flow meter counts"
        used = second.brain.guardrails.ledger.day_used("water_pump", second.supervisor.now().timestamp()) / 1_000
        assert used >= pumped - 12.0, "the books err on the dry side"
        second.supervisor.shut_down()
    finally:
        second.close()
    records = list(read_records(tmp_path))
    checked = Checker(brain_settings(Settings())).check(records)
    assert checked.same, [d.text for d in checked.differences[:3]]


def test_a_host_that_crashes_again_and_again_does_not_water_in_each_life(tmp_path: Path) -> None:
    """Every start takes the books over: pause and budgets go on where the last life left them."""
    loop, words = Loop(tmp_path), []
    for life in range(6):
        loop.live(130)
        answer = watered(loop, f"h-{life}")
        words.append(answer.text)
        loop.live(20)
        if life < 5:
            loop = Loop(tmp_path, board=loop.die())
    pumped = loop.twin.world.tent.truth().pumped_ml
    loop.close()
    assert pumped <= DOSE_ML * 1.05
    assert words[0] == "accepted" and all(word.startswith("refused by interval") for word in words[1:]), words


def one_of_each(host: RunningHost) -> None:
    """The record is whole: readings, actions and the board's events once each, no action without an end."""
    host.assert_whole()
    closed = [a["id"] for a in host.records("actions") if a["outcome"]]
    assert len(closed) == len(set(closed)), "each action ends once"
    begun = {a["id"] for a in host.records("actions") if a["safety"]["validated"] and a["type"] != "NO_ACTION"}
    assert begun == set(closed), "no action is left open"
    reported = [(e["data"]["boot"], e["data"]["seq"]) for e in host.records("events") if "boot" in e["data"]]
    assert reported and len(reported) == len(set(reported)), "an event of the board is there twice"


def killed_during(host: RunningHost, tent: Tent, path: str, pin: str, **ask: Any) -> dict[str, Any]:
    """The real process is killed while it holds an output; returns how the next one says it ended."""
    code, answer = host.post(path, reason="look", **ask)
    assert code == 200, answer
    until(lambda: tent.on(pin), "its start")
    host.kill()
    killed_ms = tent()["now_ms"]
    until(lambda: not tent()["outputs"], "all off, without any host")
    limit_ms = PUMP.max_on_ms if pin == "water_pump" else LIMITS["lease_ms"]
    assert tent()["now_ms"] - killed_ms <= limit_ms + 3_000
    host.start()

    def ended() -> Any:
        return next(
            (a for a in host.get("/api/actions?limit=300") if a["id"] == answer["action"]["id"] and a["outcome"]), None
        )

    outcome: dict[str, Any] = until(ended, "its end on the dashboard")["outcome"]
    assert outcome["status"] == "ABORTED" and outcome["reason"] == "host_restart"
    assert host.command("explain").returncode == 0
    host.stop()
    one_of_each(host)
    return outcome


def test_the_real_process(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, tent):
        until(lambda: host.status()["tally"]["episodes"], "the first decision")
        outcome = killed_during(
            host, tent, "/api/switch", "circulation_fan", output="circulation_fan", state="ON", seconds=120.0
        )
        assert 0.0 < outcome["delivered_s"] <= 20.0
        assert not tent()["broken"]
    checked = Checker(brain_settings(Settings())).check(read_records(host.data))
    assert checked.same, [d.text for d in checked.differences[:3]]


@pytest.mark.soak
def test_the_real_process_with_the_pump(tmp_path: Path) -> None:
    """As above, after the minute in which the board lets nobody water."""
    with running_host(tmp_path) as (host, tent):
        until(lambda: tent()["now_ms"] > 65_000, "the pump's pause after a boot", 90.0)
        outcome = killed_during(host, tent, "/api/water", "water_pump", ml=DOSE_ML)
        assert outcome["delivered_ml"] == pytest.approx(metered(tent()["pumped_ml"]), abs=2.0)
        assert not tent()["broken"]
