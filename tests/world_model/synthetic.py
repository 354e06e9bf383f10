"""A made-up tent in closed form: light days, dark nights, pots that dry with the air and gain with water."""

from __future__ import annotations

import numpy as np
from tomato_host.brain.psychrometric_arrays import saturation_array_kpa
from tomato_host.brain.world_model.data import OUTSIDE_COLUMNS, HourlyLog, KnownAhead

from shared_schemas.devices import PLAN_COLUMNS

START_HOUR = 494_064
"""2026-05-13 00:00 UTC."""


def tent_log(days: int = 12, seed: int = 0) -> HourlyLog:
    """Hours of a tent whose VPD follows the outside and whose two pots are watered at 8 o'clock."""
    rng = np.random.default_rng(seed)
    hours = days * 24
    hour = np.arange(hours)
    lit = ((hour % 24 >= 6) & (hour % 24 < 22)).astype(float)
    spell = np.repeat(rng.normal(0.0, 3.0, days), 24)
    out_temp = 14.0 + spell + 5.0 * np.sin(2 * np.pi * (hour - 9) / 24)
    out_vapour = np.full(hours, 0.9) + 0.02 * spell
    out_vpd = saturation_array_kpa(out_temp) - out_vapour
    vpd = 0.5 + 0.35 * lit + 0.3 * out_vpd + rng.normal(0.0, 0.02, hours)
    water = np.where(hour % 24 == 8, rng.choice([300.0, 600.0, 900.0], hours), 0.0)
    soil = np.empty((2, hours))
    level = np.array([36.0, 34.0])
    for h in range(hours):
        level = np.clip(level - 0.08 - 0.20 * lit[h] * vpd[h] + 0.9 * water[h] / 100.0, 5.0, 60.0)
        soil[:, h] = level
    soil += rng.normal(0.0, 0.05, soil.shape)
    values = {
        "air_temp_c": 21.0 + 3.0 * lit + 0.1 * spell + rng.normal(0.0, 0.1, hours),
        "vpd_kpa": vpd,
        "leaf_vpd_kpa": vpd * 1.05,
        "soil.P1": soil[0],
        "soil.P2": soil[1],
        "soil_temp_c": 20.0 + lit,
        "out_temp_c": out_temp,
        "out_vapour_kpa": out_vapour,
        "out_vpd_kpa": out_vpd,
        "out_solar_wm2": 400.0 * np.maximum(0.0, np.sin(2 * np.pi * (hour - 6) / 24)),
        "out_wind_mps": np.full(hours, 3.0),
        "light": lit,
        "circulation_fan": np.ones(hours),
        "exhaust_fan": 0.2 * lit,
        "water_ml": water,
        "humidifier": np.zeros(hours),
        "heater_mat": np.zeros(hours),
        "co2_seconds": np.zeros(hours),
    }
    return HourlyLog(START_HOUR, 2.0, values)


def ahead_of(log: HourlyLog, hour: int) -> KnownAhead:
    """Weather and plans after `hour`, as they came."""
    return KnownAhead({name: log.values[name][hour : hour + 36] for name in (*OUTSIDE_COLUMNS, *PLAN_COLUMNS)})
