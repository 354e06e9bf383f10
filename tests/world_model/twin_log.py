"""Days in the simulated tent as an hourly log: a plain grower's schedule or the brain's rules, real sensor models."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from tomato_host.brain.psychrometric_arrays import leaf_vpd_array_kpa, saturation_array_kpa, vpd_array_kpa
from tomato_host.brain.step_data import BrainSettings
from tomato_host.brain.world_model.data import OUTSIDE_COLUMNS, HourlyLog, KnownAhead
from tomato_host.brain.world_model.hourly_history import hour_index
from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.sensors import PROBE_DRY_RAW, PROBE_WET_RAW
from tomato_host.twin.simulated_tent import SimulatedTent
from tomato_host.twin.world import World

from shared_schemas.devices import OUTPUT_BY_NAME, PLAN_COLUMNS

SAMPLE_MIN = 10
START = datetime.fromisoformat("2026-05-01T00:00:00+02:00")
Irrigation = Callable[[int, float, random.Random], float]
"""(hour of the run, driest probe in %, chance) -> ml for this hour."""


def threshold_irrigation(hour: int, driest_pct: float, chance: random.Random) -> float:
    """Every two hours, as the rules decide: what the driest pot lacks below its band, at most two pulses of 250 ml."""
    if hour % 2 or not 6 <= hour % 24 < 22 or driest_pct > 30.0:
        return 0.0
    return chance.choice((250.0, 375.0, 500.0))


def hand_irrigation(hour: int, driest_pct: float, chance: random.Random) -> float:
    """A person who waters in the morning and evening when there is time: more, less, or not at all."""
    return chance.choice((0.0, 300.0, 600.0)) if hour % 24 in (8, 9, 18, 19) and driest_pct < 44.0 else 0.0


def no_irrigation(hour: int, driest_pct: float, chance: random.Random) -> float:
    """Nothing: the pots dry."""
    return 0.0


@dataclass
class TwinRun:
    """The log of a run, the truth behind it by hour, and what the weather service would have said."""

    log: HourlyLog
    true_vpd: list[float] = field(default_factory=list)
    true_driest: list[float] = field(default_factory=list)

    def ahead(self, hour: int) -> KnownAhead:
        """Weather and plans of the hours after `hour`, as they came."""
        names = (*OUTSIDE_COLUMNS, *PLAN_COLUMNS)
        return KnownAhead({name: self.log.values[name][hour : hour + 36] for name in names if name in self.log.values})


def run_twin(
    seed: int,
    days: float,
    scenario: str | None = None,
    irrigation: Irrigation = threshold_irrigation,
    vary_tent: bool = True,
    start: datetime = START,
) -> TwinRun:
    """Simulate; every hour holds means of samples 10 min apart, water as pumped, and outputs as shares of the hour."""
    params = TentParams.sample(seed) if vary_tent else TentParams()
    world = World(seed, params, Scenario.parse(scenario), start)
    chance = random.Random(f"grower-{seed}")
    hours = int(days * 24)
    values = {name: np.full(hours, np.nan) for name in (*_MEASURED, *OUTSIDE_COLUMNS)}
    values |= {name: np.zeros(hours) for name in PLAN_COLUMNS}
    run = TwinRun(HourlyLog(hour_index(start), (start.utcoffset() or timedelta()) / timedelta(hours=1), values))
    driest = 40.0
    for hour in range(hours):
        water = irrigation(hour, driest, chance)
        rows, vpd, theta = _one_hour(world, hour, water, chance.uniform(0.15, 0.35), values)
        for name, column in rows.items():
            values[name][hour] = np.mean(column)
        driest = min(values["soil.P1"][hour], values["soil.P2"][hour])
        run.true_vpd.append(float(np.mean(vpd)))
        run.true_driest.append(100.0 * theta)
    return run


def run_under_rules(seed: int, days: float, period_s: float = 60.0) -> TwinRun:
    """The whole brain with its rules in a tent of its own; the log is the brain's, as it will be of a real tent.

    Probes stand as the estimator believed them. The weather is what a perfect service would have said.
    """
    tent = SimulatedTent(seed, TentParams.sample(seed), None, START, period_s)
    run = TentRun(tent, BrainSettings())
    history = run.brain.forecast_state.history
    history.keep_hours = int(days * 24)
    while tent.now_ms < days * 86_400_000:
        run.step()
    log = history.log(tent.now)
    values = {name: np.array(column) for name, column in log.values.items()}
    values["water_ml"] = np.nan_to_num(values["water_ml"])  # an hour that nobody spoke of had no water
    for row in range(log.hours):
        _outside(tent.world, log.start_hour - hour_index(START) + row, row, values)
    return TwinRun(HourlyLog(log.start_hour, log.utc_offset_h, values))


_MEASURED = ("air_temp_c", "vpd_kpa", "leaf_vpd_kpa", "soil_temp_c", "soil.P1", "soil.P2")


def _one_hour(
    world: World, hour: int, water_ml: float, exhaust: float, values: dict[str, np.ndarray]
) -> tuple[dict[str, list[float]], list[float], float]:
    lit = 6 <= hour % 24 < 22
    exhaust = exhaust + (0.3 if lit else 0.0)
    begin_ms = hour * 3_600_000
    off_ms = {
        "exhaust_fan": begin_ms + round(exhaust * 3_600_000),
        "water_pump": begin_ms + round(water_ml / world.tent.params.pump_ml_s * 1_000),
    }
    world.set_output(OUTPUT_BY_NAME["light"].wire_id, lit, begin_ms)
    world.set_output(OUTPUT_BY_NAME["circulation_fan"].wire_id, True, begin_ms)
    for name, end in off_ms.items():
        world.set_output(OUTPUT_BY_NAME[name].wire_id, end > begin_ms, begin_ms)
    rows: dict[str, list[float]] = {name: [] for name in _MEASURED}
    vpd: list[float] = []
    for minute in range(0, 60, SAMPLE_MIN):
        until = begin_ms + minute * 60_000
        for name, end in sorted(off_ms.items(), key=lambda item: item[1]):
            if end <= until:
                world.set_output(OUTPUT_BY_NAME[name].wire_id, False, max(end, world.now_ms))
        _sample(world, until, rows)
        vpd.append(world.tent.truth().vpd_kpa)
    _outside(world, hour, hour, values)
    shares = {"light": float(lit), "circulation_fan": 1.0, "exhaust_fan": exhaust, "water_ml": water_ml}
    for name, share in shares.items():
        values[name][hour] = share
    truth = world.tent.truth()
    return rows, vpd, min(truth.theta_1, truth.theta_2)


def _sample(world: World, t_ms: int, rows: dict[str, list[float]]) -> None:
    r = world.readings(t_ms)
    rows["air_temp_c"].append(r.air_temp_c)
    rows["vpd_kpa"].append(float(vpd_array_kpa(r.air_temp_c, r.rh_pct)))
    rows["leaf_vpd_kpa"].append(float(leaf_vpd_array_kpa(r.leaf_temp_c, r.air_temp_c, r.rh_pct)))
    rows["soil_temp_c"].append(r.soil_temp_c)
    for probe in (0, 1):
        pct = 100.0 * (PROBE_DRY_RAW - r.soil_raw[probe]) / (PROBE_DRY_RAW - PROBE_WET_RAW)
        rows[f"soil.P{probe + 1}"].append(pct)


def _outside(world: World, hour: int, row: int, values: dict[str, np.ndarray]) -> None:
    """Write the weather of an hour of the run into a row of the table."""
    air = world.surroundings.open_air((hour + 0.5) * 3_600.0)
    deficit = float(vpd_array_kpa(air.temp_c, air.rh_pct))
    found = (air.temp_c, float(saturation_array_kpa(air.temp_c)) - deficit, deficit, air.solar_w_m2, air.wind_m_s)
    for name, value in zip(OUTSIDE_COLUMNS, found, strict=True):
        values[name][row] = value
