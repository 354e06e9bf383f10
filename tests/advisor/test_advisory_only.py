"""A day on the virtual board with the advisor off, on, absent and dead: the same actions, byte for byte."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.daily_totals import DailyTotals
from tomato_host.advisor.extension import AdvisorExtension
from tomato_host.advisor.settings import AdvisorSettings, CameraSettings
from tomato_host.app import HOUR_MS, SIM, brain_settings, loop_settings, open_board
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain
from tomato_host.loop.extensions import NoDisplay
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import Supervisor
from tomato_host.replay.check import Checker
from tomato_host.settings import Settings, parse_settings

from shared_schemas.records import ActionV1, EventV1, PlanV1, Record, StateV1, VisionV1
from tests.advisor.pictures import jpeg, plant
from tests.advisor.wakes import context, state

HOURS = 24.0
SETTINGS: Settings = parse_settings({"board": {"telemetry_period_s": 300.0}})
PYTHON = [sys.executable]
COMMANDS = {
    "on": [*PYTHON, "-m", "tests.advisor.eager_worker"],
    "absent": ["/nonexistent/program"],
    "dead": [*PYTHON, "-c", "import sys; sys.stdin.readline(); sys.exit(1)"],
}
"""What stands in for the advisor's process."""


class Kept(list[Record]):
    """A store that keeps everything in memory."""

    def offer(self, record: Record) -> bool:
        self.append(record)
        return True


def a_day(how: str, photos: Path) -> Kept:
    """Run the whole brain on the real firmware in lock step, with the advisor in the given condition."""
    runtime = open_board(SIM, time_scale=0.0, seed=11)
    try:
        kept = Kept()
        status = Status(started_at=runtime.clock.now(), now=runtime.clock.now(), port=runtime.link.url)
        recorder = Recorder(kept, status)
        session = BoardSession(runtime.link.open, 1)
        session.open_now()
        brain = Brain(brain_settings(SETTINGS))
        extensions = (advisor_in(how, photos, recorder, brain),) if how != "off" else ()
        supervisor = Supervisor(
            loop_settings(SETTINGS), runtime, session, brain, recorder, status, NoDisplay(), None, extensions
        )
        supervisor.run(runtime.clock.monotonic_ms() + round(HOURS * HOUR_MS))
        return kept
    finally:
        runtime.close()


def advisor_in(how: str, photos: Path, recorder: Recorder, brain: Brain) -> AdvisorExtension:
    """The production extension around a replaced process."""
    camera = CameraSettings(name="cam", kind="folder", path=photos)
    settings = AdvisorSettings(cameras=(camera,), backoff_first_s=0.1, backoff_most_s=0.1)
    advisor = Advisor(settings, command=COMMANDS[how])
    return AdvisorExtension(advisor, recorder, ZoneInfo("Europe/Vienna"), timedelta(hours=2), brain)


def actions(kept: Kept) -> list[str]:
    """What was decided and done, and why."""
    return [record.to_json() for record in kept if isinstance(record, ActionV1 | PlanV1)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    (folder / "a.jpg").write_bytes(jpeg(plant(1)))
    return folder


@pytest.fixture(scope="module")
def without(photos: Path) -> list[str]:
    """The day with the advisor off."""
    done = actions(a_day("off", photos))
    assert len(done) > 24
    return done


@pytest.mark.timeout(600)
def test_a_day_with_an_alarming_advisor_has_the_same_actions(photos: Path, without: list[str]) -> None:
    kept = a_day("on", photos)
    assert actions(kept) == without
    seen = [r for r in kept if isinstance(r, VisionV1) and r.pest_signs == "likely"]
    told = [r for r in kept if isinstance(r, EventV1) and r.kind == "agent" and "Open the pump" in r.text]
    assert seen and told, "the advisor must have spoken for this to mean anything"
    shown = [r for r in kept if isinstance(r, StateV1) and r.plant.vision is not None]
    assert shown, "the state shows what was seen"
    result = Checker(brain_settings(SETTINGS)).check(kept)
    assert result.same, [difference.text for difference in result.differences[:3]]
    assert "chronicle" in {event.name for event in told}, "midnight has passed"


@pytest.mark.timeout(600)
@pytest.mark.soak
@pytest.mark.parametrize("how", ["absent", "dead"])
def test_a_day_with_a_broken_advisor_has_the_same_actions(how: str, photos: Path, without: list[str]) -> None:
    kept = a_day(how, photos)
    assert actions(kept) == without
    assert [r for r in kept if isinstance(r, EventV1) and r.name == "advisor_failed"]


class Listening:
    """A recorder without a disk."""

    def __init__(self) -> None:
        self.listeners: list = []
        self.kept: list[Record] = []

    def record(self, record: Record) -> None:
        self.kept.append(record)
        for listener in self.listeners:
            listener(record)


def test_a_clock_that_was_ahead_does_not_silence_the_advisor() -> None:
    """Woken in ten years, it would wait ten years for the next time."""
    advisor = Advisor(AdvisorSettings(), command=[*PYTHON, "-c", "import sys; sys.stdin.read()"])
    every, now = timedelta(hours=2), context().anomalies[0].ts
    extension = AdvisorExtension(advisor, Listening(), ZoneInfo("Europe/Vienna"), every)
    for woken_at, due in ((now, False), (now - every, True), (now + timedelta(days=3_650), True)):
        extension._woken_at = woken_at
        assert extension._due(now) is due


def test_a_severe_anomaly_cancels_and_a_light_one_does_not() -> None:
    recorder = Listening()
    advisor = Advisor(AdvisorSettings(), command=[*PYTHON, "-c", "import sys; sys.stdin.read()"])
    extension = AdvisorExtension(advisor, recorder, ZoneInfo("Europe/Vienna"), timedelta(hours=2))
    extension.start()
    try:
        light = context().anomalies[0]
        advisor.wake(context())
        recorder.record(light)
        assert advisor.status().state == "working"
        recorder.record(light.model_copy(update={"severity": "CRITICAL", "type": light.type.__class__.LEAK}))
        assert advisor.status().last_cancel == "anomaly LEAK"
        extension.tick(light.ts)
        assert recorder.kept[-1].name == "advice_cancelled"  # type: ignore[attr-defined]
    finally:
        extension.stop()


def test_the_daily_totals_add_up_what_was_delivered() -> None:
    day = DailyTotals()
    action = context().actions[0]
    for record in (state(18.0), state(26.0), action, action.model_copy(update={"outcome": None}), *context().anomalies):
        day.add(record)
    totals = day.totals("2026-02-14")
    assert (totals.air_temp_min_c, totals.air_temp_max_c) == (18.0, 26.0)
    assert (totals.water_ml, totals.actions_done, totals.anomalies, totals.actions_refused) == (199.0, 1, 1, 0)
    assert totals.vpd_mean_kpa == 1.16 and DailyTotals().totals("2026-02-15").air_temp_min_c is None


def test_the_day_counts_the_starts_of_the_board_by_the_event_that_the_firmware_sends() -> None:
    day = DailyTotals()
    happened: tuple[tuple[Literal["board", "process"], str], ...] = (
        ("board", "boot"),
        ("board", "state"),
        ("process", "boot"),
        ("board", "boot"),
    )
    for kind, name in happened:
        day.add(EventV1(schema_version="event_v1", ts=context().ts, level="INFO", kind=kind, name=name, text="x."))
    assert day.totals("2026-02-14").board_resets == 2


def test_an_advisor_that_says_nothing_costs_no_time() -> None:
    """Ten thousand ticks of the deciding loop."""
    advisor = Advisor(AdvisorSettings())
    started = time.thread_time()
    for _ in range(10_000):
        advisor.poll()
    assert time.thread_time() - started < 0.5
    advisor.close()
