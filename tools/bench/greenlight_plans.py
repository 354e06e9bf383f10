"""Plans for GreenLight-Gym: what a plan is worth by what was learned, and which edits the beam tries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from greenlight_model import (
    AIR_MEMORY,
    CONTROLS,
    LIGHT_MEMORY,
    SHOWN,
    Array,
    Knowledge,
    assimilation,
    humidity_pct,
)

MEAN_MEMORY = 1.0 / 96.0
LIMITS = ((300.0, 1_600.0, 2_500.0), (15.0, 34.0, 15.0), (50.0, 85.0, 15.0))
"""CO2 ppm, air degC, humidity %: least, most (its README), and what a violation is divided by."""
SIZES = (0.5, 0.2, 0.07)
"""How much an edit moves a control, coarse to fine."""


@dataclass(frozen=True)
class Margins:
    """How far inside the limits the planner aims: a forecast is not exact, and beyond a limit every step costs."""

    humidity_pct: float = 0.5
    temp_c: float = 0.5
    co2_ppm: float = 20.0


@dataclass(frozen=True)
class Outlook:
    """One moment: state [6], weather ahead [H, 4], the model's present error [4] a step, the
    canopy's mean of 24 h in degC."""

    known: Knowledge
    state: Array
    weather: Array
    error: Array
    mean_c: float
    margins: Margins
    usual_mg: float
    """What a step assimilates on the mean of a day, as it has been lately."""

    def roll(self, plans: Array) -> Array:
        """Courses [B, H, 6] of plans [B, H, 6]; a step's row is what stands at its end."""
        count, horizon = plans.shape[:2]
        now = np.broadcast_to(self.state, (count, len(self.state))).copy()
        out = np.empty((count, horizon, len(self.state)))
        for k in range(horizon):
            weather = np.broadcast_to(self.weather[k], (count, 4))
            change = self.known.climate.change(np.concatenate([now, plans[:, k], weather], axis=1)) + self.error
            now[:, :SHOWN] += change
            now[:, 1] = np.clip(now[:, 1], 100.0, 6_000.0)
            now[:, 2] = np.maximum(now[:, 2], 50.0)
            now[:, 4] += AIR_MEMORY * (now[:, 0] - now[:, 4])
            now[:, 5] += LIGHT_MEMORY * (self.weather[k, 0] - now[:, 5])
            out[:, k] = now
        return out

    def worth(self, plans: Array) -> Array:
        """Mean reward a step of plans [B, H, 6], as the benchmark counts it, growth credited when it is assimilated.

        What the air's warmth does to the mean of 24 h outlasts the horizon: the day's usual assimilates are valued at
        the mean that a plan leaves behind, for as many steps as the plan has.
        """
        course = self.roll(plans)
        growth, money = self.known.growth, self.known.money
        by = assimilation(self.weather[None, :, 0], plans, course[..., 0], course[..., 2], growth.half_light)
        grown = by[..., 0] * growth.per_sun + by[..., 1] * growth.per_lamp
        share = growth.warmth(np.full(len(plans), self.mean_c))[:, None]
        after = growth.warmth(self.mean_c + MEAN_MEMORY * (course[..., 0] - self.mean_c).sum(axis=1))
        usual = self.usual_mg * (after - share[:, 0])
        reward = money.per_mg * grown * share - plans @ money.cost - self.penalty(course)
        return np.asarray(reward.mean(axis=1) + money.per_mg * usual)

    def penalty(self, course: Array) -> Array:
        """What the benchmark takes for each step [B, H] beyond its limits, drawn in by the margins."""
        read = (course[..., 2], course[..., 0], humidity_pct(course[..., 0], course[..., 1]))
        inset = (self.margins.co2_ppm, self.margins.temp_c, self.margins.humidity_pct)
        total = np.zeros(course.shape[:2])
        for value, (least, most, unit), margin in zip(read, LIMITS, inset, strict=True):
            total += (np.maximum(least + margin - value, 0.0) + np.maximum(value - most + margin, 0.0)) / unit
        return total


class ControlEdits:
    """Every control a little up or down, over stretches of steps that are short now and long later."""

    def __init__(self, horizon: int, free: tuple[int, ...]) -> None:
        edges = [e for e in (0, 1, 2, 4, 8, 12, 16, 24, 32) if e < horizon] + [horizon]
        spans = [*pairwise(edges), *((0, e) for e in edges[2:])]
        shapes = []
        for start, stop in spans:
            for column in free:
                for sign in (1.0, -1.0):
                    change = np.zeros((horizon, CONTROLS))
                    change[start:stop, column] = sign
                    shapes.append(change)
        self._shapes = np.stack(shapes)

    def variants(self, plans: Array, level: int) -> Array:
        """All edits of all plans: [W, M, H, 6]."""
        return self.project(plans[:, None] + SIZES[level] * self._shapes[None])

    def project(self, plans: Array) -> Array:
        """Controls stay between 0 and 1."""
        return np.clip(plans, 0.0, 1.0)
