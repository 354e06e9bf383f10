"""The walk of one observation: what is recorded in which order, what reaches the actuator, and that it exists once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.brain.brain import Brain
from tomato_host.brain.control import ControlDecision, ControlSettings
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.step_data import BrainSettings, RuntimeContext
from tomato_host.loop.episode import Episode, EstimateOnly
from tomato_host.sources.interface import ChangedDevices
from tomato_host.sources.synthetic import SyntheticSource
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import ActionV1, EventV1, Record
from shared_schemas.records.action_v1 import Outcome

HOST = Path(__file__).resolve().parents[2] / "host" / "tomato_host"
START = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)


class Trace:
    """Sink and actuator in one: everything that leaves the episode, in order."""

    def __init__(self) -> None:
        self.steps: list[object] = []

    def record(self, record: Record) -> None:
        self.steps.append(record)

    def act(self, verdict: Verdict) -> None:
        self.steps.append(("act", verdict.action.id))

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        self.steps.append(("switch_off", outputs))

    @property
    def kinds(self) -> list[str]:
        return [getattr(step, "schema_version", None) or step[0] for step in self.steps]  # type: ignore[index]


def observations(*scenarios: str) -> SyntheticSource:
    return SyntheticSource(7, START, 24.0, 60.0, scenarios, zone=ZoneInfo("Europe/Vienna"))


def test_a_decision_is_recorded_before_it_is_carried_out() -> None:
    source, trace, brain = observations(), Trace(), Brain()
    observation = source.next_observation()
    assert observation is not None
    step = Episode(brain, trace, trace).run(observation, source.device_status(), RuntimeContext(now=observation.ts))
    kinds = [kind for kind in trace.kinds if kind not in ("action_v1", "act")]
    assert kinds[:4] == ["device_status_v1", "observation_v1", "state_v1", "sensor_health_v1"]
    assert kinds[-1] == "plan_v1"
    assert step.decision is not None
    allowed = [verdict.action for verdict in step.decision.verdicts if verdict.allowed]
    assert allowed
    for action in allowed:
        place = trace.steps.index(("act", action.id))
        assert trace.steps[place - 1] == action, "the verdict is in the record when the action starts"
    assert trace.kinds.count("act") == len(allowed)


def _fail(_: object) -> ControlDecision:
    raise ValueError("no such plan")


def test_a_planner_that_fails_is_an_event_and_no_end_of_the_episode() -> None:
    source, trace, brain = observations(), Trace(), Brain(BrainSettings(control=ControlSettings(policy="mpc")))
    brain.use_controller("mpc", _fail)
    observation = source.next_observation()
    assert observation is not None
    Episode(brain, trace, trace).run(observation, source.device_status(), RuntimeContext(now=observation.ts))
    (told,) = [step for step in trace.steps if isinstance(step, EventV1) and step.kind == "model"]
    assert (told.level, told.name) == ("WARNING", "planner_failed")
    assert told.text.startswith("The rules decide instead of the planner") and "ValueError: no such plan" in told.text
    assert trace.steps.index(told) < trace.kinds.index("plan_v1") and "act" in trace.kinds


def test_a_study_ends_where_a_tent_would_go_on_without_its_planner() -> None:
    settings = BrainSettings(control=ControlSettings(policy="mpc"))
    run = TentRun(SimulatedTent(period_s=60.0), settings, forecasts=False)
    run.brain.use_controller("mpc", _fail)
    with pytest.raises(RuntimeError, match="ValueError: no such plan"):
        run.step()


def test_a_status_is_recorded_when_it_changes_and_a_state_once_a_moment() -> None:
    source, trace = observations(), Trace()
    episode, devices = Episode(EstimateOnly(Estimator()), trace, trace, health_with_states=False), None
    shared = ChangedDevices(source)
    for _ in range(5):
        observation = source.next_observation()
        assert observation is not None
        devices = shared.now()
        episode.run(observation, devices, RuntimeContext(now=observation.ts))
    assert trace.kinds.count("device_status_v1") == 1 and trace.kinds.count("observation_v1") == 5
    first, again = episode.record_state("closer attention"), episode.record_state(None)
    assert first is not None and first.reason == "closer attention" and again is None
    assert first.means is not None and first.means.over_s > 0.0 and first.means.vpd_kpa is not None
    assert first.means.air_temp_c != first.env.air_temp_c, "a mean of five samples"
    assert "sensor_health_v1" not in trace.kinds


def test_an_anomaly_comes_with_the_state_it_was_seen_in() -> None:
    source, trace = observations("leak"), Trace()
    episode, shared = Episode(EstimateOnly(Estimator()), trace, trace), ChangedDevices(source)
    while "anomaly_v1" not in trace.kinds:
        observation = source.next_observation()
        assert observation is not None, "the leak was never noticed"
        episode.run(observation, shared.now(), RuntimeContext(now=observation.ts))
    place = trace.kinds.index("anomaly_v1")
    assert trace.kinds[place - 1] == "observation_v1"
    state = next(step for step in trace.steps[place:] if getattr(step, "schema_version", "") == "state_v1")
    assert state.reason.startswith(trace.steps[place].type.value)  # type: ignore[attr-defined]


def test_entering_safe_mode_switches_off_before_it_is_announced() -> None:
    trace, brain = Trace(), Brain()
    episode = Episode(brain, trace, trace)
    now = START
    while "event_v1" not in trace.kinds:
        now += timedelta(seconds=10)
        episode.update_safe_mode(RuntimeContext(now=now, link_up=False, link_down_s=(now - START).total_seconds()))
        assert now - START < timedelta(hours=2), "a lost link never led to safe mode"
    assert trace.kinds == ["switch_off", "event_v1"]
    event = trace.steps[1]
    assert isinstance(event, EventV1) and (event.kind, event.name, event.level) == ("mode", "mode_safe", "ALARM")


def test_an_outcome_is_learned_and_recorded() -> None:
    source, trace, brain = observations(), Trace(), Brain()
    observation = source.next_observation()
    assert observation is not None
    episode = Episode(brain, trace, trace)
    step = episode.run(observation, source.device_status(), RuntimeContext(now=observation.ts))
    assert step.decision is not None
    action: ActionV1 = next(verdict.action for verdict in step.decision.verdicts if verdict.allowed)
    ended = action.model_copy(update={"outcome": Outcome(status="DONE", finished_ts=observation.ts)})
    episode.finish(ended)
    assert trace.steps[-1] == ended


def test_an_estimator_alone_has_no_safe_mode() -> None:
    trace = Trace()
    with pytest.raises(RuntimeError, match="no mode"):
        Episode(EstimateOnly(Estimator()), trace, trace).update_safe_mode(RuntimeContext(now=START))


def test_the_walk_exists_once() -> None:
    """Nothing but the episode takes an observation through the brain."""
    calls = re.compile(r"\b\w*brain\.step\(")
    found = {path.relative_to(HOST).as_posix() for path in HOST.rglob("*.py") if calls.search(path.read_text())}
    assert found == {"loop/episode.py"}
