"""A day on the virtual board with the advisor off, on, absent and dead: the same actions, byte for byte."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Literal, cast
from zoneinfo import ZoneInfo

import pytest
from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.advisor_agent import AdvisorAgent
from tomato_host.advisor.backends.chat import ChatReply, NoBackend
from tomato_host.advisor.context import WakeContext
from tomato_host.advisor.daily_totals import DailyTotals
from tomato_host.advisor.extension import AdvisorExtension
from tomato_host.advisor.pipeline import text_event
from tomato_host.advisor.prompt_files import prompt
from tomato_host.advisor.settings import AdvisorSettings, CameraSettings
from tomato_host.advisor.text.prose import ProseResult
from tomato_host.app import HOUR_MS, brain_settings, loop_settings, open_board
from tomato_host.board.session import BoardSession
from tomato_host.brain.admission.tent_admission import default_agents
from tomato_host.brain.brain import Brain
from tomato_host.brain.step_data import StepResult
from tomato_host.loop.extensions import NoDisplay
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import Supervisor
from tomato_host.recovery.recorded_agents import read_advisor_tokens
from tomato_host.replay.check import Checker
from tomato_host.run_options import SIM
from tomato_host.settings import Settings, parse_settings
from tomato_host.storage.dataset import Dataset

from shared_schemas.records import ActionV1, AgentV1, EventV1, PlanV1, Record, StateV1, VisionV1
from shared_schemas.records.agent_v1 import AgentQuotas
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


def advisors_record(**change: object) -> AgentV1:
    (record,) = [one for one in default_agents("main", context().ts) if one.name == "advisor"]
    return record.model_copy(update=change)


class Asked(Advisor):
    """Notes how it is woken; nothing runs."""

    def __init__(self) -> None:
        super().__init__(AdvisorSettings(enabled=False))
        self.by_model: list[bool] = []

    def wake(self, context: WakeContext, use_model: bool = True) -> bool:
        self.by_model.append(use_model)
        return True


def test_the_advisor_is_an_agent_quarantine_stops_it_and_its_quota_of_tokens_leaves_it_templates() -> None:
    recorder, advisor, cycle = Listening(), Asked(), context()
    quota = {"quotas": AgentQuotas(tokens_per_day=1_000)}
    agent = AdvisorAgent(advisors_record(**quota), [(cycle.ts.timestamp() - 90_000.0, 5_000)])
    extension = AdvisorExtension(advisor, recorder, ZoneInfo("Europe/Vienna"), timedelta(hours=2), None, agent)
    extension.start()
    decision = SimpleNamespace(plan=cycle.plan, verdicts=())
    result = cast(StepResult, SimpleNamespace(decision=decision, estimate=SimpleNamespace(state=cycle.state)))
    text = EventV1(
        schema_version="event_v1",
        ts=cycle.ts,
        level="INFO",
        kind="agent",
        name="summary",
        text="x",
        data={"written_by": "model", "prompt_tokens": 700, "completion_tokens": 299},
    )
    recorder.record(text)  # 999 of 1,000; what was used a day and an hour before counts no more
    for hour, record in (
        (0, text),
        (2, advisors_record(state="quarantined")),
        (4, advisors_record(**quota)),
        (27, None),
    ):
        extension.on_decision(result, cycle.ts + timedelta(hours=hour))
        if record is not None:
            recorder.record(record)
    # With tokens left; then none are left; then in quarantine; then the day is over.
    assert advisor.by_model == [True, False, True]


def test_a_cycle_under_way_ends_with_its_agents_quarantine() -> None:
    recorder = Listening()
    advisor = Advisor(AdvisorSettings(), command=[*PYTHON, "-c", "import sys; sys.stdin.read()"])
    extension = AdvisorExtension(advisor, recorder, ZoneInfo("Europe/Vienna"), timedelta(hours=2))
    extension.start()
    try:
        advisor.wake(context())
        recorder.record(advisors_record(name="sitter", state="quarantined"))
        assert advisor.status().state == "working"
        recorder.record(advisors_record(state="quarantined"))
        assert advisor.status().last_cancel == "its agent is quarantined"
    finally:
        extension.stop()


def test_tokens_of_an_earlier_process_count(tmp_path: Path) -> None:
    cycle = context()
    prose = ProseResult("x", True, (), None, ChatReply("x", True, "r", 700, 299), prompt("summary"), 1)
    event = text_event("summary", cycle, prose, NoBackend())
    assert event.data["agent"] == "advisor"
    with Dataset.open(tmp_path) as dataset:
        dataset.append(event)
    assert read_advisor_tokens(tmp_path) == [(cycle.ts.timestamp(), 999)]


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
