"""The physics-shaped core: soil drying, air, vapour and leaf deficit, hour by hour, for many plans at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tomato_host.brain.world_model.bounded_rls import BoundedRls
from tomato_host.brain.world_model.hourly import OUTSIDE_COLUMNS, PLAN_COLUMNS, HourlyLog
from tomato_host.brain.world_model.laws import (
    AIR_LAW,
    LEAF_LAW,
    NOISE,
    ROOM_C,
    ROOM_VAPOUR_KPA,
    VAPOUR_LAW,
)
from tomato_host.brain.world_model.psychrometrics import Array, saturation_kpa
from tomato_host.brain.world_model.soil_law import DAY_H, WATER_UNIT_ML, SoilHours, SoilLaw, roll_levels

_NEUTRAL = {"out_temp_c": ROOM_C, "out_vapour_kpa": ROOM_VAPOUR_KPA, "out_solar_wm2": 0.0, "out_wind_mps": 3.0}
_SUN_UNIT_WM2 = 500.0
CALM_MPS = 12.0
"""Wind up to here is ordinary: the learned laws know it. Above, gaps and open windows let the weather in."""

_DRAUGHT_PER_MPS = 0.40 / 20.0
_NOTHING: Array = np.array([np.nan])
_COLUMN = {name: k for k, name in enumerate(PLAN_COLUMNS)}


@dataclass(frozen=True)
class CoreState:
    """Where a rollout starts. All of shape [B] or scalars; soil [Z] or [Z, B]; water_before_ml is the last hour's."""

    air_temp_c: Array | float
    vapour_kpa: Array | float
    soil_pct: Array
    water_before_ml: Array | float = 0.0


@dataclass(frozen=True)
class Drivers:
    """Known inputs of H hours for B futures: plans [B, H, K] in PLAN_COLUMNS, weather arrays [H] or [B, H]."""

    plans: Array
    out_temp_c: Array
    out_vapour_kpa: Array
    out_solar_wm2: Array
    out_wind_mps: Array
    measured_vpd_kpa: Array | None = None
    """Where given, the deficit that soil and leaf see instead of the rolled one."""

    def plan(self, name: str) -> Array:
        """One plan column [B, H]."""
        return np.asarray(self.plans[:, :, _COLUMN[name]])

    def airing(self) -> Array:
        """Air change in shares of the exhaust's [B, H]: the fan itself and the draught of a windy hour."""
        return np.minimum(self.plan("exhaust_fan") + draught(self.out_wind_mps), 1.5)


def draught(wind_mps: Array) -> Array:
    """Air change by wind in shares of the exhaust's: nothing up to 12 m/s, two fifths of the fan per 20 m/s above.

    A prior that is not learned: spikes are too rare to learn from and too harsh to be surprised by.
    """
    return np.asarray(_DRAUGHT_PER_MPS * np.maximum(wind_mps - CALM_MPS, 0.0))


class Core:
    """The learned laws of one tent."""

    def __init__(self, soil: tuple[str, ...]) -> None:
        self.soil_names = soil
        self.soil = tuple(SoilLaw() for _ in soil)
        self.air = BoundedRls(AIR_LAW, NOISE["air"])
        self.vapour = BoundedRls(VAPOUR_LAW, NOISE["vapour"])
        self.leaf = BoundedRls(LEAF_LAW, NOISE["leaf"])

    def coefficients(self) -> dict[str, dict[str, float]]:
        """Every law's coefficients by name, in a fixed order."""
        soil = {name: law.named() for name, law in zip(self.soil_names, self.soil, strict=True)}
        return {**soil, "air": self.air.named(), "vapour": self.vapour.named(), "leaf": self.leaf.named()}

    def teach(self, log: HourlyLog, hours: int) -> None:
        """Learn from the last `hours` hours of the log."""
        rows = _Rows(log, hours)
        self._teach_soil(log, hours)
        self.air.teach(rows.air(), np.diff(rows.temp))
        self.vapour.teach(rows.vapour(), np.diff(rows.vap))
        self.leaf.teach(rows.leaf(), log.column("leaf_vpd_kpa")[-hours:])

    def _teach_soil(self, log: HourlyLog, hours: int) -> None:
        past = min(hours + DAY_H, log.hours - 1)
        rows = _Rows(log, past)
        plan = rows.plan
        seen = SoilHours(rows.vpd, plan["light"], plan["circulation_fan"], plan["water_ml"] / WATER_UNIT_ML)
        for name, law in zip(self.soil_names, self.soil, strict=True):
            law.teach(log.column(name)[-past - 1 :], seen, hours)

    def roll(self, start: CoreState, drivers: Drivers) -> dict[str, Array]:
        """Roll B futures of H hours: soil [Z, B, H], air_temp_c, vpd_kpa, leaf_vpd_kpa [B, H]."""
        temp, vpd = self.roll_air(start, drivers)
        seen = vpd if drivers.measured_vpd_kpa is None else drivers.measured_vpd_kpa
        return {
            "soil": self.roll_soil(start, drivers, seen),
            "air_temp_c": temp,
            "vpd_kpa": vpd,
            "leaf_vpd_kpa": self.leaf_vpd(drivers, seen),
        }

    def leaf_vpd(self, drivers: Drivers, vpd: Array) -> Array:
        """The leaf's deficit [B, H] in air of that deficit."""
        light, sun = drivers.plan("light"), drivers.out_solar_wm2 / _SUN_UNIT_WM2
        k = self.leaf.theta
        leaf = k[0] * vpd + k[1] * light + k[2] * sun + k[3] * drivers.plan("circulation_fan") + k[4]
        return np.asarray(np.maximum(leaf, 0.0))

    def roll_air(self, start: CoreState, drivers: Drivers) -> tuple[Array, Array]:
        """Air temperature in degC and deficit in kPa, both [B, H]."""
        a, v = self.air.theta, self.vapour.theta
        light, fan, mist = drivers.plan("light"), drivers.airing(), drivers.plan("humidifier")
        circulation, sun = drivers.plan("circulation_fan"), drivers.out_solar_wm2 / _SUN_UNIT_WM2
        keep_t = np.clip(1.0 - a[0] - a[2] * fan, 0.0, 1.0)
        gain_t = (
            (1.0 - keep_t) * ROOM_C
            + (a[1] + a[3] * fan) * (drivers.out_temp_c - ROOM_C)
            + a[4] * light
            + a[5] * light * fan
            + a[6] * sun
            + a[7] * drivers.plan("heater_mat")
            + a[8] * mist
            + a[9] * circulation
            + a[10]
        )
        keep_v = np.clip(1.0 - v[0] - v[2] * fan, 0.0, 1.0)
        gain_v = (
            (1.0 - keep_v) * ROOM_VAPOUR_KPA
            + (v[1] + v[3] * fan) * (drivers.out_vapour_kpa - ROOM_VAPOUR_KPA)
            + v[4] * light
            + v[5] * light * fan
            + v[6] * sun
            + v[7] * mist
            + v[8] * mist * fan
            + v[10] * circulation
            + v[11]
        )
        temp = np.broadcast_to(np.asarray(start.air_temp_c), gain_t.shape[:1])
        vapour = np.broadcast_to(np.asarray(start.vapour_kpa), gain_t.shape[:1])
        temps, vapours = np.empty((2, *gain_t.T.shape))
        for h, (keep, gain) in enumerate(zip(keep_t.T, gain_t.T, strict=True)):
            temps[h] = temp = np.minimum(np.maximum(keep * temp + gain, -40.0), 60.0)
        ceilings = saturation_kpa(temps)
        ceiling = saturation_kpa(np.asarray(start.air_temp_c, dtype=np.float64))
        for h, (keep, gain) in enumerate(zip(keep_v.T, gain_v.T, strict=True)):
            dry = np.maximum(ceiling - vapour, 0.0)
            ceiling = ceilings[h]
            vapours[h] = vapour = np.minimum(np.maximum(keep * vapour + gain + v[9] * dry, 0.02), ceiling)
        return temps.T, (ceilings - vapours).T

    def roll_soil(self, start: CoreState, drivers: Drivers, vpd: Array) -> Array:
        """Water content of every zone in % [Z, B, H] in air of that deficit."""
        if not self.soil:
            return np.empty((0, *vpd.shape))
        theta = np.stack([law.theta for law in self.soil])
        water = drivers.plan("water_ml") / WATER_UNIT_ML
        before = np.broadcast_to(np.asarray(start.water_before_ml) / WATER_UNIT_ML, water.shape[:1])
        ahead = SoilHours(vpd, drivers.plan("light"), drivers.plan("circulation_fan"), water)
        return roll_levels(theta, np.asarray(start.soil_pct).reshape(len(self.soil), -1), before, ahead)


class _Rows:
    """Regressor rows of the laws for the last hours of a log."""

    def __init__(self, log: HourlyLog, hours: int) -> None:
        part = log.window(log.hours - hours - 1, log.hours)
        self.temp = part.column("air_temp_c")
        self.vpd = part.column("vpd_kpa") if part.has("vpd_kpa") else part.column("out_vpd_kpa")
        self.vap = saturation_kpa(self.temp) - self.vpd
        self.plan = {name: np.nan_to_num(part.column(name)) for name in PLAN_COLUMNS}
        self.out = {
            name: part.column(name) if part.has(name) else np.full(part.hours, value)
            for name, value in _NEUTRAL.items()
        }
        self.sun = self.out["out_solar_wm2"] / _SUN_UNIT_WM2
        self.light = self.plan["light"]
        self.airing = np.minimum(self.plan["exhaust_fan"] + draught(self.out["out_wind_mps"]), 1.5)

    def air(self) -> Array:
        """Rows of AIR_LAW [n, 11]."""
        fan, light = self.airing[1:], self.light[1:]
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
                self.plan["heater_mat"][1:],
                self.plan["humidifier"][1:],
                self.plan["circulation_fan"][1:],
                np.ones(len(fan)),
            ),
            axis=1,
        )

    def vapour(self) -> Array:
        """Rows of VAPOUR_LAW [n, 12]."""
        fan, light, mist = self.airing[1:], self.light[1:], self.plan["humidifier"][1:]
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
                self.plan["circulation_fan"][1:],
                np.ones(len(fan)),
            ),
            axis=1,
        )

    def leaf(self) -> Array:
        """Rows of LEAF_LAW [n, 5]."""
        return np.stack(
            (
                self.vpd[1:],
                self.light[1:],
                self.sun[1:],
                self.plan["circulation_fan"][1:],
                np.ones(len(self.vpd) - 1),
            ),
            axis=1,
        )


def weather_drivers(values: Mapping[str, Array]) -> dict[str, Array]:
    """The weather arrays of `Drivers`, neutral where nothing is known."""
    return {
        name: np.where(np.isfinite(values.get(name, _NOTHING)), values.get(name, _NOTHING), neutral)
        for name, neutral in _NEUTRAL.items()
    }


assert set(_NEUTRAL) <= set(OUTSIDE_COLUMNS)
