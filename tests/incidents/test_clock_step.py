"""The clock is set by an hour, forward and back: told at once; decisions, charts and days have no double and no gap."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tomato_host.app import brain_settings
from tomato_host.commands.inbox import new_request
from tomato_host.replay.check import Checker
from tomato_host.service.history import History
from tomato_host.settings import Settings

from shared_schemas.records import ObservationV1, PlanV1, StateV1
from shared_schemas.records.targets_v1 import TargetsV1
from tests.incidents.loop import Loop
from tests.incidents.running_host import running_host, until

HOUR = timedelta(hours=1)
SHIM = Path(__file__).parent / "set_clock.c"
ARRIVAL = timedelta(seconds=15)


@pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])
def test_hours_around_the_step(tmp_path: Path, step: timedelta) -> None:
    """Real firmware, line and brain in lock step; only the wall clock is set, after half an hour."""
    loop = Loop(tmp_path)
    try:
        loop.live(0.6 * 3_600)
        before, set_ms = len(loop.kept.records), loop.twin.now_ms
        loop.clock.ahead = step
        loop.live(5)
        (reported,) = loop.events("clock_set")
        assert reported.level == "WARNING" and reported.data["seconds"] == pytest.approx(step.total_seconds(), abs=1)
        loop.live(2.6 * 3_600)
    finally:
        loop.close()
    after = loop.kept.records[before:]

    # A reading each ten seconds, every state's pace kept, and not one decision missed.
    taken = [r.board.t_ms for r in after if isinstance(r, ObservationV1) and r.board is not None]
    assert {later - earlier for earlier, later in pairwise(taken)} == {10_000} and len(taken) >= 2.6 * 360 - 6
    states = [r for r in after if isinstance(r, StateV1)]
    assert len(states) >= 5
    plans = [r.ts for r in after if isinstance(r, PlanV1) and not r.shadow]
    moments = [reported.ts, *plans, reported.ts + 2.6 * HOUR]
    assert all(later - earlier <= 2 * HOUR + timedelta(minutes=2) for earlier, later in pairwise(moments)), plans
    assert not [r for r in after if getattr(r, "name", "") in ("link_down", "mode_safe")], "a set clock is no emergency"
    assert set_ms < loop.twin.now_ms

    # The chart of the day: no moment twice, no hole that is not the set clock itself.
    for span in ("24h", "7d"):
        history = History(tmp_path)
        for record in loop.kept.records:
            history.add(json.loads(record.to_json()))
        if span == "24h":  # every reading, five hours at a time
            end = history.columns(span)["t"][-1] + 900.0
            starts = [end + n * 18_000 for n in range(-5, 0)]
            times = [t for start in starts for t in history.columns(span, start, start + 17_999.9)["t"]]
        else:
            times = history.csv_rows(0.0, 4e9)[1]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps) > 0.0
        widest = 60.0 if span == "24h" else 1_800.0
        assert sorted(gaps)[-2] <= widest + 15.0
        assert max(gaps) <= widest + 15.0 + (3_600.0 if step > timedelta(0) else 0.0)
        newest = next(r.ts for r in reversed(loop.kept.records) if isinstance(r, StateV1))
        assert times[-1] >= newest.timestamp() - widest, "the chart goes on to the present"

    # The record itself says all of it: today's brain comes to the same.
    checked = Checker(brain_settings(Settings())).check(loop.kept.records)
    assert checked.same, [d.text for d in checked.differences[:3]]


def test_midnight_lived_twice_is_one_night_and_one_day_of_water(tmp_path: Path) -> None:
    """The clock is set back by an hour at 00:20: the day is learned once, and its water is not given again."""
    loop = Loop(tmp_path, start=datetime(2026, 5, 1, 20, 0, tzinfo=UTC))  # 22:00 in Vienna
    try:
        loop.live(3_600)
        loop.supervisor.links.source._meter.used_ml = 700.0
        loop.live(1.4 * 3_600)  # 00:24
        nights = len([r for r in loop.kept.records if isinstance(r, TargetsV1)])
        assert nights == 1 and loop.supervisor.links.source._meter.used_ml < 300.0
        loop.supervisor.links.source._meter.used_ml = 250.0
        loop.clock.ahead = -HOUR
        loop.live(2 * 3_600)
    finally:
        loop.close()
    assert len([r for r in loop.kept.records if isinstance(r, TargetsV1)]) == 1
    assert loop.supervisor.links.source._meter.used_ml >= 250.0


def test_a_lost_link_is_neither_older_nor_younger_for_it(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    try:
        loop.live(60)
        for ahead in (HOUR, -HOUR):
            loop.supervisor._context.link_down_since = loop.supervisor.now() - timedelta(seconds=20)
            loop.clock.ahead = ahead
            loop.supervisor.check_clock()
            assert loop.supervisor._context.at(loop.supervisor.now()).link_down_s == pytest.approx(20.0, abs=0.1)
    finally:
        loop.close()


def test_nobody_gets_a_time_of_the_new_clock_before_all_that_count_by_it_know(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    try:
        loop.live(60)
        assert loop.ask(new_request("mode", "", mode="PAUSED", until=loop.supervisor.now() + HOUR), 5.0)
        loop.live(15)
        decided_at, used = loop.brain.memory.decided_at, loop.brain.guardrails.ledger.hold
        held = used("light", loop.supervisor.now().timestamp())
        assert decided_at is not None
        loop.clock.ahead = 13 * HOUR
        now = loop.supervisor.now()
        assert loop.brain.memory.decided_at == decided_at + 13 * HOUR
        assert used("light", now.timestamp()) == held
        assert loop.supervisor._context.at(now).operator_paused, "an hour is an hour"
        assert [e.data["seconds"] for e in loop.events("clock_set")] == [pytest.approx(13 * 3_600.0, abs=1)]
        loop.live(30)
        assert not loop.events("link_down") and loop.brain.mode == "PAUSED"
    finally:
        loop.close()


@pytest.fixture
def wall(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A file that says how far the wall clock is ahead, in s, and the environment that makes a process heed it."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to build the clock that can be set")
    library, offset = tmp_path / "set_clock.so", tmp_path / "offset"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM), "-ldl"], check=True)
    offset.write_bytes(struct.pack("q", 0))
    return offset, {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}


def test_the_real_process(tmp_path: Path, wall: tuple[Path, dict[str, str]]) -> None:
    """Host and dashboard get a wall clock that is set under their feet; the monotonic one goes on."""
    setting, environment = wall
    with running_host(tmp_path, environment=environment) as (host, tent):
        until(lambda: len(host.samples()) >= 3, "the first readings")
        for count, ahead_s in enumerate((3_600, 0), start=1):
            with setting.open("r+b") as file:
                file.write(struct.pack("q", ahead_s))
            reported = until(
                lambda count=count: len(found := host.dashboard_events("clock_set")) == count and found, "the event"
            )
            assert ("forward" in reported[-1]["text"]) == (count == 1)
            seen = host.status()["tally"]["observations"]
            until(lambda seen=seen: host.status()["tally"]["observations"] >= seen + 3, "new readings")
            moment = datetime.fromisoformat(host.get("/api/glance")["observation"]["ts"])
            expected = datetime.now(UTC) + (HOUR if count == 1 else timedelta(0))
            assert abs(moment - expected) < ARRIVAL, "the screen shows the clock's own time"
            lamp = tent.on("light")
            code, answer = host.post(
                "/api/switch", output="light", state="OFF" if lamp else "ON", reason="look", seconds=60.0
            )
            assert code != 503, answer
            if code == 200:
                until(lambda lamp=lamp: tent.on("light") is not lamp, "the lamp's switching")
        until(lambda: host.get("/api/history?span=24h")["t"], "the chart")
        host.stop()
        host.assert_whole()
        assert host.event_names().count("clock_set") == 2
