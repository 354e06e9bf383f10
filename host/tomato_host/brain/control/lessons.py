"""What the tent has just shown: duties that were in force, and the air they led to.

A small tent settles within minutes, so the mean of half an hour under steady duties is a measurement of what these
duties do. The lessons of the last hours tell which room the tent stands in (balance.py); what the balance still misses
is taken off for similar duties by a kernel regression of its errors (Nadaraya-Watson), with a pull to zero where
nothing was tried. For the hours further ahead the world model's own course takes over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.balance import Duties, Tent, air_of, room_of

Array = NDArray[np.float64]
KEPT = 20
FRESH_H, STANDING_H, STANDING = 0.7, 24.0, 0.1
"""A lesson's weight: most of it gone within the hour (the weather moves on), a share of it kept to the same hour of the
next day (the lamp comes on again)."""
FADES_H = 12.0
"""What is learned now is believed less for hours further ahead."""
PULL = 0.02
SCALES = (0.3, 0.5, 0.4)
"""Distances in light, exhaust and humidifier at which two duties are no longer alike."""
COLUMNS = (1, 3, 4)
"""Light, exhaust and humidifier in a plan."""
AIR = ("air_temp_c", "vpd_kpa")


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


def _weights(lessons: Sequence[Lesson], now: datetime) -> Array:
    age_h = np.array([(now - lesson.at) / timedelta(hours=1) for lesson in lessons])
    return np.asarray(np.exp(-age_h / FRESH_H) + STANDING * np.exp(-age_h / STANDING_H))


def _duties(plans: Array) -> Duties:
    return Duties(plans[..., 1], plans[..., 2], plans[..., 3], plans[..., 4])


class Experience:
    """What the lessons say of plans: the balance in the room they point to, and the residual of what they measured."""

    def __init__(self, lessons: Sequence[Lesson], now: datetime, tent: Tent | None = None) -> None:
        """`lessons`: at least one, each with vpd_kpa and air_temp_c."""
        self._tent = tent or Tent()
        duty = np.array([lesson.duty for lesson in lessons])
        measured = {name: np.array([lesson.air[name] for lesson in lessons]) for name in AIR}
        weight = _weights(lessons, now)
        room_c, room_g, trust = room_of(measured["air_temp_c"], measured["vpd_kpa"], _duties(duty), self._tent)
        self.room_c = float(np.average(room_c, weights=weight))
        self.room_g_m3 = float(np.average(room_g, weights=weight * trust))
        temp, vpd = air_of(self.room_c, self.room_g_m3, _duties(duty), self._tent)
        self._error = {"air_temp_c": measured["air_temp_c"] - temp, "vpd_kpa": measured["vpd_kpa"] - vpd}
        self._weight = weight
        self._place = duty[:, COLUMNS] / SCALES

    def correct(self, series: Mapping[str, Array], plans: Array) -> dict[str, Array]:
        """Predicted courses [B, H] with the near hours pulled to what experience says; other courses as they are."""
        count, horizon, _ = plans.shape
        wanted = (plans[:, :, COLUMNS] / SCALES).reshape(-1, len(COLUMNS))
        distance = ((wanted**2).sum(axis=1)[:, None] + (self._place**2).sum(axis=1)[None]
                    - 2.0 * wanted @ self._place.T)
        near = np.exp(-0.5 * distance) * self._weight
        total = near.sum(axis=1) + PULL
        fade = np.exp(-np.arange(horizon) / FADES_H)
        temp, vpd = air_of(self.room_c, self.room_g_m3, _duties(plans), self._tent)
        out = dict(series)
        for name, said in (("air_temp_c", temp), ("vpd_kpa", vpd)):
            known = said + (near @ self._error[name] / total).reshape(count, horizon)
            out[name] = np.maximum(out[name] + (known - out[name]) * fade, 0.02)
        return out
