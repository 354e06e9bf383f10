"""Scenarios, targets, attention and budgets: what the weather changes, what it may not, and that both are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tomato_host.brain.world_model.weather_adapter import LIMITS, AdapterContext, adapt

from shared_schemas.records import parse_record
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1, WeatherHour
from shared_schemas.records.state_v1 import StateV1
from shared_schemas.records.targets_v1 import TargetRange, TargetSet
from tests.world_model.test_model import _state

ZONE = ZoneInfo("Europe/Vienna")
NOW = datetime(2026, 7, 15, 0, 10, tzinfo=ZONE)


def _targets(water: float = 2_000.0) -> TargetSet:
    return TargetSet(
        vpd_day_kpa=TargetRange(low=0.8, high=1.3),
        vpd_night_kpa=TargetRange(low=0.4, high=0.9),
        air_temp_day_c=TargetRange(low=20.0, high=27.0),
        air_temp_night_c=TargetRange(low=16.0, high=20.0),
        soil_moisture_pct=TargetRange(low=26.0, high=42.0),
        co2_day_ppm=TargetRange(low=400.0, high=800.0),
        photoperiod_h=16.0,
        lights_on_hour=6.0,
        water_ml_budget=water,
        co2_seconds_budget=600.0,
    )


def _weather(
    temp: float = 16.0,
    rh: float = 65.0,
    gust: float = 6.0,
    episode: dict[str, float] | None = None,
    first: int = 12,
    last: int = 18,
) -> Forecast36hV1:
    hours = []
    for h in range(36):
        inside = episode is not None and first <= h <= last
        values = {"ext_temp_c": temp, "ext_rh_pct": rh, "ext_gust_mps": gust} | (episode or {} if inside else {})
        hours.append(
            WeatherHour(
                ts=NOW.replace(minute=0) + timedelta(hours=h), ext_wind_mps=3.0, ext_cloud_cover_pct=40.0, **values
            )
        )
    return Forecast36hV1(
        schema_version="forecast_36h_v1",
        ts=NOW,
        provider="p",
        model="m",
        run_ts=NOW,
        fetched_ts=NOW,
        freq_minutes=60,
        hours=tuple(hours),
    )


def _context(**changes: Any) -> AdapterContext:
    given: dict[str, Any] = {"now": NOW, "base": _targets(), "growth_stage": "flowering", **changes}
    return AdapterContext(**given)


def _now_state(soil: float = 32.0, trust: float = 0.9) -> StateV1:
    return _state(NOW, 1.0, soil, trust)


EPISODES = {
    "heatwave": {"ext_temp_c": 35.2, "ext_rh_pct": 40.0},
    "dry_inflow": {"ext_rh_pct": 25.0},
    "wind_spike": {"ext_gust_mps": 24.0},
    "cold_spell": {"ext_temp_c": -6.0},
}


@pytest.mark.parametrize("scenario", EPISODES)
def test_each_scenario_is_seen_and_told(scenario: str) -> None:
    adapted = adapt(_weather(episode=EPISODES[scenario]), _now_state(), _context())
    assert scenario in adapted.targets.scenarios
    assert adapted.targets.base == _targets()
    assert adapted.targets.adapted != _targets()
    assert any(change.scenario == scenario for change in adapted.log.changes)
    window = next(o for o in adapted.sampling.overrides if o.reason.startswith(scenario))
    assert window.start == NOW.replace(minute=0) + timedelta(hours=11)
    assert window.period_s < adapted.sampling.base_period_s
    for record in (adapted.targets, adapted.sampling, adapted.log):
        assert parse_record(record.to_json()) == record


def test_quiet_weather_changes_nothing_and_says_so() -> None:
    adapted = adapt(_weather(), _now_state(), _context())
    assert adapted.targets.adapted == adapted.targets.base
    assert (adapted.targets.scenarios, adapted.log.changes, adapted.sampling.overrides) == ((), (), ())
    assert "Quiet weather" in adapted.log.text


def test_no_forecast_and_safe_mode_keep_the_base() -> None:
    none = adapt(None, _now_state(), _context())
    assert none.targets.adapted == _targets() and "No weather forecast" in none.log.text
    safe = adapt(_weather(episode=EPISODES["heatwave"]), _now_state(), _context(mode="SAFE"))
    assert safe.targets.adapted == _targets() and "SAFE" in safe.log.text
    assert safe.targets.scenarios == ("heatwave",) and safe.sampling.overrides


def test_a_budget_beyond_the_board_is_clipped_and_explained() -> None:
    adapted = adapt(_weather(episode=EPISODES["heatwave"]), _now_state(), _context(base=_targets(2_300.0)))
    assert adapted.targets.adapted.water_ml_budget == LIMITS["water_ml_budget"].high == 2_400.0
    clip = next(c for c in adapted.log.clips if c.field == "water_ml_budget")
    assert (clip.wanted, clip.applied) == (pytest.approx(2_760.0), 2_400.0)
    assert "2500 ml" in clip.limit


@pytest.mark.parametrize(("soil", "trust", "word"), [(48.0, 0.9, "wet already"), (30.0, 0.3, "trusted")])
def test_more_water_needs_a_dry_pot_and_a_trusted_state(soil: float, trust: float, word: str) -> None:
    adapted = adapt(_weather(episode=EPISODES["heatwave"]), _now_state(soil, trust), _context())
    assert adapted.targets.adapted.water_ml_budget == 2_000.0
    assert any(word in clip.limit for clip in adapted.log.clips)


def test_all_scenarios_together_leave_usable_bands() -> None:
    everything = {"ext_temp_c": 36.0, "ext_rh_pct": 10.0, "ext_gust_mps": 30.0}
    tight = _targets().model_copy(
        update={"vpd_day_kpa": TargetRange(low=0.8, high=1.15), "soil_moisture_pct": TargetRange(low=33.0, high=38.0)}
    )
    adapted = adapt(_weather(episode=everything), _now_state(), _context(base=tight)).targets.adapted
    assert adapted.vpd_day_kpa.high - adapted.vpd_day_kpa.low >= 0.3 - 1e-9
    assert adapted.soil_moisture_pct.high - adapted.soil_moisture_pct.low >= 4.0 - 1e-9
    assert adapted.water_ml_budget <= 2_400.0


def test_base_bands_narrower_than_the_floor_are_not_widened_by_an_episode() -> None:
    tight = _targets().model_copy(update={"vpd_day_kpa": TargetRange(low=1.0, high=1.2)})
    adapted = adapt(_weather(episode=EPISODES["heatwave"]), _now_state(), _context(base=tight))
    assert adapted.targets.adapted.vpd_day_kpa.high == 1.2
    assert any(clip.field == "vpd_day_kpa.high" for clip in adapted.log.clips)
