"""The tent against measured facts: water use, leaf temperature, substrate swing, lamp against exhaust, CO2, season."""

from __future__ import annotations

import copy
import time
from datetime import datetime

import pytest
from psychrolib import SI, GetSatVapPres, SetUnitSystem
from tomato_host.twin.outside import Climate, Surroundings
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import (
    DOSING,
    HEATING,
    LAMP_ON,
    MISTING,
    PUMPING,
    STIRRING,
    VENTING,
    Outside,
    TentPhysics,
    saturation_g_m3,
    saturation_pa,
)

ROOM = Outside(21.0, 0.5 * saturation_g_m3(21.0), 450.0)
MAY = datetime.fromisoformat("2026-05-10T00:00:00+02:00")
APRIL = datetime.fromisoformat("2026-04-10T00:00:00+02:00")


def run_day(
    tent: TentPhysics,
    surroundings: Surroundings | None = None,
    light_h: float = 16.0,
    vent: float = 0.35,
    water: bool = True,
    from_day: int = 0,
) -> dict[str, list[float]]:
    """A day of plain husbandry in 10 s steps; returns what the truth did each minute."""
    told: dict[str, list[float]] = {"leaf_minus_air": [], "theta": [], "air": []}
    truth = tent.truth()
    for i in range(8_640):
        second = i * 10
        outputs = STIRRING
        if second < light_h * 3_600:
            outputs |= LAMP_ON
        if second % 600 < 600 * vent or truth.air_c > 27.0:
            outputs |= VENTING
        if truth.vpd_kpa > 1.3 and second < 57_600 and tent.params.place == "room":
            outputs |= MISTING
        if water and second == 0:
            lacking_ml = (tent.params.theta_capacity - truth.theta_1) * tent.params.pot_l * 2_000.0
            tent.advance(max(0.0, lacking_ml) / tent.params.pump_ml_s, outputs | PUMPING, ROOM)
        tent.advance(10.0, outputs, surroundings.at(from_day * 86_400 + second) if surroundings else ROOM)
        if i % 6 == 0:
            told["leaf_minus_air"].append(truth.leaf_c - truth.air_c)
            told["theta"].append(100.0 * (truth.theta_1 + truth.theta_2) / 2.0)
            told["air"].append(truth.air_c)
    return told


def test_saturation_pressure_matches_psychrolib() -> None:
    SetUnitSystem(SI)
    for temp_c in (0.01, 5.0, 15.0, 25.0, 35.0, 45.0):
        assert saturation_pa(temp_c) == pytest.approx(GetSatVapPres(temp_c), rel=2e-3)


def test_tent_of_lai_2_uses_water_as_measured() -> None:
    """0.85-1.6 l a day for a tent plant of LAI 2; 10 % tolerance at both ends, over ten different tents."""
    used = []
    for seed in range(10):
        tent = TentPhysics(TentParams.sample(seed, TentParams()), seed)
        tent.plant.lai = 2.0
        run_day(tent, Surroundings(Climate(seed, MAY), "room"))
        used.append(tent.truth().transpired_ml)
    assert min(used) > 850 * 0.9 and max(used) < 1_600 * 1.1
    assert 850 < sum(used) / len(used) < 1_600


def test_greenhouse_stem_uses_water_as_measured() -> None:
    """620-960 ml per stem and day in a greenhouse, mean of five spring days; 15 % tolerance."""
    tent = TentPhysics(TentParams.greenhouse())
    weather = Surroundings(Climate(4, APRIL), "greenhouse")
    for day in range(5):
        run_day(tent, weather, light_h=0.0, from_day=day)
    per_stem = tent.truth().transpired_ml / 5 / tent.params.plants
    assert 620 * 0.85 < per_stem < 960 * 1.15


def test_leaf_temperature_stays_within_measured_difference() -> None:
    """Leaf minus air -2.4 to +1.9 K, 0.4 K tolerance, in the tent and under the sun."""
    indoors = run_day(TentPhysics())["leaf_minus_air"]
    outdoors = run_day(TentPhysics(TentParams.greenhouse()), Surroundings(Climate(4, APRIL), "greenhouse"), 0.0)
    both = indoors + outdoors["leaf_minus_air"]
    assert min(both) > -2.8 and max(both) < 2.3
    assert min(indoors) < -0.3, "a transpiring leaf under LED light is cooler than the air"


def test_substrate_swings_6_to_10_points_a_day() -> None:
    tent = TentPhysics()
    run_day(tent)
    theta = run_day(tent)["theta"]
    assert 6.0 * 0.85 < max(theta) - min(theta) < 10.0 * 1.15


@pytest.mark.parametrize(("m3_h", "low_k", "high_k"), [(30.0, 1.6, 4.5), (150.0, 0.5, 2.2)])
def test_lamp_against_exhaust(m3_h: float, low_k: float, high_k: float) -> None:
    """A 100 W lamp warms an empty tent by P / (0.335 V + UA): about 3 K at 30 m3/h, 1.4 K at 150 m3/h."""
    params = TentParams(exhaust_m3_h=m3_h, lai_0=0.05, fruit_load_0=0)
    tent = TentPhysics(params)
    tent.advance(4 * 3_600.0, LAMP_ON | VENTING, ROOM)
    warmer = tent.truth().air_c - ROOM.temp_c
    assert low_k < warmer < high_k
    by_hand = 100.0 / (0.335 * (m3_h + params.leak_m3_h) + params.wall_u_w_m2k * params.wall_m2)
    assert warmer == pytest.approx(by_hand, rel=0.15)


def test_co2_is_drawn_down_by_day_and_rises_by_dosing() -> None:
    sealed = TentPhysics(TentParams(leak_m3_h=1.0))
    sealed.advance(3_600.0, LAMP_ON, ROOM)
    assert 100.0 < sealed.truth().co2_ppm < 430.0
    before = sealed.truth().co2_ppm
    sealed.advance(30.0, DOSING, ROOM)
    added = 0.02 * 30.0 * 546.0 / sealed.params.volume_m3
    assert sealed.truth().co2_ppm - before == pytest.approx(added, rel=0.15)
    night = TentPhysics()
    night.advance(6 * 3_600.0, 0, ROOM)
    assert night.truth().co2_ppm > ROOM.co2_ppm, "plants respire at night"


def test_soil_drains_to_capacity_and_never_exceeds_saturation() -> None:
    tent = TentPhysics()
    for _ in range(40):
        tent.advance(30.0, PUMPING, ROOM)
        assert tent.truth().theta_1 <= tent.params.theta_saturation + 1e-9
    tent.advance(4 * 3_600.0, 0, ROOM)
    assert tent.truth().theta_1 == pytest.approx(tent.params.theta_capacity, abs=0.015)
    assert tent.truth().drained_ml > 1_000


def test_water_is_conserved() -> None:
    """Reservoir, substrate, tray, floor and the plant account for every millilitre (evaporation from soil excluded)."""
    tent = TentPhysics(TentParams(soil_evaporation_g_h=0.0))
    truth = tent.truth()

    def total() -> float:
        pot_ml = tent.params.pot_l * 1_000.0
        return (
            truth.reservoir_ml
            + (truth.theta_1 + truth.theta_2) * pot_ml
            + truth.tray_ml
            + truth.floor_ml
            + truth.transpired_ml
        )

    start = total()
    for _ in range(20):
        tent.advance(15.0, LAMP_ON | PUMPING, ROOM)
        tent.advance(1_785.0, LAMP_ON, ROOM)
    assert total() == pytest.approx(start, abs=0.5)


def test_a_dry_plant_takes_less_and_wilts() -> None:
    dry, wet = TentPhysics(TentParams(theta_0=0.11)), TentPhysics()
    for tent in (dry, wet):
        tent.advance(4 * 3_600.0, LAMP_ON, ROOM)
    assert dry.truth().transpired_ml < 0.5 * wet.truth().transpired_ml
    assert dry.truth().leaf_c > wet.truth().leaf_c
    assert dry.truth().stress < 0.3 and wet.truth().stress == 1.0


def test_heater_warms_the_soil_by_its_power() -> None:
    tent = TentPhysics()
    tent.advance(4 * 3_600.0, HEATING, ROOM)
    assert 4.0 < tent.truth().soil_c - ROOM.temp_c < 12.0


def test_a_season_grows_and_ripens() -> None:
    """Forty days of good care: leaves up to the picking limit, some kilograms of fruit, nothing explodes."""
    tent = TentPhysics()
    truth = tent.truth()
    for hour_of_run in range(40 * 24):
        hour = hour_of_run % 24
        tent.advance(3_600.0, STIRRING | (LAMP_ON | VENTING if hour < 16 else 0), ROOM)
        if truth.theta_1 < 0.38:
            tent.advance(20.0, STIRRING | PUMPING, ROOM)
        truth.reservoir_ml = 20_000.0
        truth.tray_ml = 0.0
    fresh_kg = (tent.plant.harvested_g + tent.plant.fruit_g) / 0.06 / 1_000.0
    assert 2.0 <= tent.plant.lai <= tent.params.lai_max + 1e-6
    assert 0.5 < fresh_kg < 12.0
    assert 10 <= tent.plant.fruit_count <= 150


def test_step_length_hardly_matters() -> None:
    coarse, fine = TentPhysics(), TentPhysics()
    for _ in range(360):
        coarse.advance(10.0, LAMP_ON | VENTING, ROOM)
        for _ in range(10):
            fine.advance(1.0, LAMP_ON | VENTING, ROOM)
    assert coarse.truth().air_c == pytest.approx(fine.truth().air_c, abs=0.05)
    assert coarse.truth().rh_pct == pytest.approx(fine.truth().rh_pct, abs=0.7)
    assert coarse.truth().transpired_ml == pytest.approx(fine.truth().transpired_ml, rel=0.02)


def test_same_seed_same_tent_and_other_seed_another() -> None:
    assert TentParams.sample(5) == TentParams.sample(5) != TentParams.sample(6)
    a, b = TentPhysics(seed=3), TentPhysics(seed=3)
    a.advance(600.0, LAMP_ON, ROOM)
    b.advance(600.0, LAMP_ON, ROOM)
    assert a.truth() == b.truth()


def test_a_day_of_physics_costs_well_under_a_second() -> None:
    tent = TentPhysics()
    begun = time.process_time()
    tent.advance(86_400.0, LAMP_ON | VENTING, ROOM)
    assert time.process_time() - begun < 1.0
    assert copy.copy(tent.truth()).air_c < 40.0
