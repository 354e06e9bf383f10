"""The planner core on a published plant model: `lettuce-greenhouse-gym`, 40 days of lettuce in a real winter's weather.

`python tools/bench/lettuce_adapter.py` prints the gym's own grower heuristic, a plain beam search, its IPOPT controller
and our planner in one run, with and without 5 % noise on the plant's coefficients. All planners read the true state and
the true weather ahead, as the gym's own controller does, and plan with the nominal coefficients.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from lettuce_edits import REACH, SIZES, BlockEdits, Moment, ProgrammeEdits, RateLimit
from lettuce_plant import Array, Plant
from tomato_host.brain.control.planner.beam_search import SearchSettings, search

TITLE = "Planner core on lettuce-greenhouse-gym 0.1.3"
HORIZON = 16
"""Steps of half an hour that a plan covers."""


class Planner:
    """A controller of the gym: plans with the beam core, keeps the plan, shifts it on, improves it next time."""

    privileged = True

    def __init__(
        self,
        horizon: int = HORIZON,
        rounds: int = 12,
        limit_ms: float = 50.0,
        growth_value: float = 1.0,
        plain: bool = False,
    ) -> None:
        self.horizon, self.rounds, self.limit_s = horizon, rounds, limit_ms / 1_000.0
        self.growth_value, self.plain = growth_value, plain
        self.times_ms: list[float] = []

    def reset(self, env: Any) -> None:
        """Take the bounds and the nominal coefficients of this episode."""
        self.low, self.high = env.config.effective_control_bounds()
        self.most = env.config.effective_du_max()
        names = env.model.constants.names
        econ = env.config.reward.economics.get
        self.plant = Plant(
            dict(zip(names, env.model.constants.to_array().tolist(), strict=True)),
            {"product": econ("product_price_2"), "energy": econ("energy_cost"), "co2": econ("co2_cost")},
            env.config.dt,
        )
        self.plan = np.tile(env.control, (self.horizon, 1))
        self.step, self.steps = 0, env.config.n_steps
        self.times_ms = []

    def control(self, obs: Any, env: Any) -> Array:
        """The first step of the best plan found in time."""
        began = time.thread_time()
        horizon = min(self.horizon, self.steps - self.step)
        state, weather = env.state, env.weather_forecast(horizon)
        at = Moment(self.plant, state, weather, self.plant.price["product"] * self._worth(state[0]))
        limit = RateLimit(env.control, self.low, self.high, self.most)
        held = np.tile(env.control, (horizon, 1))
        found = search(
            lambda plans: self.plant.roll(state, plans, weather, at.value_per_kg),
            BlockEdits(limit, horizon) if self.plain else ProgrammeEdits(at, limit),
            held[None] if self.plain else np.stack([self.plan[:horizon], held]),
            SearchSettings(
                width=1, levels=len(SIZES if self.plain else REACH), rounds=self.rounds, pairs=20 * self.plain
            ),
            lambda: time.thread_time() - began > self.limit_s,
        )
        best = found.plans[0]
        self.plan = np.concatenate([best[1:], np.repeat(best[-1:], self.horizon + 1 - horizon, axis=0)])
        self.step += 1
        self.times_ms.append(1_000.0 * (time.thread_time() - began))
        return np.asarray(best[0])

    def _worth(self, dry: float) -> float:
        """What a kg that stands now is worth at harvest, in kg: an open canopy grows on its own growth."""
        left = (self.steps - self.step - self.horizon) / self.steps
        open_share = float(np.exp(-self.plant.c["canopy_surface"] * dry))
        return 1.0 + self.growth_value * max(0.0, left) * open_share

    def step_info(self) -> dict[str, Any]:
        """Nothing to add to the gym's log."""
        return {}


def season(controller: Any, noise: float | None, seed: int, days: float) -> dict[str, float]:
    """One season of one controller: return and time per decision."""
    from lettuce_greenhouse_gym import EnvConfig, LettuceGreenhouseEnv
    from lettuce_greenhouse_gym.baselines import run_episode
    from lettuce_greenhouse_gym.model.parameters import RandomizedParameterProvider
    from lettuce_greenhouse_gym.model.vanhenten import VanHentenLettuce

    model = VanHentenLettuce()
    provider = None if noise is None else RandomizedParameterProvider.relative(model.constants, noise, per_step=True)
    env = LettuceGreenhouseEnv(EnvConfig(episode_days=days), model=model, parameter_provider=provider)
    began = time.thread_time()
    log = run_episode(env, controller, seed=seed)
    took_ms = 1_000.0 * (time.thread_time() - began) / len(log.reward)
    times = getattr(controller, "times_ms", None)
    return {
        "return": round(log.total_return, 3),
        "ms_mean": round(float(np.mean(times)) if times else took_ms, 2),
        "ms_p99": round(float(np.quantile(times, 0.99)) if times else float("nan"), 2),
    }


def run(quick: bool, ipopt: bool = True, only: str | None = None) -> dict[str, Any]:
    """All controllers, nominal and with noise. `quick`: four days instead of forty, without IPOPT."""
    from lettuce_greenhouse_gym.baselines import GrowerHeuristic, NominalMPC

    days = 4.0 if quick else 40.0
    makers: dict[str, Any] = {
        "heuristic": GrowerHeuristic,
        "plain beam": lambda: Planner(horizon=12, rounds=2, growth_value=0.0, plain=True),
        "ours": Planner,
    }
    if ipopt and not quick:
        makers["ipopt mpc"] = NominalMPC
    rows: dict[str, Any] = {}
    for name, make in makers.items():
        if only is not None and name != only:
            continue
        rows[name] = season(make(), None, 0, days)
        rows[f"{name}, 5 % noise"] = season(make(), 0.05, 0, days)
    return {"days": days, "controllers": rows}


def main() -> None:
    """Print the comparison as a table or as JSON."""
    parser = argparse.ArgumentParser(description=TITLE)
    parser.add_argument("--quick", action="store_true", help="four days, without the gym's IPOPT controller")
    parser.add_argument("--only", help="one controller by name")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = run(args.quick, only=args.only)
    if args.json:
        print(json.dumps(result))
        return
    print(f"{TITLE}, {result['days']:g} days")
    print(f"{'controller':<28}{'return':>10}{'ms/decision':>14}{'p99 ms':>10}")
    for name, row in result["controllers"].items():
        print(f"{name:<28}{row['return']:>10.3f}{row['ms_mean']:>14.2f}{row['ms_p99']:>10.2f}")


if __name__ == "__main__":
    main()
