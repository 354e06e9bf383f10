"""Scenarios: written by name and time, checked with clear errors, applied and taken back in the world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.sources.scenarios import FAULTS, HOUR_MS, Occurrence, Scenario
from tomato_host.twin.fault_effects import EFFECTS
from tomato_host.twin.physics import LAMP_ON, PUMPING
from tomato_host.twin.world import World

ISSUE_NAMES = [
    "heatwave",
    "dry_inflow",
    "wind_spike",
    "cold_spell",
    "sensor_dropout",
    "pump_clog",
    "valve_stuck",
    "leak",
    "uneven_drippers",
    "probe_drift",
    "probe_disconnect",
    "probe_stuck",
    "probe_jump",
    "link_noise",
    "link_cut",
    "board_reset",
    "host_kill",
    "brownout",
    "reservoir_empty",
]


def test_every_named_fault_exists_and_no_other() -> None:
    assert sorted(FAULTS) == sorted(ISSUE_NAMES) == sorted(EFFECTS)
    assert all(f.for_h > 0 and f.meaning for f in FAULTS.values())


def test_names_times_and_lengths_are_read() -> None:
    scenario = Scenario.parse("heatwave, leak@5, link_cut@6.5+0.25")
    assert scenario.occurrences == (
        Occurrence("heatwave", 6.0, 30.0),
        Occurrence("leak", 5.0, 6.0),
        Occurrence("link_cut", 6.5, 0.25),
    )
    assert scenario.name == "heatwave,leak,link_cut"
    assert Scenario.parse("") == Scenario.parse(None) == Scenario.parse("calm") == Scenario()


def test_a_file_holds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "bad_day.toml"
    path.write_text('[[fault]]\nname = "leak"\nat_h = 2\n\n[[fault]]\nname = "heatwave"\nstrength = 0.5\n')
    assert Scenario.parse(str(path)).occurrences == (
        Occurrence("leak", 2.0, 6.0),
        Occurrence("heatwave", 6.0, 30.0, 0.5),
    )


@pytest.mark.parametrize("text", ["hailstorm", "leak@noon", "leak@5+long", "leak@-1", "leak@1e9", "none.toml"])
def test_bad_text_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(TomatoError) as caught:
        Scenario.parse(text)
    assert caught.value.code == "E-TWIN-SCENARIO"
    assert "heatwave" in caught.value.next_step and "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "fault = 3",
        "[[fault]]\nname = 'leak'\nwhen = 3",
        "[[fault]]\nname = 'x'",
        "[[fault]]\nname = 'leak'\nstrength = 2.0",
        "[[fault]]\nname = 'leak'\nat_h = 'now'",
        "[[fault",
        "[[fault]]\nname = 'leak'\nat_h = true",
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, body: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(body)
    with pytest.raises(TomatoError) as caught:
        Scenario.parse(str(path))
    assert caught.value.code == "E-TWIN-SCENARIO"


def _warmer(world: World) -> float:
    return world.surroundings.at(world.now_ms / 1_000).temp_c


def _vapour(world: World) -> float:
    return world.surroundings.at(world.now_ms / 1_000).vapour_g_m3


def _draught(world: World) -> float:
    return world.surroundings.at(world.now_ms / 1_000).leak_factor


SHOWN_BY: dict[str, Callable[[World], float]] = {
    "heatwave": _warmer,
    "cold_spell": _warmer,
    "dry_inflow": _vapour,
    "wind_spike": _draught,
    "sensor_dropout": lambda w: w.sensors.faults.absent,
    "pump_clog": lambda w: w.tent.water_rate_ml_s(PUMPING),
    "valve_stuck": lambda w: w.tent.water_rate_ml_s(0),
    "leak": lambda w: w.tent.spill_factor,
    "probe_drift": lambda w: w.probe_drift_pct_h,
    "probe_disconnect": lambda w: w.sensors.faults.probe_unplugged[0],
    "probe_stuck": lambda w: w.sensors.faults.probe_stuck_raw[0] is not None,
    "probe_jump": lambda w: w.sensors.faults.probe_drift_pct[0],
    "link_noise": lambda w: w.serial_link.noise,
    "link_cut": lambda w: w.serial_link.cut,
    "host_kill": lambda w: w.serial_link.host_dead,
    "board_reset": lambda w: w.power.reset_on_pump,
    "reservoir_empty": lambda w: not w.reservoir_ok,
}


@pytest.mark.parametrize("name", sorted(SHOWN_BY))
def test_a_fault_comes_at_its_hour_and_is_taken_back(name: str) -> None:
    calm, world = World(1), World(1, scenario=Scenario((Occurrence(name, 1.0, 1.0),)))
    effect = SHOWN_BY[name]
    for moment, same in ((0.99, True), (1.01, False), (1.99, False), (2.01, True)):
        for each in (calm, world):
            each.advance_to(round(moment * HOUR_MS))
        assert (abs(effect(world) - effect(calm)) < 1e-9) is same, f"{name} at {moment} h"


def test_drippers_are_uneven_until_a_person_gives_each_pot_what_it_uses() -> None:
    world = World(1, scenario=Scenario((Occurrence("uneven_drippers", 1.0, 1.0, 0.2),)))
    shares = []
    for hour in (0.5, 1.5, 2.5):
        world.advance_to(round(hour * HOUR_MS))
        shares.append(world.tent.drip_share_1)
    own = world.tent.params
    assert shares == pytest.approx([own.drip_share_1, own.drip_share_1 + 0.02, own.root_share_1])


def test_brownout_asks_for_a_power_cycle_once() -> None:
    world = World(1, scenario=Scenario.parse("brownout@1+1"))
    world.advance_to(2 * HOUR_MS + 1_000)
    assert world.power.brownout
    world.power.brownout = False
    world.advance_to(4 * HOUR_MS)
    assert not world.power.brownout


def test_overlapping_faults_compose_and_end_apart() -> None:
    world = World(1, scenario=Scenario.parse("heatwave@1+2,cold_spell@2+2"))
    shifts = []
    for hour in (1.5, 2.5, 3.5, 4.5):
        world.advance_to(round(hour * HOUR_MS))
        shifts.append(world.surroundings.warmer_k)
    assert shifts == [9.0, 0.0, -9.0, 0.0]


def test_asking_more_often_changes_nothing() -> None:
    """The same grid is stepped however finely the world is asked, so skipped ticks cannot change the physics."""
    often, seldom = World(2), World(2)
    for world in (often, seldom):
        world.set_output(0, True, 0)
    for moment in range(0, 600_000, 50):
        often.advance_grid(moment)
    seldom.advance_grid(600_000)
    often.advance_grid(600_000)
    assert often.tent.truth() == seldom.tent.truth()
    assert often.outputs == LAMP_ON


def test_the_safety_record_notices_broken_promises() -> None:
    world = World(1)
    world.set_output(5, True, 0)
    world.set_output(5, False, 40_000)
    world.tent.truth().co2_ppm = 3_000.0
    world.set_output(6, True, 40_000)
    world.advance_to(41_000)
    world.set_output(6, False, 41_000)
    world.tent.truth().soil_c = 35.0
    world.set_output(4, True, 41_000)
    world.advance_to(60_000)
    assert len(world.safety.broken()) == 3
    assert World(1).safety.broken() == []
