"""What the tent has just shown: duties that were in force, and the air they led to.

A small tent settles within minutes, so the mean of half an hour under steady duties is a measurement of what these
duties do. Where it differs from what the world model says of the same duties now, the model errs there; the planner
takes the error off for plans with similar duties. Near in duties counts more, long ago counts less: a kernel
regression of the residual (Nadaraya-Watson) over the last few hours, with a pull to zero where nothing was tried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
KEPT = 20
LASTS_H = 8.0
"""A lesson's weight falls to a third in this time: the weather moves on."""
FADES_H = 12.0
"""What is learned now is believed less for hours further ahead."""
PULL = 0.03
SCALES = (0.5, 0.4, 0.3)
"""Distances in light, exhaust and humidifier at which two duties are no longer alike."""
COLUMNS = (1, 3, 4)
"""Light, exhaust and humidifier in a plan."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """Half an hour under steady duties. `duty` has the columns of a plan; air in kPa and degC."""

    at: datetime
    duty: tuple[float, ...]
    air: Mapping[str, float]
    """vpd_kpa and air_temp_c, means of the half hour."""


def add(lessons: tuple[Lesson, ...], new: Lesson) -> tuple[Lesson, ...]:
    """The lessons with a new one, the oldest forgotten."""
    return (*lessons, new)[-KEPT:]


def hold_plans(lessons: Sequence[Lesson], horizon: int) -> Array:
    """Plans that hold each lesson's duties [N, H, 7]."""
    return np.repeat(np.array([lesson.duty for lesson in lessons])[:, None], horizon, axis=1)


class Residual:
    """The model's present errors by duty. `correct` adds them to predicted courses."""

    def __init__(self, lessons: Sequence[Lesson], said: Mapping[str, Array], now: datetime) -> None:
        """`said`: what the model says now of the next hour under each lesson's duties, [N] by name."""
        age_h = np.array([(now - lesson.at) / timedelta(hours=1) for lesson in lessons])
        self._weight = np.exp(-age_h / LASTS_H)
        self._place = np.array([[lesson.duty[c] for c in COLUMNS] for lesson in lessons]) / SCALES
        self._error = {
            name: np.array([lesson.air.get(name, np.nan) for lesson in lessons]) - values
            for name, values in said.items()
        }

    def correct(self, series: Mapping[str, Array], plans: Array) -> dict[str, Array]:
        """The courses [B, H] with the errors of similar duties taken off; other courses as they are."""
        count, horizon, _ = plans.shape
        wanted = (plans[:, :, COLUMNS] / SCALES).reshape(-1, len(COLUMNS))
        distance = ((wanted**2).sum(axis=1)[:, None] + (self._place**2).sum(axis=1)[None]
                    - 2.0 * wanted @ self._place.T)
        weight = np.exp(-0.5 * distance) * self._weight
        fade = np.exp(-np.arange(horizon) / FADES_H)
        out = dict(series)
        for name, error in self._error.items():
            known = np.isfinite(error)
            if name in out and known.any():
                near = weight[:, known]
                lift = (near @ error[known] / (near.sum(axis=1) + PULL)).reshape(count, horizon)
                out[name] = np.maximum(out[name] + lift * fade, 0.0)
        return out
