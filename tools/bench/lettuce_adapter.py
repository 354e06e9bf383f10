"""The planner core on somebody else's plant: `lettuce-greenhouse-gym`, 40 days of lettuce in a real winter's weather.

`python tools/bench/lettuce_adapter.py` prints the gym's own grower heuristic, a plain beam search, its IPOPT controller
and our planner in one run, with and without 5 % noise on the plant's coefficients. All planners read the true state and
the true weather ahead, as the gym's own controller does, and plan with the nominal coefficients.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tomato_host.brain.control.beam import Search, search

Array = NDArray[np.float64]
TITLE = "Planner core on lettuce-greenhouse-gym 0.1.3"
HORIZON = 16
"""Steps of half an hour that a plan covers."""
SUBSTEPS = 1
"""The closed forms below are within 1 % of the gym's own RK4 in growth at one substep a step."""
BLOCKS = (*((k, k + 1) for k in range(HORIZON)), (0, 3), (3, 6), (6, 12), (12, 16), (0, 6), (0, 12), (0, 16))
"""Stretches of steps that one edit lifts or lowers together: each alone, and some together."""
SIZES = (1.0, 0.4, 0.15, 0.05)
"""Edit sizes in units of the largest change per step, coarse to fine."""
DIRECTIONS = tuple(d for d in product((0.0, 1.0, -1.0), repeat=3) if any(d))
"""All controls alone and together: the best plans lie on comfort bounds, where only joint moves gain anything."""


@dataclass(frozen=True)
class Plant:
    """The van Henten (2003) balances for many plans at once, equations (2)-(11); coefficients by the gym's names."""

    c: dict[str, float]
    price: dict[str, float]
    dt: float

    def roll(self, x0: Array, plans: Array, weather: Array, value_per_kg: float) -> Array:
        """Return of plans [B, H, 3] from state x0 [4] under weather [4, H], plus a value per kg of what stands."""
        count, horizon, _ = plans.shape
        dry, co2, temp, vapour = (np.full(count, value) for value in x0)
        gain = np.zeros(count)
        for k in range(horizon):
            u_co2, u_vent, u_heat = plans[:, k, 0] * 1e-6, plans[:, k, 1] * 1e-3, plans[:, k, 2]
            before = dry
            for _ in range(SUBSTEPS):
                dry, co2, temp, vapour = self._advance(dry, co2, temp, vapour, u_co2, u_vent, u_heat, weather[:, k])
            gain += self.price["product"] * (dry - before) - self._cost(u_co2, u_heat)
            gain -= self._discomfort(co2, temp, vapour)
        return np.asarray(gain + (value_per_kg - self.price["product"]) * (dry - x0[0]))

    def _advance(self, dry: Array, co2: Array, temp: Array, vapour: Array, u_co2: Array, u_vent: Array, u_heat: Array,
                 weather: Array) -> tuple[Array, Array, Array, Array]:
        """One substep: each balance is linear in its own state, so it is solved exactly with the others held."""
        c, h = self.c, self.dt / SUBSTEPS
        rad, out_co2, out_temp, out_vapour = weather
        loss = (c["cap_heat_vent"] * u_vent + c["heat_transfer_cover"]) / c["cap_heat"]
        steady = out_temp + (u_heat + c["rad_heat_load"] * rad) / (loss * c["cap_heat"])
        decay = np.exp(-loss * h)
        after = steady + (temp - steady) * decay
        mean = np.clip(steady + (temp - steady) * (1.0 - decay) / (loss * h), 5.0, 40.0)
        closure = 1.0 - np.exp(-c["canopy_surface"] * dry)
        breath = np.exp2(0.1 * mean - 2.5)
        exchange = u_vent + c["leak"]
        wet = closure * c["transp_coeff"]
        rate = wet + exchange
        # Vapour follows its steady value within minutes, and that moves with the temperature: take it as a ramp.
        first, last = ((wet * self._saturation(t) + exchange * out_vapour) / rate for t in (temp, after))
        kh = rate * h / c["cap_vapor"]
        decay = np.exp(-kh)
        vapour = last - (last - first) * (1.0 - decay) / kh + (vapour - first) * decay
        inside = -c["photo_co2_1"] * mean * mean + c["photo_co2_2"] * mean - c["photo_co2_3"]
        light = c["light_use_eff"] * rad
        above = co2 - c["co2_compensation"]
        per_co2 = closure * light * inside / (light + inside * above + 1e-30)
        rate = per_co2 + exchange
        supply = u_co2 + c["resp_co2"] * dry * breath + exchange * out_co2 + per_co2 * c["co2_compensation"]
        steady = supply / rate
        decay = np.exp(-rate * h / c["cap_co2"])
        mean_co2 = steady + (co2 - steady) * (1.0 - decay) / (rate * h / c["cap_co2"])
        co2 = np.clip(steady + (co2 - steady) * decay, 0.0, 0.004)
        above = mean_co2 - c["co2_compensation"]
        gross = closure * light * inside * above / (light + inside * above + 1e-30)
        dry = np.maximum(0.002, dry + h * (c["yield_factor"] * gross - c["resp_dry"] * dry * breath))
        return dry, co2, np.clip(after, 5.0, 40.0), np.clip(vapour, 0.0, 0.051)

    def _saturation(self, temp: Array) -> Array:
        """Saturated vapour density, kg/m3 (equation 10)."""
        c = self.c
        return np.asarray(c["sat_vp1"] / (c["gas_const_kmol"] * (temp + c["temp_abs"])) * np.exp(
            c["sat_vp2"] * temp / (temp + c["sat_vp3"])))

    def _cost(self, u_co2: Array, u_heat: Array) -> Array:
        return np.asarray(self.price["energy"] * u_heat * self.dt / 3.6e6 + self.price["co2"] * u_co2 * self.dt)

    @staticmethod
    def _discomfort(co2: Array, temp: Array, vapour: Array) -> Array:
        """The benchmark's soft bounds: 500-1600 ppm, 10-20 degC, RH at most 80 %."""
        kelvin = temp + 273.15
        ppm = 1e6 * 8.314 * kelvin * co2 / (101_325.0 * 0.044)
        rh = np.minimum(100.0, 100.0 * 8.314 * kelvin * vapour / (0.01802 * 610.78 * np.exp(
            17.2694 * temp / (temp + 238.3))))
        return np.asarray(
            5e-5 * (np.maximum(0.0, 500.0 - ppm) + np.maximum(0.0, ppm - 1_600.0))
            + 3e-3 * np.maximum(0.0, 10.0 - temp) + 5e-3 * np.maximum(0.0, temp - 20.0)
            + 7e-4 * np.maximum(0.0, rh - 80.0))


class RateLimited:
    """Edits of plans whose controls may move by `most` a step from `now` on, inside [low, high]."""

    def __init__(self, now: Array, low: Array, high: Array, most: Array, horizon: int) -> None:
        self.now, self.low, self.high, self.most = now, low, high, most
        spans = [(a, min(b, horizon)) for a, b in BLOCKS if a < horizon]
        shapes = np.zeros((len(spans) * len(DIRECTIONS), horizon, len(most)))
        for row, ((a, b), direction) in enumerate(product(spans, DIRECTIONS)):
            shapes[row, a:b] = np.array(direction) * most
        self._shapes = shapes

    def neighbours(self, plans: Array, level: int) -> Array:
        """Every block of every control a little up or down."""
        edited = plans[:, None] + SIZES[level] * self._shapes[None]
        w, m, h, k = edited.shape
        return self.project(edited.reshape(w * m, h, k)).reshape(w, m, h, k)

    def project(self, plans: Array) -> Array:
        """Inside the bounds, and no faster than allowed."""
        allowed = np.clip(plans, self.low, self.high)
        before = np.broadcast_to(self.now, allowed[:, 0].shape)
        for step in range(allowed.shape[1]):
            allowed[:, step] = np.clip(allowed[:, step], before - self.most, before + self.most)
            before = allowed[:, step]
        return allowed


class Planner:
    """A controller of the gym: plans with the beam core, keeps the plan, shifts it on, improves it next time."""

    privileged = True

    def __init__(self, width: int = 1, horizon: int = HORIZON, rounds: int = 20, limit_ms: float = 52.0,
                 warm: bool = True, growth_value: float = 1.0) -> None:
        self.width, self.horizon, self.rounds, self.limit_s = width, horizon, rounds, limit_ms / 1_000.0
        self.warm, self.growth_value = warm, growth_value
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
            env.config.dt)
        self.plan = np.tile(env.control, (self.horizon, 1))
        self.step, self.steps = 0, env.config.n_steps
        self.times_ms = []

    def control(self, obs: Any, env: Any) -> Array:
        """The first step of the best plan found in time."""
        began = time.thread_time()
        horizon = min(self.horizon, self.steps - self.step)
        state, weather = env.state, env.weather_forecast(horizon)
        edits = RateLimited(env.control, self.low, self.high, self.most, horizon)
        value = self.plant.price["product"] * self._worth(state[0])
        held = np.tile(env.control, (horizon, 1))
        starts = np.stack([self.plan[:horizon], held]) if self.warm else held[None]
        found = search(
            lambda plans: self.plant.roll(state, plans, weather, value), edits, starts,
            Search(width=self.width, levels=len(SIZES), rounds=self.rounds, least_gain=1e-7),
            lambda: time.thread_time() - began > self.limit_s)
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
    return {"return": round(log.total_return, 3), "ms_mean": round(float(np.mean(times)) if times else took_ms, 2),
            "ms_p99": round(float(np.quantile(times, 0.99)) if times else float("nan"), 2)}


def run(quick: bool, ipopt: bool = True, only: str | None = None) -> dict[str, Any]:
    """All controllers, nominal and with noise. `quick`: four days instead of forty, without IPOPT."""
    from lettuce_greenhouse_gym.baselines import GrowerHeuristic, NominalMPC

    days = 4.0 if quick else 40.0
    makers: dict[str, Any] = {
        "heuristic": GrowerHeuristic,
        "plain beam": lambda: Planner(width=1, horizon=12, rounds=2, warm=False, growth_value=0.0),
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
        print(f"{name:<28}{row['return']:>10.2f}{row['ms_mean']:>14.2f}{row['ms_p99']:>10.2f}")


if __name__ == "__main__":
    main()
