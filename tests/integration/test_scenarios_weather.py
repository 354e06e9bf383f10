"""Adversities from outside, end to end: heat, cold, dry air, draught. They change physics; the brain answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tomato_host.twin.params import TentParams

from shared_schemas.devices import LIMITS
from tests.integration.scenario_run import Story, run_scenario
from tests.integration.test_scenarios_faults import assert_plant_safe

JANUARY = datetime(2026, 1, 20, 5, 0, tzinfo=UTC)


def mean_air(story: Story, from_h: float, to_h: float) -> float:
    values = [o.air_temp_c for o in story.observations(from_h, to_h) if o.air_temp_c is not None]
    return sum(values) / len(values)


def mean_rh(story: Story, from_h: float, to_h: float) -> float:
    values = [o.rh_pct for o in story.observations(from_h, to_h) if o.rh_pct is not None]
    return sum(values) / len(values)


def told_of(story: Story, kinds: set[str], from_h: float, to_h: float) -> bool:
    """Whether an anomaly of one of these kinds was recorded and told to listeners."""
    return any(a in story.reported for kind in kinds for a in story.anomalies(kind, from_h, to_h))


def test_heatwave_is_vented_and_passes(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "heatwave@0.5+2", 4.5)
    before, during, after = mean_air(story, 0.1, 0.5), mean_air(story, 1.0, 2.5), mean_air(story, 4.0, 4.5)
    assert during > before + 4.0 and abs(after - before) < 1.5
    assert told_of(story, {"AIR_TEMP_HIGH", "VPD_HIGH", "RAPID_CHANGE"}, 0.5, 2.5)
    assert story.on_share("exhaust_fan", 1.0, 2.5) > story.on_share("exhaust_fan", 0.1, 0.5) + 0.2
    assert during < LIMITS["over_temp_on_c"] and story.mode(4.4) == "NORMAL"
    assert_plant_safe(story)


def test_cold_spell_closes_the_tent_and_passes(tmp_path: Path) -> None:
    story = run_scenario(tmp_path, "cold_spell@0.3+2.5", 5.0)
    before, during, after = mean_air(story, 0.1, 0.3), mean_air(story, 1.5, 2.8), mean_air(story, 4.0, 5.0)
    assert during < before - 4.0 and abs(after - before) < 1.5
    assert told_of(story, {"CONDENSATION", "RH_HIGH", "VPD_LOW", "AIR_TEMP_LOW"}, 0.3, 2.8)
    assert story.on_share("exhaust_fan", 1.5, 2.8) < story.on_share("exhaust_fan", 4.0, 5.0)
    assert story.world.safety.heater_on_above_c <= LIMITS["soil_temp_cutoff_c"] + 1.0
    assert story.mode(4.9) == "NORMAL"
    assert_plant_safe(story)


def test_dry_inflow_is_humidified_and_passes(tmp_path: Path) -> None:
    """In January, with young plants that give little vapour, the room is dry already; then it gets worse."""
    young = TentParams(lai_0=0.5)
    calm = run_scenario(tmp_path / "calm", "", 2.1, start=JANUARY, params=young)
    story = run_scenario(tmp_path / "dry", "dry_inflow@0.3+1.7", 3.5, start=JANUARY, params=young)
    assert story.on_share("humidifier", 0.5, 2.0) > calm.on_share("humidifier", 0.5, 2.0) + 0.02
    assert [a for a in story.actions("SET_HUMIDIFIER", 0.3, 2.2) if a.params.state == "ON" and a.safety.validated]
    assert mean_rh(calm, 1.0, 2.0) - 12.0 < mean_rh(story, 1.0, 2.0) < mean_rh(calm, 1.0, 2.0) + 1.0
    assert story.on_share("humidifier", 2.7, 3.5) < story.on_share("humidifier", 1.0, 2.0)
    assert_plant_safe(story)


def test_wind_spike_dries_the_tent_and_passes(tmp_path: Path) -> None:
    calm = run_scenario(tmp_path / "calm", "", 1.5)
    story = run_scenario(tmp_path / "wind", "wind_spike@0.5+0.7", 2.6)
    assert mean_rh(story, 0.7, 1.2) < mean_rh(calm, 0.7, 1.2) - 5.0, "the draught dries the tent"
    assert story.on_share("exhaust_fan", 0.6, 1.2) <= calm.on_share("exhaust_fan", 0.6, 1.2) + 0.02
    assert mean_rh(story, 2.0, 2.6) > mean_rh(story, 0.7, 1.2) + 3.0
    assert story.mode(2.5) == "NORMAL"
    assert_plant_safe(story)
