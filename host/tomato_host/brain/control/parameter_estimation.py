"""Learns the tent's own parameters while it runs: the air of the room around it, and how its parts really perform.

The idea. A small tent settles within minutes, so the mean of half an hour under steady duties is a measurement of what
these duties do. An extended Kalman filter (Anderson and Moore, "Optimal Filtering", 1979, ch. 8) turns each such
measurement into an estimate, through the two steady-state balances of `tent_balance.py`.

The state has thirteen entries: room temperature (degC), room vapour density (g/m3), the logarithm of a factor on each
coefficient in PRIOR_SD (wall, leak, exhaust, lamp, mist, leaves in light and in the dark), and sine and cosine of the
sensor's daily course (degC, kPa). A logarithm keeps a factor positive and makes "twice" and "half" equally far from
one; factors are clipped to 1/3..3. The measurement is the pair (air temperature, VPD). Per step:

- *Propagate*: the room drifts by ROOM_DRIFT_SD an hour, coefficients hardly change (FACTOR_DRIFT_SD an hour).
- *Detect a jump*: if the squared error, in units of its variance, exceeds JUMP_CHI2 (chi-square with two degrees of
  freedom, one in a thousand by chance), the room has jumped: a heat wave, an opened window. Then only the room's
  variance is opened wide, so that the room takes the change and the tent's coefficients stand. Without this one hot
  half hour would be explained by a weak fan, and the weak fan would be believed for days.
- *Update*: relinearised LINEARISATIONS times (iterated EKF), because exchange is strongly curved: the first tenth of
  the exhaust does more than the last half.

The sensor's daily course: a sensor that hangs near a wall or in the lamp's cone reads too dry at one hour of the day
and too moist at another. What comes back each day at the same hour is taken to be that, as far as sensors do it
(SWING_SD) and rooms change more slowly (ROOM_DRIFT_SD); a room with such a course of its own is misread by as much.
Plans are judged without it. The sensor's mean error shows in no reading (`model_error.SENSOR_SD`).

How it is used: `NearTermModel.correct` pulls the near hours of a predicted course to what the balances say, with a
weight that fades with FADE_H; further ahead the world model, which knows the weather, takes over. The intervals of the
near hours become those that this tent's own errors give (`model_error.py`).

Identifiability: two readings cannot determine all parameters at once. Different duties over a day do (exhaust weak and
strong, lamp on and off, mist on and off), and the prior holds what no duty has shown. What the guardrails or the board
cut short enters as it was, not as it was asked for; otherwise refused mist would be learned as mist without effect.

Alternatives considered. Least squares over a window forgets the room too slowly or the coefficients too fast: two time
scales are the point. A particle filter of so many states costs far more for the same answer. Offsets on the world
model's output do not carry over to other duties, and closing the exhaust on a hot day is another duty. Wider
MEASUREMENT_SD in place of the sensor's daily course follow the sensor less, but a cold spell too late as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.model_error import AIR
from tomato_host.brain.control.model_error import PRIOR_SD as PRIOR_SD_AIR
from tomato_host.brain.control.plan_columns import LAMP_K, MAT_K, MIST_K, STIR_K, VENT_K
from tomato_host.brain.control.tent_balance import BalanceParameters, Duties, steady_state_air

Array = NDArray[np.float64]
PRIOR_SD: Mapping[str, float] = {
    "wall_w_k": 0.2,
    "leak_m3_h": 0.4,
    "exhaust_m3_h": 0.3,
    "lamp_w": 0.1,
    "mist_g_h": 0.25,
    "leaves_light_g_h": 0.4,
    "leaves_dark_g_h": 0.5,
}
"""Figures of a tent that are learned, and by which share a nameplate may be wrong before anything was seen."""
KNOWN = 2 + len(PRIOR_SD)
"""Entries of an estimate that say what the air is: room and figures. The rest is the sensor's."""
ROOM_PRIOR = (21.0, 10.0)
"""Room air before anything was seen: degC and g/m3 of vapour."""
ROOM_PRIOR_SD = (3.0, 3.0)
ROOM_DRIFT_SD = (0.35, 0.2)
"""How far the room drifts in an hour, degC and g/m3. Vapour hardly has a daily course: RH falls as a day warms."""
ROOM_JUMP_SD = (8.0, 4.0)
"""How far it may be from where it was, after a jump."""
FACTOR_DRIFT_SD = 0.02
"""Share by which a figure changes in an hour: leaves grow, filters clog."""
SWING_SD = (0.32, 0.08)
"""Sine and cosine of the sensor's daily course, degC and kPa each: what the place of a sensor makes of the hour of the
day (0.45 K and 3 % RH as amplitudes, one standard deviation; the sources stand in twin/sensors.py)."""
SWING_DRIFT_SD = (0.01, 0.003)
"""How far each of these drifts in an hour."""
DAY_S = 86_400.0
MEASUREMENT_SD = (0.3, 0.1)
"""How well half an hour is known: degC and kPa, the strokes of fans and mist included."""
JUMP_CHI2 = 14.0
"""Squared error in units of its variance above which the room has jumped: one in a thousand by chance (chi2, 2)."""
MAX_FACTOR = 3.0
ROOM_BOUNDS = ((-5.0, 1.0), (50.0, 30.0))
LINEARISATIONS = 2
"""Rounds of linearisation for each lesson (iterated extended Kalman filter)."""
SD_80 = 1.28
"""Standard deviations from the middle of a normal distribution to an end of its 80 % interval."""
STEADY = "steady."
"""Before the name of a course of the balances."""
FADE_H = 36.0
"""What is learned now is believed less for hours further ahead."""


@dataclass(frozen=True, slots=True)
class DutyMeasurement:
    """Half an hour under steady duties. `duty` has the columns of a plan; air in kPa and degC."""

    at: datetime
    duty: tuple[float, ...]
    air: Mapping[str, float]
    """vpd_kpa and air_temp_c, means of the half hour."""


@dataclass(frozen=True, slots=True)
class ParameterEstimate:
    """Room degC, room vapour g/m3, the logarithm of a factor on each figure of PRIOR_SD, and the sensor's daily course:
    sine and cosine in degC, the same in kPa, all four of zero where they are left out. And the covariance of these."""

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    at: datetime | None = None
    """When the last lesson was learned; None before the first."""


def prior_estimate() -> ParameterEstimate:
    """What is believed of any tent before it has shown anything."""
    spread = np.array([*ROOM_PRIOR_SD, *PRIOR_SD.values(), *_of_swing(SWING_SD)])
    return _belief(np.concatenate([ROOM_PRIOR, np.zeros(len(spread) - 2)]), np.diag(spread**2), None)


def learn(belief: ParameterEstimate, lesson: DutyMeasurement) -> ParameterEstimate:
    """The belief after one lesson. Lessons come in the order of time."""
    prior, spread = np.array(belief.mean), _aged(belief, lesson.at)
    seen = np.array([lesson.air[name] for name in AIR])
    noise = np.diag(np.square(MEASUREMENT_SD))
    said, slope = _read(prior, lesson)
    error = seen - said
    if error @ np.linalg.solve(slope @ spread @ slope.T + noise, error) > JUMP_CHI2:
        spread[:2, :2] += np.diag(np.square(ROOM_JUMP_SD))
    mean, gain = prior, np.zeros((len(prior), len(AIR)))
    for _ in range(LINEARISATIONS):
        said, slope = _read(mean, lesson)
        gain = spread @ slope.T @ np.linalg.inv(slope @ spread @ slope.T + noise)
        mean = _bounded(prior + gain @ (seen - said - slope @ (prior - mean)))
    return _belief(mean, (np.eye(len(mean)) - gain @ slope) @ spread, lesson.at)


def without_daily_course(belief: ParameterEstimate, at: datetime, air: Mapping[str, float]) -> dict[str, float]:
    """Readings of the air (degC, kPa) without what the sensor's place makes of the hour of the day `at`."""
    course = np.array(belief.mean[KNOWN:]).reshape(-1, 2) @ _hour_of_day(at)
    return {**air, **{name: air[name] - float(one) for name, one in zip(AIR, course, strict=False) if name in air}}


def balance_parameters(mean: Array) -> tuple[Array, Array, BalanceParameters]:
    """(room degC, room vapour g/m3, tent) of means [..., 9]; all of shape [..., 1, 1], ready for plans."""
    wide = mean[..., None, None]
    figures = {
        name: getattr(BalanceParameters, name) * np.exp(wide[..., 2 + k, :, :]) for k, name in enumerate(PRIOR_SD)
    }
    return wide[..., 0, :, :], wide[..., 1, :, :], replace(BalanceParameters(), **figures)


class NearTermModel:
    """What a belief says of plans."""

    def __init__(self, belief: ParameterEstimate, sd: tuple[float, float] = PRIOR_SD_AIR) -> None:
        """`sd`: how far it has been from this tent, degC and kPa."""
        self._half_widths = tuple(SD_80 * one for one in sd)
        self.room_c, self.room_g_m3 = belief.mean[:2]
        self._room_c, self._room_g, self._tent = balance_parameters(np.array(belief.mean))

    def steady(self, plans: Array) -> dict[str, Array]:
        """The air [B, H] that the balances expect of plans, named `steady.air_temp_c` and `steady.vpd_kpa`."""
        air = steady_state_air(self._room_c, self._room_g, plan_duties(plans), self._tent)
        return {STEADY + name: course for name, course in zip(AIR, air, strict=True)}

    def expected(self, plans: Array) -> dict[str, Array]:
        """The same as courses [B, H] of air_temp_c and vpd_kpa, for where no other model says anything of them."""
        return {name.removeprefix(STEADY): course for name, course in self.steady(plans).items()}

    def correct(self, series: Mapping[str, Array], plans: Array) -> dict[str, Array]:
        """Predicted courses [B, H] with the near hours pulled to what experience says; other courses as they are.

        Where `series` holds what `steady` says of the same plans, it is not computed again.
        """
        known = series if STEADY + AIR[0] in series else self.steady(plans)
        return {**series, **{name: _pulled(series[name], known[STEADY + name]) for name in AIR}}

    def spread(self, said: Mapping[str, tuple[Array, Array]], horizon: int) -> dict[str, tuple[Array, Array]]:
        """Intervals (low, high) [H] around the corrected courses: near hours are as sure as lessons have proved."""
        fade, out = _fade(horizon), dict(said)
        for name, half in zip(AIR, self._half_widths, strict=True):
            if name in said:
                low, high = said[name]
                out[name] = (low * (1.0 - fade) - half * fade, high * (1.0 - fade) + half * fade)
        return out


class DrawnTents:
    """What several beliefs [S, 9] (room and figures) say of plans [W S, H, K], each of every S-th one."""

    def __init__(self, means: Array) -> None:
        self._count = len(means)
        self._room_c, self._room_g, self._tent = balance_parameters(means)

    def correct(self, series: Mapping[str, Array], plans: Array) -> dict[str, Array]:
        """The air's courses [W S, H] of `series`, as in `NearTermModel.correct`."""
        each = plans.reshape(-1, self._count, *plans.shape[1:]).swapaxes(0, 1)
        said = steady_state_air(self._room_c, self._room_g, plan_duties(each), self._tent)
        courses = (one.swapaxes(0, 1).reshape(plans.shape[:2]) for one in said)
        return {name: _pulled(series[name], known) for name, known in zip(AIR, courses, strict=True)}


def _pulled(course: Array, known: Array) -> Array:
    """A course [B, H] with its near hours pulled to what is known of them."""
    return np.asarray(np.maximum(course + (known - course) * _fade(course.shape[1]), 0.02))


def _fade(horizon: int) -> Array:
    """How much the belief counts against the world model in each hour ahead."""
    return np.asarray(np.exp(-np.arange(horizon) / FADE_H))


def plan_duties(plans: Array) -> Duties:
    """The duties in plans [..., K] that the balances know."""
    return Duties(*(plans[..., column] for column in (LAMP_K, STIR_K, VENT_K, MIST_K, MAT_K)))


def _belief(mean: Array, covariance: Array, at: datetime | None) -> ParameterEstimate:
    even = 0.5 * (covariance + covariance.T)  # roundings must not make it lopsided
    return ParameterEstimate(tuple(map(float, mean)), tuple(tuple(map(float, row)) for row in even), at)


def _aged(belief: ParameterEstimate, now: datetime) -> Array:
    """The covariance by now: the room has wandered on since the last lesson."""
    hours = 0.0 if belief.at is None else max(0.0, (now - belief.at) / timedelta(hours=1))
    wanders = np.square([*ROOM_DRIFT_SD, *(FACTOR_DRIFT_SD for _ in PRIOR_SD), *_of_swing(SWING_DRIFT_SD)])
    return np.asarray(np.array(belief.covariance) + np.diag(wanders * hours))


def _bounded(mean: Array) -> Array:
    most = np.log(MAX_FACTOR)
    return np.concatenate([np.clip(mean[:2], *ROOM_BOUNDS), np.clip(mean[2:KNOWN], -most, most), mean[KNOWN:]])


def _of_swing(sd: tuple[float, float]) -> tuple[float, float, float, float]:
    return sd[0], sd[0], sd[1], sd[1]


def _hour_of_day(at: datetime) -> Array:
    """Sine and cosine [2] of the time of day."""
    angle = 2.0 * np.pi * (at.timestamp() % DAY_S) / DAY_S
    return np.array([np.sin(angle), np.cos(angle)])


def _read(mean: Array, lesson: DutyMeasurement) -> tuple[Array, Array]:
    """(reading [2] that a belief expects of a lesson, its slope [2, 13]): the tent's air, the sensor's daily course."""
    said, slope = _linearised(mean[:KNOWN], lesson.duty)
    course = np.kron(np.eye(len(AIR)), _hour_of_day(lesson.at))
    return said + course @ mean[KNOWN:], np.concatenate([slope, course], axis=1)


def _linearised(mean: Array, duty: tuple[float, ...]) -> tuple[Array, Array]:
    """(air [2] that a belief expects under `duty`, its slope [2, 9]) by central differences."""
    step = np.array([0.05, 0.05, *(0.02 for _ in PRIOR_SD)])
    around = np.concatenate([mean[None], mean + np.diag(step), mean - np.diag(step)])
    room_c, room_g, tent = balance_parameters(around)
    said = np.stack(steady_state_air(room_c, room_g, plan_duties(np.array(duty)[None, None]), tent), axis=-1)[:, 0, 0]
    count = len(step)
    return said[0], ((said[1 : count + 1] - said[count + 1 :]) / (2.0 * step[:, None])).T


assert set(PRIOR_SD) <= {f.name for f in fields(BalanceParameters)}
