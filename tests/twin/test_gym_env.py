"""The gymnasium environment: gymnasium's own checker, repeatability, limits, and that care beats neglect."""

from __future__ import annotations

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium", reason="needs the extra tomato-host[gym]")

from gymnasium.utils.env_checker import check_env  # noqa: E402
from tomato_host.twin.gym_env import FIELDS, TomatoTent  # noqa: E402

CARE = np.array([1.0, 1.0, 0.4, 0.0, 0.0, 0.1, 0.0], np.float32)
NEGLECT = np.zeros(7, np.float32)


def total(action: np.ndarray, steps: int, seed: int = 3) -> tuple[float, TomatoTent]:
    env = TomatoTent(days=2.0)
    env.reset(seed=seed)
    rewards = [env.step(action)[1] for _ in range(steps)]
    return sum(rewards), env


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_accepts_it() -> None:
    check_env(TomatoTent(days=0.2), skip_render_check=True)


def test_same_seed_same_life() -> None:
    assert total(CARE, 20)[0] == total(CARE, 20)[0] != total(CARE, 20, seed=4)[0]


def test_observations_stay_in_bounds_and_time_ends_the_episode() -> None:
    env = TomatoTent(days=0.25, scenario="sensor_dropout@1+2")
    observation, _ = env.reset(seed=1)
    steps, over = 0, False
    while not over:
        assert env.observation_space.contains(observation)
        observation, _, dead, over, info = env.step(env.action_space.sample())
        assert not dead and info["broken"] == []
        steps += 1
    assert steps == 24 and len(observation) == len(FIELDS)


def test_care_beats_neglect() -> None:
    assert total(CARE, 60)[0] > total(NEGLECT, 60)[0] + 1.0


def test_an_action_is_a_proposal_of_an_agent_and_is_refused_like_any() -> None:
    """Every pulse of the environment has a verdict behind it; the pause between two doses holds here, too."""
    env = TomatoTent(days=1.0)
    env.reset(seed=3)
    judged = []
    judge = env._run.brain.admission.admit
    env._run.brain.admission.admit = lambda action, context: (judged.append(action), judge(action, context))[1]  # type: ignore[method-assign,func-returns-value]
    infos = [env.step(np.ones(7, np.float32))[4] for _ in range(2)]
    assert {action.agent for action in judged} == {"learner"} and len(judged) == 14
    assert infos[1]["refused"]["water_pump"] == "interval"
    assert "exhaust_fan" not in infos[0]["refused"] and infos[0]["refused"]["co2_solenoid"] == "environment"


def test_greed_cannot_pass_the_limits_of_the_table() -> None:
    _, env = total(np.ones(7, np.float32), 96)
    world = env.twin.world
    assert world.safety.broken() == []
    assert world.tent.truth().pumped_ml <= 2_500.0 + 1.0
