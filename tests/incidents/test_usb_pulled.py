"""The USB plug is pulled and put back: told within seconds, healed by itself, and no reading is missing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tomato_host.app import brain_settings
from tomato_host.commands.inbox import new_request
from tomato_host.errors import TomatoError
from tomato_host.replay.check import Checker
from tomato_host.settings import Settings
from tomato_host.twin import server

from shared_schemas.devices import LIMITS
from shared_schemas.records import ActionV1
from tests.guardrails.proposals import proposal
from tests.incidents.loop import Loop
from tests.incidents.running_host import RunningHost, Tent, until
from tests.incidents.serial_link import PullableLink


def gapless(samples: list[tuple[int, int]]) -> bool:
    """Whether no number is missing between the first and the newest."""
    numbers = {seq for _, seq in samples}
    return len(numbers) == max(numbers) - min(numbers) + 1


@pytest.mark.parametrize("away_s", [8.0, pytest.param(60.0, marks=pytest.mark.soak)])
def test_pulled_and_put_back(tmp_path: Path, away_s: float) -> None:
    state = tmp_path / "truth.json"
    with server.start(seed=3, state=state, flash=tmp_path / "flash") as twin:
        link = PullableLink(twin.port_path, tmp_path)
        host, tent = RunningHost(tmp_path, str(link.port)), Tent(state)
        try:
            host.start()
            until(lambda: host.status()["link"] == "up" and len(host.samples()) >= 3, "the first readings")
            code, _ = host.post("/api/switch", output="circulation_fan", state="ON", seconds=3_600.0, reason="air")
            assert code == 200
            until(lambda: tent.on("circulation_fan"), "the fan's start")

            link.pull()
            pulled_s, pulled_ms = time.monotonic(), tent()["now_ms"]
            until(lambda: host.status()["link"] == "down", "the lost link on the dashboard", 5.0)
            (reported,) = host.dashboard_events("link_down")
            assert reported["level"] == "WARNING" and "ttyTomato" in reported["text"]
            code, answer = host.post("/api/water", ml=30.0, reason="try")
            assert code == 409 and "not connected" in answer["detail"], "no promise without a board"
            until(lambda: not tent()["outputs"], "all off by the lapsed lease")
            assert tent()["now_ms"] - pulled_ms <= LIMITS["lease_ms"] + 2_000
            time.sleep(max(0.0, away_s - (time.monotonic() - pulled_s)))

            link.plug()
            until(lambda: host.status()["link"] == "up", "the link")
            until(lambda: tent.on("circulation_fan"), "what was asked for goes on")
            newest = max(host.samples())
            until(lambda: max(host.samples()) > newest, "new readings")
            until(lambda: gapless(host.samples()), "those of the time alone, from the board's store")
            host.stop()
            host.assert_whole()
            assert [n for n in host.event_names() if n in ("link_up", "link_down")] == [
                "link_up",
                "link_down",
                "link_up",
            ]
            assert not tent()["broken"]
        finally:
            host.end()
            link.close()


def test_a_dose_that_ended_unheard_is_told_when_the_plug_is_back(tmp_path: Path) -> None:
    """The real firmware in lock step: the line goes away while the pump runs, the board finishes its one dose alone."""
    loop = Loop(tmp_path)
    try:
        loop.live(70)
        dose = proposal("WATER", "h-1", origin="person", ml=200.0).model_copy(update={"ts": loop.supervisor.now()})
        answer = loop.ask(new_request("action", "dry leaf", action=dose), 5.0)
        assert answer is not None and answer.ok
        loop.live(3)
        port = loop.session._port
        assert port is not None
        vars(loop.session)["_open_port"] = _nobody_there
        port.close()
        loop.live(40)
        assert loop.events("link_down")
        assert not [r for r in loop.kept.records if isinstance(r, ActionV1) and r.id == "h-1" and r.outcome]
        vars(loop.session)["_open_port"] = loop.board.link.open
        loop.live(60)
        (ended,) = [r for r in loop.kept.records if isinstance(r, ActionV1) and r.id == "h-1" and r.outcome]
        assert ended.outcome is not None and (ended.outcome.status, ended.outcome.reason) == ("ABORTED", "link lost")
        pumped = loop.twin.world.tent.truth().pumped_ml
        assert ended.outcome.delivered_ml == pytest.approx(pumped, abs=12.0)
        used = loop.brain.guardrails.ledger.day_used("water_pump", loop.supervisor.now().timestamp()) / 1_000
        assert pumped - 12.0 <= used <= 220.0, "booked once"
    finally:
        loop.close()
    checked = Checker(brain_settings(Settings())).check(loop.kept.records)
    assert checked.same, [d.text for d in checked.differences[:3]]


def _nobody_there() -> None:
    raise TomatoError("E-PORT-MISSING", "There is no port.", "plug it in")
