"""The physical core: soil drying, air, vapour and leaf deficit, hour by hour, for many plans at once.

Which column of a plan is the lamp, the vent, the mist, follows from the facts in `shared_schemas.devices`.
Coefficients and priors are in `priors.py`, the water balance of a pot in `soil_dynamics.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from shared_schemas.devices import LAMP, MAT, MIST, PLAN_COLUMNS, PUMP, STIRRER, VENT
from tomato_host.brain.psychrometric_arrays import saturation_array_kpa
from tomato_host.brain.world_model.arrays import FEW, OF_ARRAYS, OF_FLOATS, Arithmetic, Array, zero_if_unknown
from tomato_host.brain.world_model.bounded_rls import BoundedRls
from tomato_host.brain.world_model.data import OUTSIDE_COLUMNS, HourlyLog, RolloutInputs, RolloutStart
from tomato_host.brain.world_model.priors import AIR_LAW, LEAF_LAW, NOISE, ROOM_C, ROOM_VAPOUR_KPA, VAPOUR_LAW
from tomato_host.brain.world_model.soil_dynamics import DAY_H, WATER_UNIT_ML, PotDynamics, PotInputs, roll_levels

_NEUTRAL = {"out_temp_c": ROOM_C, "out_vapour_kpa": ROOM_VAPOUR_KPA, "out_solar_wm2": 0.0, "out_wind_mps": 3.0}
_SUN_UNIT_WM2 = 500.0
CALM_MPS = 12.0
"""Wind up to here is ordinary: the learned laws know it. Above, gaps and open windows let the weather in."""

_DRAUGHT_PER_MPS = 0.40 / 20.0
_NOTHING: Array = np.array([np.nan])


def draught(wind_mps: Array) -> Array:
    """Air change by wind in shares of the exhaust's: nothing up to 12 m/s, two fifths of the fan per 20 m/s above.

    A prior that is not learned: spikes are too rare to learn from, and their effect is too large to wait for.
    """
    return np.asarray(_DRAUGHT_PER_MPS * np.maximum(wind_mps - CALM_MPS, 0.0))


def air_change(inputs: RolloutInputs) -> Array:
    """Air change in shares of the exhaust's [B, H]: the fan itself and the draught of a windy hour."""
    return np.minimum(inputs.plan(VENT.column) + draught(inputs.out_wind_mps), 1.5)


class TentDynamics:
    """The learned laws of one tent."""

    def __init__(self, zones: tuple[str, ...]) -> None:
        self.zones = zones
        self.soil = tuple(PotDynamics() for _ in zones)
        self.air = BoundedRls(AIR_LAW, NOISE["air"])
        self.vapour = BoundedRls(VAPOUR_LAW, NOISE["vapour"])
        self.leaf = BoundedRls(LEAF_LAW, NOISE["leaf"])

    def coefficients(self) -> dict[str, dict[str, float]]:
        """Every law's coefficients by name, in a fixed order."""
        soil = {name: law.named() for name, law in zip(self.zones, self.soil, strict=True)}
        return {**soil, "air": self.air.named(), "vapour": self.vapour.named(), "leaf": self.leaf.named()}

    def update(self, log: HourlyLog, hours: int) -> None:
        """Learn from the last `hours` hours of the log."""
        rows = _Rows(log, hours)
        self._update_soil(log, hours)
        self.air.update(rows.air(), np.diff(rows.temp))
        self.vapour.update(rows.vapour(), np.diff(rows.vap))
        self.leaf.update(rows.leaf(), log.column("leaf_vpd_kpa")[-hours:])

    def _update_soil(self, log: HourlyLog, hours: int) -> None:
        past = min(hours + DAY_H, log.hours - 1)
        rows = _Rows(log, past)
        plan = rows.plan
        seen = PotInputs(rows.vpd, plan[LAMP.column], plan[STIRRER.column], plan[PUMP.column] / WATER_UNIT_ML)
        for name, law in zip(self.zones, self.soil, strict=True):
            law.update(log.column(name)[-past - 1 :], seen, hours)

    def roll(self, start: RolloutStart, inputs: RolloutInputs) -> dict[str, Array]:
        """Roll B futures of H hours: soil [Z, B, H], air_temp_c, vpd_kpa, leaf_vpd_kpa [B, H]."""
        temp, vpd = self.roll_air(start, inputs)
        seen = vpd if inputs.measured_vpd_kpa is None else inputs.measured_vpd_kpa
        return {
            "soil": self.roll_soil(start, inputs, seen),
            "air_temp_c": temp,
            "vpd_kpa": vpd,
            "leaf_vpd_kpa": self.leaf_vpd(inputs, seen),
        }

    def leaf_vpd(self, inputs: RolloutInputs, vpd: Array) -> Array:
        """The leaf's deficit [B, H] in air of that deficit."""
        light, sun = inputs.plan(LAMP.column), inputs.out_solar_wm2 / _SUN_UNIT_WM2
        k = self.leaf.theta
        leaf = k[0] * vpd + k[1] * light + k[2] * sun + k[3] * inputs.plan(STIRRER.column) + k[4]
        return np.asarray(np.maximum(leaf, 0.0))

    def roll_air(self, start: RolloutStart, inputs: RolloutInputs) -> tuple[Array, Array]:
        """Air temperature in degC and deficit in kPa, both [B, H]."""
        a, v = self.air.theta, self.vapour.theta
        light, fan, mist = inputs.plan(LAMP.column), air_change(inputs), inputs.plan(MIST.column)
        circulation, sun = inputs.plan(STIRRER.column), inputs.out_solar_wm2 / _SUN_UNIT_WM2
        keep_t = np.clip(1.0 - a[0] - a[2] * fan, 0.0, 1.0)
        gain_t = (
            (1.0 - keep_t) * ROOM_C
            + (a[1] + a[3] * fan) * (inputs.out_temp_c - ROOM_C)
            + a[4] * light
            + a[5] * light * fan
            + a[6] * sun
            + a[7] * inputs.plan(MAT.column)
            + a[8] * mist
            + a[9] * circulation
            + a[10]
        )
        keep_v = np.clip(1.0 - v[0] - v[2] * fan, 0.0, 1.0)
        gain_v = (
            (1.0 - keep_v) * ROOM_VAPOUR_KPA
            + (v[1] + v[3] * fan) * (inputs.out_vapour_kpa - ROOM_VAPOUR_KPA)
            + v[4] * light
            + v[5] * light * fan
            + v[6] * sun
            + v[7] * mist
            + v[8] * mist * fan
            + v[10] * circulation
            + v[11]
        )
        futures = gain_t.shape[0]
        temp = np.broadcast_to(np.asarray(start.air_temp_c, dtype=np.float64), futures)
        vapour = np.broadcast_to(np.asarray(start.vapour_kpa, dtype=np.float64), futures)
        temps = _by_future(_temperatures, temp, keep_t, gain_t)
        ceilings = saturation_array_kpa(np.column_stack((temp, temps)))
        vapours = _by_future(partial(_vapours, float(v[9])), vapour, keep_v, gain_v, ceilings)
        return temps, ceilings[:, 1:] - vapours

    def roll_soil(self, start: RolloutStart, inputs: RolloutInputs, vpd: Array) -> Array:
        """Water content of every zone in % [Z, B, H] in air of that deficit."""
        if not self.soil:
            return np.empty((0, *vpd.shape))
        theta = np.stack([law.theta for law in self.soil])
        water = inputs.plan(PUMP.column) / WATER_UNIT_ML
        before = np.broadcast_to(np.asarray(start.water_before_ml) / WATER_UNIT_ML, water.shape[:1])
        ahead = PotInputs(vpd, inputs.plan(LAMP.column), inputs.plan(STIRRER.column), water)
        return roll_levels(theta, np.asarray(start.soil_pct).reshape(len(self.soil), -1), before, ahead)


def _by_future(laws: Callable[..., Array], start: Array, *hourly: Array) -> Array:
    """Roll the laws of `start` [B] through hourly columns [B, H] each: [B, H]."""
    if len(start) > FEW:
        return laws(OF_ARRAYS, start, *(column.T for column in hourly)).T
    rows = zip(start.tolist(), *(column.tolist() for column in hourly), strict=True)
    return np.array([laws(OF_FLOATS, *row) for row in rows]).reshape(hourly[0].shape)


def _temperatures(of: Arithmetic, temp: Any, keeps: Any, gains: Any) -> Array:
    """Air temperature after each hour, degC."""
    out = []
    for keep, gain in zip(keeps, gains, strict=True):
        temp = of.minimum(of.maximum(keep * temp + gain, -40.0), 60.0)
        out.append(temp)
    return np.array(out)


def _vapours(per_dry: float, of: Arithmetic, vapour: Any, keeps: Any, gains: Any, ceilings: Any) -> Array:
    """Vapour pressure after each hour, kPa, never above saturation; `ceilings` begin with that of the start."""
    out = []
    for keep, gain, before, now in zip(keeps, gains, ceilings, ceilings[1:], strict=False):
        dry = of.maximum(before - vapour, 0.0)
        vapour = of.minimum(of.maximum(keep * vapour + gain + per_dry * dry, 0.02), now)
        out.append(vapour)
    return np.array(out)


class _Rows:
    """Regressor rows of the laws for the last hours of a log."""

    def __init__(self, log: HourlyLog, hours: int) -> None:
        part = log.window(log.hours - hours - 1, log.hours)
        self.temp = part.column("air_temp_c")
        self.vpd = part.column("vpd_kpa") if part.has("vpd_kpa") else part.column("out_vpd_kpa")
        self.vap = saturation_array_kpa(self.temp) - self.vpd
        self.plan = {name: zero_if_unknown(part.column(name)) for name in PLAN_COLUMNS}
        self.out = {
            name: part.column(name) if part.has(name) else np.full(part.hours, value)
            for name, value in _NEUTRAL.items()
        }
        self.sun = self.out["out_solar_wm2"] / _SUN_UNIT_WM2
        self.lamp = self.plan[LAMP.column]
        self.air_change = np.minimum(self.plan[VENT.column] + draught(self.out["out_wind_mps"]), 1.5)

    def air(self) -> Array:
        """Rows of AIR_LAW [n, 11]."""
        fan, light = self.air_change[1:], self.lamp[1:]
        room, out = ROOM_C - self.temp[:-1], self.out["out_temp_c"][1:] - ROOM_C
        return np.stack(
            (
                room,
                out,
                fan * room,
                fan * out,
                light,
                light * fan,
                self.sun[1:],
                self.plan[MAT.column][1:],
                self.plan[MIST.column][1:],
                self.plan[STIRRER.column][1:],
                np.ones(len(fan)),
            ),
            axis=1,
        )

    def vapour(self) -> Array:
        """Rows of VAPOUR_LAW [n, 12]."""
        fan, light, mist = self.air_change[1:], self.lamp[1:], self.plan[MIST.column][1:]
        room, out = ROOM_VAPOUR_KPA - self.vap[:-1], self.out["out_vapour_kpa"][1:] - ROOM_VAPOUR_KPA
        return np.stack(
            (
                room,
                out,
                fan * room,
                fan * out,
                light,
                light * fan,
                self.sun[1:],
                mist,
                mist * fan,
                self.vpd[:-1],
                self.plan[STIRRER.column][1:],
                np.ones(len(fan)),
            ),
            axis=1,
        )

    def leaf(self) -> Array:
        """Rows of LEAF_LAW [n, 5]."""
        return np.stack(
            (
                self.vpd[1:],
                self.lamp[1:],
                self.sun[1:],
                self.plan[STIRRER.column][1:],
                np.ones(len(self.vpd) - 1),
            ),
            axis=1,
        )


def weather_inputs(values: Mapping[str, Array]) -> dict[str, Array]:
    """The weather arrays of `RolloutInputs`, neutral where nothing is known."""
    return {
        name: np.where(np.isfinite(values.get(name, _NOTHING)), values.get(name, _NOTHING), neutral)
        for name, neutral in _NEUTRAL.items()
    }


assert set(_NEUTRAL) <= set(OUTSIDE_COLUMNS)
