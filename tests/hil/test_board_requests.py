"""Calibration and faults while the host holds the port: same guardrails, audited, answered with the board's word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tomato_host.commands.inbox import Reply, new_request, submit

from tests.guardrails.proposals import proposal
from tests.incidents.loop import Loop
from tests.incidents.running_host import RunningHost, Tent, running_host, until

SOIL = {"soil_p1_dry_raw": 51_000, "soil_p1_wet_raw": 24_000, "soil_p1_dry_pct": 500, "soil_p1_wet_pct": 4_800}


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(tmp_path)
    made.live(70.0)  # beyond the pump's pause after a boot
    yield made
    made.close()


def test_the_board_takes_a_calibration_and_says_so(loop: Loop) -> None:
    request = new_request("calibrate", "season begins", values=SOIL)
    reply = loop.ask(request, 5.0)
    assert reply is not None and reply.ok and reply.values == SOIL
    (asked,) = loop.events("person_calibrate")
    (reported,) = loop.events("person_calibrate_answered")
    assert asked.text == "season begins" and asked.ts <= reported.ts
    assert reported.data["ok"] is True and "soil_p1_dry_raw = 51000" in reported.text
    assert [e.data["a"] for e in loop.events("config")] == [2, 1, 16, 17, 2], "the board's own record of it"
    read = loop.ask(new_request("settings", "", names=(*SOIL, "soil_p2_dry_pct")), 5.0)
    assert read is not None and read.ok and read.values == {**SOIL, "soil_p2_dry_pct": 0}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"survival_enabled": 0}, "not a calibration value"),
        ({"soil_p1_dry_raw": 70_000}, "out of range"),
        ({"pump_ul_per_s": 99_000}, "bad_value"),
    ],
)
def test_what_no_calibration_may_set_is_refused(loop: Loop, values: dict[str, int], word: str) -> None:
    reply = loop.ask(new_request("calibrate", "", values=values), 5.0)
    assert reply is not None and not reply.ok and word in reply.text
    assert not loop.events("config")
    assert loop.events("person_calibrate_answered")[0].data["ok"] is False


def test_a_probe_is_read_and_the_pace_is_given_back(loop: Loop) -> None:
    reply = loop.ask(new_request("read_probe", "", probe=2), 30.0)
    assert reply is not None and reply.ok and reply.raw is not None and 20_000 < reply.raw < 53_000
    loop.live(5.0)
    before = len(loop.kept.records)
    loop.live(40.0)
    readings = [r for r in loop.kept.records[before:] if r.schema_version == "observation_v1"]  # type: ignore[attr-defined]
    assert len(readings) == 4, "ten seconds apart again"


def test_a_dose_goes_through_the_guardrails_and_its_time_comes_back(loop: Loop) -> None:
    action = proposal("WATER", "h-1", origin="person", ml=100.0).model_copy(update={"ts": loop.supervisor.now()})
    reply = loop.ask(new_request("dose", "jug", action=action), 60.0)
    assert reply is not None and reply.ok, reply
    assert reply.seconds is not None and 2.0 < reply.seconds <= 10.0
    assert reply.action is not None and reply.action.safety.validated and reply.action.outcome is not None
    again = loop.ask(new_request("dose", "jug", action=action), 5.0)
    assert again is not None and again.ok and again.repeated and again.seconds is None, "the answer, and no dose"
    assert len([e for e in loop.events("ledger_allocated") if e.data["action"] == "h-1"]) == 1


def test_a_lost_line_ends_it_with_a_reply(loop: Loop) -> None:
    submit(loop.data, request := new_request("read_probe", "", probe=1))
    loop.live(3.0)
    loop.session.close()
    loop.supervisor.requests.board.on_event(_gone(), loop.twin.now_ms)
    reply = Reply.model_validate_json((loop.data / "inbox" / "replies" / f"{request.id}.json").read_bytes())
    assert not reply.ok and reply.code == "E-BOARD-SILENT"
    later = loop.supervisor.requests.board
    later.begin(second := new_request("calibrate", "", values=SOIL), loop.twin.now_ms)
    reply = Reply.model_validate_json((loop.data / "inbox" / "replies" / f"{second.id}.json").read_bytes())
    assert not reply.ok and reply.code == "E-BOARD-SILENT"


def _gone():  # type: ignore[no-untyped-def]
    from tomato_host.board.events import Disconnected

    return Disconnected("pulled")


def test_a_leak_is_cleared_only_by_name_after_its_cause_and_with_the_button(loop: Loop) -> None:
    floor = loop.twin.world.tent.truth()
    floor.floor_ml = 500.0
    loop.live(5.0)
    reply = loop.ask(new_request("faults", ""), 5.0)
    assert reply is not None and reply.faults == ("leak",)
    for wrong, word in (("leak", "cause_lasts"), ("leek", "no fault 'leek'"), ("estop", "not_latched")):
        reply = loop.ask(new_request("clear_fault", "", fault=wrong), 5.0)
        assert reply is not None and not reply.ok and word in reply.text
    floor.floor_ml = 0.0
    loop.live(5.0)
    reply = loop.ask(new_request("clear_fault", "", fault="leak"), 5.0)
    assert reply is not None and not reply.ok and "needs_button" in reply.text
    loop.twin.world.button = True
    loop.live(6.0)
    loop.twin.world.button = False
    loop.live(3.0)
    reply = loop.ask(new_request("clear_fault", "mopped up", fault="leak"), 5.0)
    assert reply is not None and reply.ok and reply.faults == () and "leak is cleared" in reply.text
    assert loop.events("person_clear_fault")[-1].text == "mopped up"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHost, Tent]]:
    with running_host(tmp_path_factory.mktemp("bench")) as made:
        yield made


def test_the_commands_find_the_running_host(running: tuple[RunningHost, Tent]) -> None:
    host, _ = running
    words = [
        "calibrate",
        "soil",
        "--probe",
        "1",
        "--dry-raw",
        "51000",
        "--wet-raw",
        "24000",
        "--dry-pct",
        "5",
        "--wet-pct",
        "48",
        "--json",
    ]
    reported = host.command(*words)
    assert reported.returncode == 0, reported.stderr
    assert json.loads(reported.stdout) == {"set": SOIL}
    reported = host.command(*words, "--port", host.board)
    assert reported.returncode == 0, "the named port is the one the host holds"
    reported = host.command(*words[:-1], "--port", "/dev/null-board")
    assert reported.returncode == 2 and "E-PORT-MISSING" in reported.stderr, "another port is not silently replaced"
    reported = host.command("clear-fault", "--json")
    assert json.loads(reported.stdout)["faults"] == []
    refused = host.command("clear-fault", "leak")
    assert refused.returncode == 2 and "E-BOARD-REFUSED" in refused.stderr and "not_latched" in refused.stderr
    until(lambda: host.dashboard_events("person_calibrate_answered"), "the record on the dashboard")


def test_the_api_offers_the_same_to_admins_only(running: tuple[RunningHost, Tent]) -> None:
    host, _ = running
    points: dict[str, Any] = {
        "probe": 2,
        "dry_raw": 50_000,
        "wet_raw": 23_000,
        "dry_pct": 5.0,
        "wet_pct": 48.0,
        "reason": "spring",
    }
    assert host.post("/api/calibrate/soil", role="operate", **points)[0] == 403
    code, reported = host.post("/api/calibrate/soil", **points)
    assert code == 200 and reported["values"]["soil_p2_dry_raw"] == 50_000
    code, reported = host.post("/api/calibrate/soil", **{**points, "wet_raw": 49_500})
    assert code == 409 and "too close together" in reported["detail"]
    code, reported = host.post("/api/clear-fault", fault="leak", reason="mopped up")
    assert code == 409 and "not_latched" in reported["detail"]
    code, reported = host.post("/api/calibrate/probe", probe=1, reason="look")
    assert code == 200 and 20_000 < reported["raw"] < 53_000
    assert any("api ana-admin: spring" in event["text"] for event in host.records("events"))
