"""Every hardware, link and power fault, end to end: the way in, the record of it, the way back, the plant unharmed."""

from __future__ import annotations

from pathlib import Path

from tomato_host.twin.world import World

from shared_schemas.devices import OUTPUT_BY_NAME
from tests.integration.scenario_run import Story, run_scenario

DRY = 0.22
"""Water content at which the controller waters at once."""


def dry(world: World) -> None:
    truth = world.tent.truth()
    truth.theta_1 = truth.theta_2 = DRY


def assert_plant_safe(story: Story) -> None:
    """The promises that hold in every scenario, measured on the truth."""
    safety, params = story.world.safety, story.world.tent.params
    assert safety.broken() == []
    assert safety.pump_longest_ms <= OUTPUT_BY_NAME["water_pump"].max_on_ms + 100
    assert safety.theta_after_pump < 0.93 * params.theta_saturation, "never above saturation by our doing"
    assert story.world.outputs == 0, "a stopped host leaves everything off"


def watered(story: Story, from_h: float, to_h: float = 1e4) -> float:
    """Millilitres the board confirmed for doses decided in these hours, finished or cut."""
    return sum(a.outcome.delivered_ml or 0.0 for a in story.actions("WATER", from_h, to_h) if a.outcome is not None)


def test_leak_stops_water_until_a_person_has_dried_it(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "leak@0+0.4", 2.2, prepare=dry, help_at=((0.5, lambda h: h.clear("leak")),))
    assert "leak" in story.faults(0.0, 0.4) and story.anomalies("LEAK", 0.0, 0.4)
    assert story.events("fault", 0.0, 0.4, "ALARM") and story.alarms(0.0, 0.4)
    assert story.mode(0.4) == "SAFE" and watered(story, 0.05, 0.5) == 0.0
    assert story.world.safety.spilled_ml <= 0.5 * OUTPUT_BY_NAME["water_pump"].max_dose
    assert "leak" not in story.faults(0.6), "cleared by button and name once dry"
    assert story.events("fault_cleared", 0.5, 0.6)
    assert story.mode(2.1) == "NORMAL" and watered(story, 0.6) > 50.0
    assert_plant_safe(story)


def test_clogged_pump_is_noticed_by_the_flow_meter(tmp_path: Path) -> None:
    """Two more tries, after five and after thirty minutes, then the latch and a person."""
    story = run_scenario(tmp_path, "pump_clog@0+1.9", 4.2, prepare=dry, help_at=((2.0, lambda h: h.clear("no_flow")),))
    aborted = [a for a in story.actions("WATER", 0.0, 1.9) if a.outcome and a.outcome.status == "ABORTED"]
    assert aborted and "no_flow" in aborted[0].outcome.reason  # type: ignore[union-attr]
    assert "no_flow" not in story.faults(0.0, 0.5), "air in the hose clears by itself: not yet"
    assert "no_flow" in story.faults(0.6, 1.9) and story.events("fault", 0.5, 1.9, "ALARM")
    assert story.world.safety.pump_longest_ms < 30_000
    assert "no_flow" not in story.faults(2.3)
    assert story.mode(4.1) == "NORMAL" and watered(story, 2.1) > 50.0
    assert_plant_safe(story)


def test_air_in_the_hose_clears_without_a_person(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "pump_clog@0+0.3", 2.2, prepare=dry)
    aborted = [a for a in story.actions("WATER", 0.0, 0.3) if a.outcome and a.outcome.status == "ABORTED"]
    assert aborted and "no_flow" in aborted[0].outcome.reason  # type: ignore[union-attr]
    assert "no_flow" not in story.faults() and story.mode(2.1) == "NORMAL"
    assert watered(story, 0.3) > 50.0
    assert_plant_safe(story)


def test_stuck_valve_is_noticed_with_the_pump_off(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "valve_stuck@0.2+0.05", 1.7, help_at=((0.5, lambda h: h.clear("stuck_valve")),))
    assert not story.faults(0.0, 0.19)
    assert "stuck_valve" in story.faults(0.2, 0.3) and story.events("fault", 0.2, 0.3, "ALARM")
    assert story.mode(0.45) == "SAFE" and watered(story, 0.2, 0.5) == 0.0
    assert "stuck_valve" not in story.faults(0.7)
    assert story.mode(1.6) == "NORMAL"
    assert_plant_safe(story)


def test_empty_reservoir_pauses_water_and_resumes_by_itself(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "reservoir_empty@0+0.6", 1.4, prepare=dry)
    assert story.anomalies("RESERVOIR_LOW", 0.0, 0.5)
    assert any(a.safety.refused_by for a in story.actions("WATER", 0.0, 0.6)), "the guardrails refuse, with a reason"
    assert watered(story, 0.0, 0.55) == 0.0
    assert all(o.reservoir_ok for o in story.observations(0.65))
    assert watered(story, 0.61) > 100.0
    assert_plant_safe(story)


def test_sensor_dropout_lowers_trust_and_it_returns(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "sensor_dropout@0.3+0.4", 1.6)
    lost = story.observations(0.35, 0.68)
    assert lost and all(o.air_temp_c is None and o.missing["rh_pct"] for o in lost)
    assert story.anomalies("SENSOR_DISCONNECT", 0.3, 0.4) and story.alarms(0.3, 0.5)
    gone, back = (
        story.events(name, since, until)
        for name, since, until in (("sensor_lost", 0.3, 0.4), ("sensor_back", 0.69, 0.75))
    )
    assert [e.data["a"] for e in gone] == [e.data["a"] for e in back] == [0, 1], "the board says so itself, once each"
    assert story.mode(0.5) in ("CAUTION", "SAFE")
    assert all(o.air_temp_c is not None for o in story.observations(0.75))
    assert story.mode(1.5) == "NORMAL"
    assert not [a for a in story.actions("SET_HUMIDIFIER", 0.4, 0.68) if a.safety.validated and a.params.state == "ON"]
    assert_plant_safe(story)


def test_drifting_probe_is_told_from_a_watering(tmp_path: Path) -> None:
    """Two points an hour upwards, while its neighbour dries: the estimator names the probe and why; moved back, it
    jumps. The other probe is not doubted."""
    story = run_scenario(tmp_path, "probe_drift@0.2+9", 9.5)
    found = [(a.subject, a.signals["fault"]) for a in story.anomalies("SENSOR_FAULT") if a.phase == "OPENED"]
    assert found == [("soil.P1", "REVERSED"), ("soil.P1", "JUMP")]
    named = story.anomalies("SENSOR_FAULT", 6.0, 9.15)
    assert [a.subject for a in named] == ["soil.P1"] and named[0] in story.reported
    assert "rises while no water comes" in (named[0].detail or "")
    drifted = [o.soil[0].moisture_pct - o.soil[1].moisture_pct for o in story.observations(9.0, 9.15)]  # type: ignore
    settled = [o.soil[0].moisture_pct - o.soil[1].moisture_pct for o in story.observations(9.3, 9.45)]  # type: ignore
    assert sum(drifted) / len(drifted) - sum(settled) / len(settled) > 5.0
    assert_plant_safe(story)


def test_noise_on_the_line_is_outlived(tmp_path: Path) -> None:
    """A tenth of all chunks spoilt for half an hour: retries, gaps in the records, never a wrong value."""
    story = run_scenario(tmp_path, "link_noise@0+0.5", 1.0, prepare=dry)
    assert story.events("noise", 0.0, 0.55) or story.events("link_down", 0.0, 0.55)
    assert watered(story, 0.0, 0.5) > 50.0, "commands are repeated under their own name until they are done"
    ordered = {a.id: a.params.ml or 0.0 for a in story.actions("WATER", 0.0, 1.0) if a.safety.validated}
    assert story.world.tent.truth().pumped_ml <= 1.02 * sum(ordered.values()), "a repeated command moves nothing twice"
    seqs = [o.board.seq for o in story.observations() if o.board]
    assert len(seqs) == len(set(seqs)), "no sample twice"
    assert len(set(seqs)) > 0.97 * (max(seqs) - min(seqs) + 1), "what was lost came again from the board's ring"
    assert not story.events("noise", 0.6)
    assert_plant_safe(story)


def test_cut_cable_hands_over_to_the_board_and_back(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "link_cut@0.3+0.3", 1.5)
    assert story.events("link_down", 0.3, 0.35, "WARNING") and story.alarms(0.3, 0.45)
    assert story.mode(0.5) == "SAFE"
    assert story.events("lease_lost"), "told afterwards by the board"
    assert [e for e in story.events("state") if "SURVIVAL" in e.text]
    assert story.events("link_up", 0.59, 0.65)
    assert story.devices(0.65)[-1].mcu_connected and story.mode(1.45) == "NORMAL"
    backlog = [o for o in story.observations(0.3, 0.6) if o.board and o.board.backlog]
    assert len(backlog) > 60, "what was measured meanwhile came later, out of the board's store"
    assert_plant_safe(story)


def test_dead_host_leaves_a_living_plant(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "host_kill@0.3+0.5", 1.6)
    assert [e for e in story.events("state") if "SURVIVAL" in e.text]
    assert story.devices(0.85)[-1].board_state == "LEASED"
    assert story.mode(1.58) == "NORMAL"
    assert story.resets == 0, "the board never restarts because its host is gone"
    assert_plant_safe(story)


def test_board_reset_in_a_pulse_ends_it_and_all_goes_on(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "board_reset@0+1", 2.0, prepare=dry)
    assert story.resets == 1 and story.anomalies("MCU_RESET", 0.0, 0.3)
    assert len(story.events("boot")) == 2, "one for power-on, one for the reset"
    cut = [a for a in story.actions("WATER", 0.0, 0.3) if a.outcome and a.outcome.status == "ABORTED"]
    assert cut, "the action says that it was not finished"
    assert story.world.safety.pump_longest_ms < 10_000
    assert story.devices(0.3)[-1].board_state == "LEASED" and story.mode(1.9) == "NORMAL"
    assert watered(story, 0.3) > 50.0
    assert_plant_safe(story)


def test_brownout_restarts_the_board_with_its_counters(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "brownout@0.4+0.1", 1.2, prepare=dry)
    assert story.resets == 1 and story.anomalies("MCU_RESET", 0.4, 0.6) and story.alarms(0.4, 0.5)
    before = story.devices(0.0, 0.39)[-1].water_ml_used_today
    assert before > 50.0
    assert story.devices(0.6)[-1].water_ml_used_today >= before - 1.0, "budgets survive a reset"
    assert story.devices(0.5)[-1].board_state == "LEASED"
    assert story.devices(0.5, 1.19)[-1].outputs.light == "ON", "the lamp is asked for again"
    assert story.devices(0.5)[-1].outputs.light == "OFF", "and the last word of a run is that all is off"
    assert_plant_safe(story)
