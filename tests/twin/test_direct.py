"""The brain's shortcut: the same tent without a line, bounded by the table of devices."""

from __future__ import annotations

import time

import pytest
from tomato_host.sources.interface import Source
from tomato_host.twin.direct import DirectTwin
from tomato_host.twin.params import TentParams

from shared_schemas.devices import OUTPUT_BY_NAME, OUTPUTS
from shared_schemas.records import ObservationV1


def test_it_is_a_source_of_valid_records() -> None:
    twin = DirectTwin(1)
    assert isinstance(twin, Source)
    observation = twin.next_observation()
    assert observation is not None
    assert ObservationV1.from_json(observation.to_json()) == observation
    assert twin.device_status().outputs.light == "OFF"
    assert len(observation.soil) == 2 and not observation.missing


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: o.name)
def test_no_request_outlasts_the_table(output: object) -> None:
    row = OUTPUT_BY_NAME[output.name]  # type: ignore[attr-defined]
    twin = DirectTwin(1)
    twin.apply(row.name, 1e9)
    twin.advance(row.max_on_ms / 1_000 + 1)
    assert twin.world.outputs == 0
    assert twin.world.safety.pump_longest_ms <= row.max_on_ms


def test_budgets_pauses_and_groups_are_kept() -> None:
    twin = DirectTwin(1)
    granted = 0.0
    for _ in range(40):
        granted += twin.apply("water_pump", 250.0).granted
        twin.advance(90.0)
    assert granted == pytest.approx(600.0), "one hour's budget of the pump"
    assert twin.apply("co2_solenoid", 10.0).granted == 10.0
    assert twin.apply("exhaust_fan", 60.0).reason == "group_excluded"
    twin.advance(15.0)
    assert twin.apply("co2_solenoid", 10.0).reason == "min_pause"
    assert twin.device_status().co2_seconds_used_today == pytest.approx(10.0)


def test_a_lamp_is_renewed_a_pump_is_not() -> None:
    twin = DirectTwin(1)
    twin.apply("light", 600.0)
    twin.advance(300.0)
    assert twin.apply("light", 600.0).granted == 600.0
    twin.advance(500.0)
    assert twin.world.outputs == 1
    twin.apply("water_pump", 250.0)
    assert twin.apply("water_pump", 50.0).reason == "busy"


def test_water_raises_what_the_probes_see() -> None:
    twin = DirectTwin(1, TentParams(theta_0=0.30))
    before = twin.observe().soil
    twin.apply("water_pump", 250.0)
    twin.advance(120.0)
    after = twin.observe().soil
    rise = [a.moisture_pct - b.moisture_pct for a, b in zip(after, before, strict=True)]  # type: ignore[operator]
    assert all(0.7 < r < 3.0 for r in rise)
    assert twin.device_status().water_ml_used_today == pytest.approx(250.0, abs=1.0)


def test_a_cut_cable_is_silence_and_drops_what_was_commanded() -> None:
    twin = DirectTwin(1, scenario="link_cut@0.1+0.5")
    twin.advance(300.0)
    twin.apply("light", 900.0)
    before = twin.now_ms
    twin.advance(70.0)
    assert twin.world.outputs == 0, "the lease has lapsed"
    assert twin.apply("light", 60.0).reason == "no_link"
    observation = twin.next_observation()
    assert observation is not None and twin.now_ms - before >= 1_700_000


def test_sensor_dropout_says_no_value_because() -> None:
    twin = DirectTwin(1, scenario="sensor_dropout@0+1")
    observation = twin.next_observation()
    assert observation is not None and observation.air_temp_c is None
    assert observation.missing == {"air_temp_c": "nack", "rh_pct": "nack"}
    assert twin.apply("humidifier", 30.0).reason == "rh_fresh"


def test_a_clogged_pump_is_stopped_and_latched_until_a_person_came() -> None:
    twin = DirectTwin(1, scenario="pump_clog@0+1")
    twin.advance(1.0)
    assert twin.apply("water_pump", 250.0).granted > 0
    twin.advance(30.0)
    assert twin.ended[-1].reason == "no_flow" and twin.world.safety.pump_longest_ms <= 3_000
    assert [f.name for f in twin.device_status().faults] == ["no_flow"]
    assert twin.apply("water_pump", 50.0).granted == 0.0
    assert not twin.take_acknowledgement()
    twin.advance(2.5 * 3_600)
    assert twin.take_acknowledgement() and not twin.take_acknowledgement()
    assert twin.device_status().faults == () and twin.apply("water_pump", 50.0).granted == 50.0


def test_a_stuck_valve_is_latched() -> None:
    twin = DirectTwin(1, scenario="valve_stuck@0.1+0.1")
    twin.advance(500.0)
    assert [f.name for f in twin.device_status().faults] == ["stuck_valve"]


def test_reset_in_a_pulse_ends_it_and_counts_the_boot() -> None:
    twin = DirectTwin(1, scenario="board_reset@0+1")
    twin.advance(1.0)
    twin.apply("water_pump", 250.0)
    twin.advance(30.0)
    assert twin.world.outputs == 0
    assert twin.device_status().boot_id == 2


def test_same_seed_same_bytes() -> None:
    def told(seed: int) -> list[str]:
        twin = DirectTwin(seed, TentParams.sample(seed), "heatwave@0")
        lines = []
        for i in range(200):
            if i % 50 == 0:
                twin.apply("light", 300.0)
            observation = twin.next_observation()
            assert observation is not None
            lines.append(observation.to_json() + twin.device_status().to_json())
        return lines

    assert told(3) == told(3) != told(4)


def test_a_day_costs_at_most_two_seconds() -> None:
    twin = DirectTwin(1)
    begun = time.process_time()
    for _ in range(8_640):
        assert twin.next_observation() is not None
        twin.device_status()
    assert time.process_time() - begun < 2.0
