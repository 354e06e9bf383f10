"""The tent without a line: a source of records, commanded as a board is, by the firmware's own rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tomato_host.sources.interface import Source
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.devices import OUTPUT_BY_NAME, OUTPUTS
from shared_schemas.records import ObservationV1

RESTED_S = 70.0
"""After its boot a board lets every output rest for its minimum pause."""


def rested(seed: int = 1, params: TentParams | None = None, scenario: str | None = None) -> SimulatedTent:
    tent = SimulatedTent(seed, params, scenario)
    tent.advance(RESTED_S)
    return tent


def said(tent: SimulatedTent, output: str, amount: int) -> tuple[str, str]:
    """The board's first word on a pulse."""
    tent.take_results()
    command = tent.pulse(output, amount)
    found = next(result for result in tent.take_results() if result.cmd_id == command)
    return found.status, found.reason


def test_it_is_a_source_of_valid_records() -> None:
    tent = SimulatedTent(1)
    assert isinstance(tent, Source)
    observation = tent.next_observation()
    assert observation is not None
    assert ObservationV1.from_json(observation.to_json()) == observation
    assert tent.device_status().outputs.light == "OFF" and tent.device_status().board_state == "LEASED"
    assert len(observation.soil) == 2 and not observation.missing


@pytest.mark.parametrize("scenario", ["calm", "sensor_dropout", "probe_disconnect", "leak"])
def test_unvalidated_observations_are_what_validation_would_make_of_them(scenario: str) -> None:
    tent = SimulatedTent(3, None, None if scenario == "calm" else scenario, period_s=600.0)
    for _ in range(72):
        observation = tent.next_observation()
        assert observation is not None
        validated = ObservationV1.from_json(observation.to_json())
        assert validated == observation and validated.to_json() == observation.to_json()


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda o: o.name)
def test_no_request_outlasts_the_table(output: object) -> None:
    row = OUTPUT_BY_NAME[output.name]  # type: ignore[attr-defined]
    tent = rested()
    most = row.max_dose
    assert said(tent, row.name, most + 1) == ("REJECTED", "bad_amount")
    assert said(tent, row.name, most)[0] == "ACCEPTED"
    tent.advance(row.max_on_ms / 1_000 + 1)
    assert tent.world.outputs == 0
    assert tent.world.safety.pump_longest_ms <= row.max_on_ms


def test_budgets_pauses_and_groups_are_the_firmware_s() -> None:
    tent = rested()
    reasons = []
    for _ in range(40):
        reasons.append(said(tent, "water_pump", 250)[1])
        tent.advance(90.0)
    assert set(reasons) == {"none", "hour_budget"}
    assert tent.world.tent.truth().pumped_ml == 500.0, "a third dose of 250 ml would pass the hour's 600"
    assert said(tent, "water_pump", 100) == ("ACCEPTED", "none")
    assert said(tent, "co2_solenoid", 10_000)[0] == "ACCEPTED"
    assert said(tent, "exhaust_fan", 60_000) == ("REJECTED", "group_excluded")
    tent.advance(15.0)
    assert said(tent, "co2_solenoid", 10_000) == ("REJECTED", "min_pause")
    tent.observe()
    assert tent.device_status().co2_seconds_used_today == pytest.approx(10.0)


def test_a_lamp_is_renewed_a_pump_is_not() -> None:
    tent = rested()
    assert said(tent, "light", 600_000)[0] == "ACCEPTED"
    tent.advance(300.0)
    assert said(tent, "light", 600_000)[0] == "ACCEPTED"
    tent.advance(500.0)
    assert tent.world.outputs == 1
    said(tent, "water_pump", 250)
    assert said(tent, "water_pump", 50) == ("REJECTED", "busy")


def test_water_raises_what_the_probes_see() -> None:
    tent = rested(1, TentParams(theta_0=0.30))
    before = tent.observe().soil
    tent.pulse("water_pump", 250)
    tent.advance(120.0)
    after = tent.observe().soil
    rise = [a.moisture_pct - b.moisture_pct for a, b in zip(after, before, strict=True)]  # type: ignore[operator]
    assert all(0.7 < r < 3.0 for r in rise)
    assert tent.device_status().water_ml_used_today == pytest.approx(250.0, abs=8.0), "by the flow meter, which errs"


def test_a_cut_line_is_silence_and_drops_what_was_commanded() -> None:
    tent = SimulatedTent(1, scenario="link_cut@0.1+0.15")
    tent.advance(300.0)
    assert said(tent, "light", 900_000)[0] == "ACCEPTED"
    before = tent.now_ms
    tent.advance(70.0)
    assert tent.world.outputs == 0, "the lease has lapsed"
    assert said(tent, "light", 60_000) == ("REJECTED", "no_answer")
    observation = tent.next_observation()
    assert observation is not None and tent.now_ms - before >= 500_000


def test_a_long_silence_is_survived_by_the_stored_programme() -> None:
    tent = SimulatedTent(1, scenario="link_cut@0.1+0.5")
    tent.advance(0.1 * 3_600 + 660.0)
    assert tent.board.health().state == "SURVIVAL" and tent.world.outputs & 1, "it gives light by itself"
    assert tent.next_observation() is not None
    tent.advance(3.0)
    assert tent.board.health().state == "LEASED"


def test_sensor_dropout_says_no_value_because() -> None:
    tent = SimulatedTent(1, scenario="sensor_dropout@0+1")
    tent.advance(RESTED_S)
    observation = tent.next_observation()
    assert observation is not None and observation.air_temp_c is None
    assert observation.missing == {"air_temp_c": "timeout", "rh_pct": "timeout"}, "as a real board's would read"
    assert said(tent, "humidifier", 30_000) == ("REJECTED", "rh_stale")


def test_a_clogged_pump_is_tried_twice_more_then_latched_until_a_person_came() -> None:
    tent = rested(scenario="pump_clog@0+1.5")
    for pause_min in (6.0, 31.0, None):
        assert said(tent, "water_pump", 250)[0] == "ACCEPTED"
        tent.advance(30.0)
        ended = tent.take_results()[-1]
        assert (ended.status, ended.reason) == ("ABORTED", "no_flow")
        # Three seconds without a pulse of the meter end a try; a drop through the clog begins them once more.
        assert tent.world.safety.pump_longest_ms <= (3_100 if pause_min == 6.0 else 6_100)
        assert tent.world.safety.pump_ml < 10.0
        tent.observe()
        assert [f.name for f in tent.device_status().faults] == ([] if pause_min else ["no_flow"])
        tent.advance(60.0 * (pause_min or 1.0))
    assert said(tent, "water_pump", 50) == ("REJECTED", "fault_latched")
    assert not tent.take_acknowledgement()
    tent.advance(3.0 * 3_600)
    assert tent.take_acknowledgement() and not tent.take_acknowledgement()
    tent.observe()
    assert tent.device_status().faults == () and said(tent, "water_pump", 50)[0] == "ACCEPTED"


def test_reset_in_a_pulse_ends_it_and_counts_the_boot() -> None:
    tent = rested(scenario="board_reset@0+1")
    command = tent.pulse("water_pump", 250)
    tent.advance(30.0)
    assert tent.world.outputs == 0
    assert (command, "ABORTED", "reset") in [(r.cmd_id, r.status, r.reason) for r in tent.take_results()]
    tent.observe()
    assert tent.device_status().boot_id == 2


def test_a_dose_that_was_done_before_a_reset_counts_as_done() -> None:
    tent = rested()
    command = tent.pulse("water_pump", 50)
    tent.board.run_to(tent.now_ms + 10_000)
    tent.board.power_cycle()
    tent.advance(30.0)
    words = [(r.status, r.reason) for r in tent.take_results() if r.cmd_id == command]
    assert words == [("ACCEPTED", "none"), ("DONE", "none")]


def test_a_reset_never_makes_a_budget_fresh() -> None:
    tent = rested()
    assert said(tent, "water_pump", 250)[0] == "ACCEPTED"
    tent.advance(120.0)
    tent.board.power_cycle()
    tent.advance(120.0)
    assert tent.board.health().hour_used[5] >= 250


def test_same_seed_same_bytes() -> None:
    def told(seed: int) -> list[str]:
        tent = SimulatedTent(seed, TentParams.sample(seed), "heatwave@0")
        lines = []
        for i in range(200):
            if i % 50 == 0:
                tent.pulse("light", 300_000)
            observation = tent.next_observation()
            assert observation is not None
            lines.append(observation.to_json() + tent.device_status().to_json())
        return lines

    assert told(3) == told(3) != told(4)


def test_a_day_can_be_observed_every_ten_seconds() -> None:
    """As a real board is; a campaign looks once a minute. What such a day costs, `make bench` measures."""
    tent = SimulatedTent(1)
    before = tent.now
    for _ in range(8_640):
        observation = tent.next_observation()
        assert observation is not None and tent.device_status().mcu_connected
        assert observation.ts - before == timedelta(seconds=10)
        before = observation.ts
    assert tent.now_ms == 86_400_000
