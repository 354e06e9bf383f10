"""Both facades and the environments: through admission and policies, with clear errors, by the rules of their APIs."""

from __future__ import annotations

from typing import Any

import pytest
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.refusals import BY_CODE
from tomato_host.world.errors import (
    NEXT_STEP,
    AnswerTimeout,
    ErrorRecoveryPolicy,
    IntentConflictError,
    IntentRefused,
    QuotaExceededError,
    StaleContextError,
    error_of,
)
from tomato_host.world.message_facade import DELTAS, MessageFacade
from tomato_host.world.rl_facade import RLFacade
from tomato_host.world.views import ObservationPolicy
from tomato_host.world.worlds.garden import GARDENER, GardenWorld
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.world.test_orchestrator import Stage


def intent(agent: str, intent_id: str, kind: str, **payload: Any) -> Any:
    return {"schema_version": "intent_v1", "id": intent_id, "agent": agent, "kind": kind, "payload": payload}


def test_step_gives_the_effect_and_the_change_of_the_view() -> None:
    stage = Stage(GardenWorld())
    facade = RLFacade(stage.host)
    stage.join("ann", GARDENER)
    effect, change = facade.step("ann", intent("ann", "i", "enter", at=[1.0, 0.5]))
    assert effect is not None and effect["req_id"] == "i" and effect["payload"] == {"to": [1.0, 0.5]}
    assert change is not None and facade.observe("ann").document["agents"]["ann"]["position"] == [1.0, 0.5]
    repeated, unchanged = facade.step("ann", intent("ann", "i", "enter", at=[1.0, 0.5]))
    assert repeated is None and unchanged is None, "the answer of before; nothing happens again"


def test_refusals_are_errors_with_a_next_step() -> None:
    stage = Stage(GardenWorld())
    facade = RLFacade(stage.host)
    stage.join("ann", GARDENER, quotas={"intents_per_hour": 3})
    with pytest.raises(IntentConflictError, match="not on the bench"):
        facade.step("ann", intent("ann", "i", "take", can="C1"))
    facade.step("ann", intent("ann", "j", "enter", at=[1.0, 0.5]))
    old: Any = {**intent("ann", "k", "move", to=[1.5, 0.5]), "context_seq": 0}
    with pytest.raises(StaleContextError) as stale:
        facade.step("ann", old)
    assert stale.value.next_step == NEXT_STEP["regenerate"]
    facade.step("ann", intent("ann", "k", "move", to=[1.5, 0.5]))
    with pytest.raises(QuotaExceededError):
        facade.step("ann", intent("ann", "l", "move", to=[1.5, 0.5]))
    with pytest.raises(ValueError, match="cannot step for"):
        facade.step("ann", intent("ben", "m", "move", to=[1.5, 0.5]))


def test_a_step_that_is_not_answered_in_time_is_taken_back() -> None:
    stage = Stage(TalkWorld())
    stage.join("ann", LISTENER), stage.join("flood", LISTENER, weight=100, queue_most=10_000)
    for i in range(200):
        stage.host.submit_intent(intent("flood", f"f{i}", "say", text="x"))
    passing = iter(range(1_000))
    facade = RLFacade(stage.host, stopwatch=lambda: float(next(passing)))
    stage.host.submit_intent(intent("ann", "first", "say", text="x"))
    with pytest.raises(AnswerTimeout):
        facade.step("ann", intent("ann", "i", "say", text="late"), timeout_s=0.5)
    while stage.host.run_turn():
        pass
    assert "late" not in {said["text"] for said in stage.host.state.document["said"].values()}


def test_every_code_has_an_error_and_a_recovery() -> None:
    policy = ErrorRecoveryPolicy()
    for code, row in BY_CODE.items():
        answer = Answer("a", "i", "refused", code, retry_after_s=2.0)
        assert isinstance(error_of(answer), IntentRefused) and policy.action(answer) == row.recovery
        assert (policy.pause_s(answer, 1) == 2.0) is (row.recovery == "wait_and_retry")
        assert policy.pause_s(answer, 3) is None
    assert policy.action(Answer("a", "i", "accepted")) is None
    assert (
        ErrorRecoveryPolicy(overrides={"TIMEOUT": "give_up"}).action(Answer("a", "i", "refused", "TIMEOUT"))
        == "give_up"
    )


def test_messages_go_by_policy_and_kind_and_a_failing_handler_disturbs_nobody() -> None:
    stage = Stage(TalkWorld())
    deaf = ObservationPolicy(name="deaf")
    stage.join("ann", LISTENER), stage.join("ben", LISTENER), stage.join("deaf", deaf)
    facade = MessageFacade(stage.host, stage.clock)
    got: dict[str, list[Any]] = {"ann": [], "deltas": [], "deaf": []}

    def fail(_: Any) -> None:
        raise RuntimeError("the adapter is broken")

    broken = facade.subscribe("ann", fail)
    facade.subscribe("ann", got["ann"].append, ["say", "alarm"])
    facade.subscribe("ben", got["deltas"].append, [DELTAS])
    quiet = facade.subscribe("deaf", got["deaf"].append)
    facade.deliver()
    assert [one["snapshot"] for one in got["deaf"]] == [{}], "its first view: nothing"
    got["deaf"].clear()
    for i in range(10):
        facade.emit("ben", "say", {"text": f"hello {i}"})
        facade.emit("ben", "noise", {})
        facade.deliver()
    assert [one["payload"]["text"] for one in got["ann"]] == [f"hello {i}" for i in range(10)]
    assert got["deltas"] and {one["schema_version"] for one in got["deltas"]} == {"observation_delta_v1"}
    assert got["deaf"] == [] and broken.failures >= 1 and broken.missed > 10, "it is left alone for a while"
    facade.unsubscribe(quiet), facade.unsubscribe(quiet)
    stage.clock.now_s += 1_000.0
    facade.emit("ben", "say", {"text": "again"})
    failures = broken.failures
    facade.deliver()
    assert broken.failures > failures, "and tried again later"
    with pytest.raises(KeyError):
        facade.subscribe("nobody", fail)


def test_the_environments_keep_the_rules_of_their_apis() -> None:
    pytest.importorskip("pettingzoo", reason="extra [world] is not installed")
    from gymnasium.utils.env_checker import check_env
    from pettingzoo.test import parallel_api_test, parallel_seed_test
    from tomato_host.world.environments import GardenEnv, GardenParallelEnv

    parallel_api_test(GardenParallelEnv(3, steps=50), num_cycles=200)
    parallel_seed_test(lambda: GardenParallelEnv(2, steps=50), num_cycles=60)
    check_env(GardenEnv(), skip_render_check=True)
    garden = GardenParallelEnv(2)
    garden.reset(seed=1)
    _, _, _, _, infos = garden.step({"gardener_0": 5, "gardener_1": 0})
    assert garden.host.log.validate() == [] and set(infos) == {"gardener_0", "gardener_1"}
