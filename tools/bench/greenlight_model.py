"""What the planner learns of GreenLight-Gym by watching it: a small network for the climate, a law for the growth.

Nothing of the benchmark's equations is used. Episodes of one year, controlled by wandering setpoints, give pairs of
what its interface showed before and after a quarter of an hour. A network of two hidden layers learns the step of air
temperature, vapour pressure, CO2 and pipe temperature from them. Growth is slow and passes through stores that are not
shown, so it is learned by the day: fruit gain against the day's sum of assimilation after Farquhar, von Caemmerer and
Berry (1980, Planta 149) in its light-limited form, less what warm fruit respires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tomato_host.brain.psychrometric_arrays import saturation_array_kpa

Array = NDArray[np.float64]
CONTROLS = 6
STATES = 6
"""Air degC, vapour pressure Pa, CO2 ppm, pipe degC, and two memories: air of the last hours, light of the last hour."""
WARM_GRID, STEEP_GRID = (13.5, 14.0, 14.5, 15.0, 15.5, 16.0), (0.8, 1.2, 1.8, 3.0)
SHOWN = 4
"""So many of them are read; the memories are kept here."""
INPUTS = STATES + CONTROLS + 4
HIDDEN = 40
AIR_MEMORY, LIGHT_MEMORY = 1.0 / 32.0, 0.25
"""Share of the new value in each step: floor and walls follow in about eight hours, leaves and roof within one."""
DAY_STEPS = 96
INNER_CO2, GAMMA_PER_C = 0.67, 1.7
"""CO2 in the leaf as a share of that of the air; compensation point in ppm for each degC (Farquhar et al. 1980, as
tomato models have used it since Gijzen 1994)."""


def saturation_pa(temp: Array | float) -> Array:
    """Vapour pressure over water in Pa."""
    return np.asarray(1_000.0 * saturation_array_kpa(temp))


def humidity_pct(temp: Array, vapour: Array) -> Array:
    """Relative humidity in %, at most 100."""
    return np.asarray(np.clip(100.0 * vapour / saturation_pa(temp), 0.0, 100.0))


def read_state(answer: dict[str, Any], before: Array | None) -> Array:
    """The state [6] that an answer shows; `before` carries the memories on, None begins them."""
    ppm, temp, humidity, pipe = answer["obs"]["IndoorClimateObservations"]
    light = answer["obs"]["WeatherObservations"][0]
    vapour = float(saturation_pa(temp)) * humidity / 100.0
    if before is None:
        return np.array([temp, vapour, ppm, pipe, temp, light])
    air = before[4] + AIR_MEMORY * (temp - before[4])
    return np.array([temp, vapour, ppm, pipe, air, before[5] + LIGHT_MEMORY * (light - before[5])])


def read_weather(rows: list[list[float]]) -> Array:
    """Forecast rows as [H, 4]: W/m2, degC, vapour pressure Pa, m/s.

    Its third and fourth columns are named humidity and CO2, but hold vapour pressure in Pa and density in mg/m3.
    """
    return np.asarray(rows, dtype=float)[:, (0, 1, 2, 4)]


def assimilation(light: Array, controls: Array, temp: Array, ppm: Array, half_light: float) -> Array:
    """Features of a step's assimilation [..., 2]: by the sun through the screens, by the lamp; any shapes that fit.

    Light saturates with `half_light` W/m2. The thermal screen is taken to let three quarters through, the blackout
    screen nothing.
    """
    inner = INNER_CO2 * ppm
    compensation = GAMMA_PER_C * temp
    by_co2 = np.maximum(inner - compensation, 0.0) / (inner + 2.0 * compensation)
    through = light * (1.0 - 0.25 * controls[..., 2]) * (1.0 - controls[..., 5])
    return np.stack([through / (1.0 + through / half_light) * by_co2, controls[..., 4] * by_co2], axis=-1)


@dataclass(frozen=True)
class Climate:
    """A network with two hidden layers: the change of the shown states in one step."""

    weights: tuple[Array, ...]
    """Layer by layer: matrix, offset."""
    mean: Array
    scale: Array
    step: Array
    """Unit of each output [4]."""

    def change(self, inputs: Array) -> Array:
        """Inputs [B, 16] -> changes [B, 4] of air, vapour, CO2 and pipe."""
        w1, b1, w2, b2, w3, b3 = self.weights
        hidden = np.maximum((inputs - self.mean) / self.scale @ w1 + b1, 0.0)
        hidden = np.maximum(hidden @ w2 + b2, 0.0)
        return np.asarray((hidden @ w3 + b3) * self.step)


@dataclass(frozen=True)
class Growth:
    """Fruit gain in mg/m2: per step from assimilation by sun and lamp, less maintenance of the fruit there is."""

    half_light: float
    per_sun: float
    per_lamp: float
    constant: float
    """Per step: what leaves and stems take."""
    per_fruit: float
    """Per step and mg of fruit."""
    warm_c: float
    steep_per_k: float
    """Growth by the canopy's mean of 24 h: half at `warm_c`, a logistic curve around it."""

    def warmth(self, mean_c: Array) -> Array:
        """Share of the assimilates that become fruit at this mean of 24 h in degC."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.steep_per_k * (mean_c - self.warm_c))))


@dataclass(frozen=True)
class Money:
    """What the benchmark charges and pays, read off its own answers: reward per unit."""

    cost: Array
    """[6] reward lost by a control at full for one step."""
    per_mg: float
    """Reward for each mg/m2 of fruit."""
    base: float
    """Reward of a step without gain and cost."""


@dataclass(frozen=True)
class Knowledge:
    """All that was learned."""

    climate: Climate
    growth: Growth
    money: Money

    def save(self, path: Path) -> None:
        """Write as one `.npz`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        growth, money = self.growth, self.money
        arrays: dict[str, Any] = {f"w{k}": w for k, w in enumerate(self.climate.weights)}
        arrays |= {"mean": self.climate.mean, "scale": self.climate.scale, "step": self.climate.step}
        arrays |= {"growth": astuple(growth), "cost": money.cost, "money": [money.per_mg, money.base]}
        np.savez(path, **arrays)

    @staticmethod
    def load(path: Path) -> Knowledge:
        """Read what `save` wrote. Raises FileNotFoundError."""
        with np.load(path) as given:
            weights = tuple(given[f"w{k}"] for k in range(6))
            return Knowledge(
                Climate(weights, given["mean"], given["scale"], given["step"]),
                Growth(*(float(v) for v in given["growth"])),
                Money(given["cost"], *(float(v) for v in given["money"])),
            )


@dataclass(frozen=True)
class Watched:
    """Steps of some episodes, N in all: what was seen before and after each."""

    state: Array
    """[N, 6]"""
    controls: Array
    """[N, 6]"""
    weather: Array
    """[N, 4]"""
    after: Array
    """[N, 4]"""
    fruit_mg: Array
    """[N] before."""
    gained_mg: Array
    """[N]"""
    mean_c: Array
    """[N] the canopy's mean of 24 h, before."""
    episode: NDArray[np.int64]


def joined(parts: Sequence[Watched]) -> Watched:
    """All steps of several stretches, one after the other; a part that stands twice counts twice."""
    return Watched(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Watched)))


def learn_climate(seen: Watched, rounds: int = 200, seed: int = 0) -> tuple[Climate, Array]:
    """Fit the network by Adam (Kingma and Ba 2015); also the error [4] (root mean square) on steps left out."""
    rng = np.random.default_rng(seed)
    inputs = np.concatenate([seen.state, seen.controls, seen.weather], axis=1)
    wanted = seen.after - seen.state[:, :SHOWN]
    mean, scale, step = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9, wanted.std(axis=0) + 1e-9
    x, y = (inputs - mean) / scale, wanted / step
    held = rng.random(len(x)) < 0.1
    sizes = (INPUTS, HIDDEN, HIDDEN, SHOWN)
    weights: list[Array] = []
    for into, out in pairwise(sizes):
        weights += [rng.standard_normal((into, out)) * np.sqrt(2.0 / into), np.zeros(out)]
    train_x, train_y = x[~held], y[~held]
    moment, power, count = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights], 0
    total = rounds * (len(train_x) // 128)
    for _ in range(rounds):
        order = rng.permutation(len(train_x))
        for start in range(0, len(order) - 127, 128):
            batch = order[start : start + 128]
            count += 1
            rate = 3e-3 * 0.5 * (1.0 + np.cos(np.pi * count / total)) + 1e-5
            for k, slope in enumerate(_slopes(weights, train_x[batch], train_y[batch])):
                moment[k] = 0.9 * moment[k] + 0.1 * slope
                power[k] = 0.999 * power[k] + 0.001 * slope * slope
                corrected = np.sqrt(power[k] / (1.0 - 0.999**count)) + 1e-8
                weights[k] = weights[k] - rate * moment[k] / (1.0 - 0.9**count) / corrected
    climate = Climate(tuple(weights), mean, scale, step)
    error = climate.change(inputs[held]) - wanted[held]
    return climate, np.asarray(np.sqrt((error**2).mean(axis=0)))


def _slopes(weights: list[Array], x: Array, y: Array) -> list[Array]:
    """Slopes of the mean squared error, in the order of `weights`."""
    w1, b1, w2, b2, w3, b3 = weights
    one = np.maximum(x @ w1 + b1, 0.0)
    two = np.maximum(one @ w2 + b2, 0.0)
    off = 2.0 * (two @ w3 + b3 - y) / y.size
    off_two = (off @ w3.T) * (two > 0.0)
    off_one = (off_two @ w2.T) * (one > 0.0)
    pairs = ((x, off_one), (one, off_two), (two, off))
    return [slope for into, out in pairs for slope in (into.T @ out, out.sum(axis=0))]


def learn_growth(seen: Watched, skip_days: int = 2) -> tuple[Growth, float]:
    """Least squares by whole days, the first ones of each episode left out; also the share explained (R2).

    A coefficient that would be negative is left out: no light takes growth away.
    """
    days = [
        own[start : start + DAY_STEPS]
        for own in (np.flatnonzero(seen.episode == episode) for episode in np.unique(seen.episode))
        for start in range(skip_days * DAY_STEPS, len(own) - DAY_STEPS + 1, DAY_STEPS)
    ]
    wanted = np.array([seen.gained_mg[day].sum() for day in days])
    best: tuple[float, Growth] | None = None
    for half_light, warm, steep in product((150.0, 250.0, 400.0, 700.0, 1_500.0), WARM_GRID, STEEP_GRID):
        law = Growth(half_light, 0.0, 0.0, 0.0, 0.0, warm, steep)
        by = assimilation(seen.weather[:, 0], seen.controls, seen.state[:, 0], seen.state[:, 2], half_light)
        by = by * law.warmth(seen.mean_c)[:, None]
        matrix = np.array([[*by[day].sum(axis=0), -float(DAY_STEPS), -seen.fruit_mg[day].sum()] for day in days])
        solved = _not_negative(matrix, wanted)
        left = float(((matrix @ solved - wanted) ** 2).sum() / ((wanted - wanted.mean()) ** 2).sum())
        if best is None or left < best[0]:
            sun, lamp, constant, fruit = (float(v) for v in solved)
            best = left, Growth(half_light, sun, lamp, constant, fruit, warm, steep)
    assert best is not None
    return best[1], 1.0 - best[0]


def _not_negative(matrix: Array, wanted: Array) -> Array:
    """Least squares with coefficients of at least 0: the most negative one is left out until none is."""
    used = np.ones(matrix.shape[1], dtype=bool)
    while used.any():
        unit = np.abs(matrix[:, used]).max(axis=0) + 1e-12
        solved = np.linalg.lstsq(matrix[:, used] / unit, wanted, rcond=None)[0] / unit
        if (solved >= 0.0).all():
            break
        used[np.flatnonzero(used)[int(np.argmin(solved * unit))]] = False
    out = np.zeros(matrix.shape[1])
    out[used] = solved if used.any() else 0.0
    return out


def learn_money(answers: list[dict[str, Any]]) -> Money:
    """Prices from the itemised answers: each cost is in proportion to its control, the reward to the profit."""
    controls = np.array([a["info"]["controls"] for a in answers])
    profit = np.array([a["info"]["profit"] for a in answers])
    scaled = np.array([a["reward"] + a["info"]["penalty"] + a["info"]["control_penalty"] for a in answers])
    slope, base = np.polyfit(profit, scaled, 1)
    cost = np.zeros(CONTROLS)
    for column, name in ((0, "heat_cost"), (1, "co2_cost"), (4, "elec_cost")):
        charged = np.array([a["info"][name] for a in answers])
        used = controls[:, column]
        cost[column] = slope * float(charged @ used) / max(float(used @ used), 1e-12)
    gains = np.array([a["info"]["gains"] for a in answers])
    grown = np.array([a["info"]["fruit_growth_dm"] for a in answers])
    per_mg = slope * float(gains @ grown) / max(float(grown @ grown), 1e-12)
    return Money(cost, per_mg, float(base))
