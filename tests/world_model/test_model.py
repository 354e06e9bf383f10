"""The world model as the brain uses it: records, honesty about what is not known, learning, rolling plans."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tomato_host.backtest.rolling import issue_all
from tomato_host.backtest.tables import BacktestCase
from tomato_host.brain.world_model.data import (
    HISTORY_H,
    HourlyLog,
    KnownAhead,
    ModelShape,
    Quantity,
    RolloutStart,
    tent_quantities,
)
from tomato_host.brain.world_model.features import PaddedLog
from tomato_host.brain.world_model.hourly_history import (
    HourlyHistory,
    hour_start,
    known_ahead,
    rollout_start,
    weather_ahead,
)
from tomato_host.brain.world_model.learners import EXPERTS
from tomato_host.brain.world_model.model import WorldModel

from shared_schemas.devices import PLAN_COLUMNS
from shared_schemas.records import Prediction36hV1, parse_record
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1, WeatherHour
from shared_schemas.records.plan_v1 import PlanStep
from shared_schemas.records.state_v1 import StateV1
from tests.control.states import devices
from tests.world_model.synthetic import START_HOUR, ahead_of, tent_log

ZONE = ZoneInfo("Europe/Vienna")
DAYS = 12


@pytest.fixture(scope="module")
def log() -> HourlyLog:
    return tent_log(DAYS)


@pytest.fixture(scope="module")
def taught(log: HourlyLog) -> WorldModel:
    model = WorldModel()
    for end in range(24, (DAYS - 2) * 24 + 1, 24):
        model.learn(log.until(end), ahead_of(log, end))
    return model


NOW_H = (DAYS - 2) * 24


def _now() -> datetime:
    return hour_start(START_HOUR + NOW_H).astimezone(ZONE)


def test_the_record_is_whole_ordered_and_reads_back(taught: WorldModel, log: HourlyLog) -> None:
    record = taught.predict(_now(), log.until(NOW_H), ahead_of(log, NOW_H), 10.0)
    assert parse_record(record.to_json()) == record
    assert len(record.hours) == 36
    assert record.hours[0].ts == _now() + timedelta(hours=1)
    assert record.weather_used and record.coefficients_hash == taught.fingerprint()
    for hour in record.hours:
        assert set(hour.soil_pct) == {"P1", "P2", "avg"}
        for band in (*hour.soil_pct.values(), hour.air_temp_c, hour.rh_pct, hour.vpd_kpa, hour.leaf_vpd_kpa):
            assert band is not None and band.p10 <= band.mean <= band.p90
        assert 0.0 <= hour.stress_risk <= 1.0


def test_same_input_same_output(taught: WorldModel, log: HourlyLog) -> None:
    one, two = (taught.predict(_now(), log.until(NOW_H), ahead_of(log, NOW_H)) for _ in range(2))
    assert one.to_json() == two.to_json()


def test_it_beats_yesterday_on_a_tent_it_has_come_to_know() -> None:
    days = tent_log(24, seed=3)
    case = BacktestCase("tent", days, tent_quantities(), ("water_ml", "light", "exhaust_fan"))
    _, issued = issue_all(case, (24,))
    late = np.arange(10 * 24, 23 * 24)
    for name, limit in (("soil.P1", 0.5), ("vpd_kpa", 0.6)):
        truth = days.values[name]
        ours = np.abs(issued[name][0, late - 24, 0] - truth[late]).mean()
        assert ours < limit * np.abs(truth[late - 24] - truth[late]).mean(), name


def _width(record: Prediction36hV1) -> float:
    return float(np.mean([h.vpd_kpa.p90 - h.vpd_kpa.p10 for h in record.hours if h.vpd_kpa]))


def test_the_water_of_a_day_is_what_was_given_lately(taught: WorldModel, log: HourlyLog) -> None:
    rng, hours = np.random.default_rng(5), log.hours

    def recommended(ml_by_day: np.ndarray) -> float | None:
        water = np.zeros(hours)
        water[8::24] = ml_by_day[: len(water[8::24])]
        known = HourlyLog(log.start_hour, log.utc_offset_h, {**log.values, "water_ml": water}).until(NOW_H)
        return taught.predict(_now(), known, ahead_of(log, NOW_H)).water_ml_recommended

    steady = 1_500.0 * rng.uniform(0.85, 1.15, hours // 24)
    assert recommended(steady) == pytest.approx(1_500.0, rel=0.2)
    day = np.arange(hours // 24)
    assert recommended(np.where(day >= NOW_H // 24 - 3, 2.0, 1.0) * steady) == pytest.approx(2_700.0, rel=0.2)
    seldom = np.where(day >= NOW_H // 24 - 2, steady, 0.0)
    assert recommended(seldom) != pytest.approx(1_500.0, rel=0.2), "two days are no habit: the pots decide"


def test_the_noise_of_one_day_does_not_enter_a_ridge_of_the_week() -> None:
    """Every day has a shift of its own that nothing foretells: a ridge on yesterday repeats half of it."""
    log, rng = tent_log(22), np.random.default_rng(7)
    shifted = log.values["vpd_kpa"] + np.repeat(rng.normal(0.0, 0.15, 22), 24)
    log = HourlyLog(log.start_hour, log.utc_offset_h, {**log.values, "vpd_kpa": np.maximum(shifted, 0.0)})
    model = WorldModel(ModelShape((Quantity("vpd_kpa", "vpd"),), horizons=(24,)))
    errors = []
    for end in range(24, log.hours, 24):
        known, origins = log.window(end - HISTORY_H, end), np.arange(end - 24, end)
        at = origins[origins + 24 < log.hours]
        experts = model.forecast(known, ahead_of(log, end), at - end + known.hours).experts["vpd_kpa"][:, :, 0]
        if end > 10 * 24:
            errors.append(np.abs(experts - log.values["vpd_kpa"][at + 24]))
        model.learn(known, ahead_of(log, end))
    error = dict(zip(EXPERTS, np.concatenate(errors, axis=1).mean(axis=1), strict=True))
    assert error["outside_week"] < 0.9 * error["outside_fast"], error
    assert error["week"] < 0.9 * error["seasonal"], error


def test_an_untrained_model_answers_with_wide_intervals_and_says_so(taught: WorldModel, log: HourlyLog) -> None:
    fresh = WorldModel().predict(_now(), log.window(NOW_H - 3, NOW_H), KnownAhead())
    known = taught.predict(_now(), log.until(NOW_H), ahead_of(log, NOW_H))
    assert len(fresh.hours) == 36
    assert _width(fresh) > 3.0 * _width(known)
    assert "Still learning: 0 of 7" in fresh.explanation


def test_three_days_without_weather_it_goes_on_widens_and_says_so(log: HourlyLog) -> None:
    model = WorldModel()
    for end in range(24, 7 * 24 + 1, 24):
        model.learn(log.until(end), ahead_of(log, end))
    before = model.predict(_now(), log.until(7 * 24), ahead_of(log, 7 * 24))
    dark = {n: v.copy() for n, v in log.values.items()}
    for name in dark:
        if name.startswith("out_"):
            dark[name][7 * 24 :] = np.nan
    blind = HourlyLog(log.start_hour, log.utc_offset_h, dark)
    for end in range(8 * 24, 10 * 24 + 1, 24):
        model.learn(blind.until(end), ahead_of(blind, end).without_weather())
    after = model.predict(_now(), blind.until(10 * 24), ahead_of(blind, 10 * 24).without_weather())
    assert len(after.hours) == 36 and all(h.vpd_kpa for h in after.hours)
    assert not after.weather_used and "No weather forecast" in after.explanation
    assert _width(after) > _width(before)


def test_an_old_forecast_widens_the_interval_hour_by_hour(taught: WorldModel, log: HourlyLog) -> None:
    known = ahead_of(log, NOW_H)
    widths = [_width(taught.predict(_now(), log.until(NOW_H), known, age)) for age in (60.0, 720.0, 1_440.0)]
    assert widths[0] <= widths[1] <= widths[2]
    assert "h old" in taught.predict(_now(), log.until(NOW_H), ahead_of(log, NOW_H), 720.0).explanation


def test_a_doubtful_ensemble_widens_the_interval(taught: WorldModel, log: HourlyLog) -> None:
    sure = ahead_of(log, NOW_H)
    temp = sure.values["out_temp_c"]
    doubt = KnownAhead(
        {
            **sure.values,
            "out_temp_c_p10": temp - 6.0,
            "out_temp_c_p90": temp + 6.0,
            "out_rh_pct_p10": np.full(36, 35.0),
            "out_rh_pct_p90": np.full(36, 90.0),
        }
    )
    narrow, wide = (taught.predict(_now(), log.until(NOW_H), known, 0.0) for known in (sure, doubt))
    assert _width(wide) > 1.05 * _width(narrow)
    means = [band.mean if band else None for band in (narrow.hours[5].vpd_kpa, wide.hours[5].vpd_kpa)]
    assert means[0] is not None and means[0] == means[1]


def test_gaps_and_nonsense_never_break_it(log: HourlyLog) -> None:
    rng = np.random.default_rng(0)
    holes = {n: np.where(rng.random(len(v)) < 0.4, np.nan, v) for n, v in log.values.items()}
    holey = HourlyLog(log.start_hour, log.utc_offset_h, holes)
    model = WorldModel()
    for end in (24, 48, 72, 96, 240):
        model.learn(holey.until(end), ahead_of(holey, end))
    record = model.predict(_now(), holey.until(241), ahead_of(holey, 241))
    assert parse_record(record.to_json()) == record
    empty = HourlyLog(START_HOUR, 2.0, {"air_temp_c": np.array([np.nan])})
    assert WorldModel().predict(_now(), empty).explanation


def test_an_unplugged_probe_leaves_the_other_and_the_average(log: HourlyLog) -> None:
    lone = {n: (np.full_like(v, np.nan) if n == "soil.P2" else v) for n, v in log.values.items()}
    one = HourlyLog(log.start_hour, log.utc_offset_h, lone)
    model = WorldModel()
    for end in (24, 48, 72):
        model.learn(one.until(end), ahead_of(one, end))
    hour = model.predict(_now(), one.until(72), ahead_of(one, 72)).hours[12]
    assert set(hour.soil_pct) == {"P1", "avg"}
    assert hour.soil_pct["avg"].mean == hour.soil_pct["P1"].mean


def test_the_reason_names_what_changed(taught: WorldModel, log: HourlyLog) -> None:
    dry = {n: v.copy() for n, v in ahead_of(log, NOW_H).values.items()}
    dry["out_vapour_kpa"] = dry["out_vapour_kpa"] * 0.3
    dry["out_vpd_kpa"] = dry["out_vpd_kpa"] + 0.63
    said = taught.predict(_now(), log.until(NOW_H), KnownAhead(dry)).explanation
    assert "because outside air falls to" in said and "% RH" in said


def test_rollouts_are_vectorised_and_ordered_by_water(taught: WorldModel, log: HourlyLog) -> None:
    plans = np.zeros((5, 36, len(PLAN_COLUMNS)))
    plans[:, :, 1] = 0.6
    plans[:, 3, 0] = [0.0, 50.0, 100.0, 200.0, 250.0]
    weather = {n: v for n, v in ahead_of(log, NOW_H).values.items() if n.startswith("out_")}
    start = PaddedLog(log.until(NOW_H)).rollout_start(np.array([NOW_H - 1]), taught.zones)
    out = taught.rollout(start, plans, weather)
    assert all(values.shape == (5, 36) for values in out.values())
    assert (np.diff(out["soil.P1"][:, 4:], axis=0) >= -1e-9).all()
    alone = taught.rollout(start, plans[2:3], weather)
    for name in out:
        assert out[name][2] == pytest.approx(alone[name][0], abs=1e-9), name


def test_pots_dry_in_the_air_that_is_given_for_them(taught: WorldModel, log: HourlyLog) -> None:
    """Who knows the air better than these laws says so, and mist that does not show in that air saves no water."""
    plans = np.zeros((2, 36, len(PLAN_COLUMNS)))
    plans[:, :, 1] = 1.0
    plans[1, :, 4] = 0.4
    weather = {n: v for n, v in ahead_of(log, NOW_H).values.items() if n.startswith("out_")}
    start = PaddedLog(log.until(NOW_H)).rollout_start(np.array([NOW_H - 1]), taught.zones)
    own = taught.rollout(start, plans, weather)
    given = taught.rollout(start, plans, weather, pots_vpd=lambda air: np.full_like(air["vpd_kpa"], 0.9))
    dry = taught.rollout(start, plans, weather, pots_vpd=lambda air: np.full_like(air["vpd_kpa"], 1.4))
    assert own["soil.P1"][1, -1] > own["soil.P1"][0, -1] and (given["soil.P1"][0] == given["soil.P1"][1]).all()
    assert dry["soil.P1"][0, -1] < given["soil.P1"][0, -1]
    assert all((given[name] == own[name]).all() for name in ("vpd_kpa", "air_temp_c"))


def test_offsets_lift_the_rollout_to_the_forecast(taught: WorldModel, log: HourlyLog) -> None:
    ahead = ahead_of(log, NOW_H)
    forecast = taught.forecast(log.until(NOW_H), ahead)
    lift = taught.offsets(log.until(NOW_H), ahead, forecast)
    plan = np.stack([ahead.column(name) for name in PLAN_COLUMNS], axis=1)[None]
    weather = {n: v for n, v in ahead.values.items() if n.startswith("out_")}
    start = PaddedLog(log.until(NOW_H)).rollout_start(np.array([NOW_H - 1]), taught.zones)
    out = taught.rollout(start, plan, weather, lift)
    for name in ("vpd_kpa", "air_temp_c", "soil.P1"):
        assert out[name][0] == pytest.approx(forecast.best(name)[0, 0], abs=0.02), name


def _state(ts: datetime, vpd: float, p1: float, trust: float) -> StateV1:
    return StateV1.model_validate(
        {
            "schema_version": "state_v1",
            "ts": ts,
            "env": {"air_temp_c": 24.0, "rh_pct": 60.0, "co2_ppm": 450.0, "vpd_kpa": vpd},
            "plant": {"leaf_temp_c": 23.5, "leaf_air_delta_c": -0.5},
            "soil": {
                "temp_c": 20.0,
                "probes": ({"id": "P1", "moisture_pct": p1, "confidence": trust},),
                "avg_moisture_pct": p1,
                "zone_pattern": "uniform",
            },
            "devices": devices(),
            "budgets": {
                "water_ml_used_today": 0.0,
                "water_ml_budget_today": 2200.0,
                "co2_seconds_used_today": 0.0,
                "co2_seconds_budget_today": 600.0,
            },
            "confidence": trust,
            "quantity_confidence": {"air_temp_c": trust, "rh_pct": trust},
        }
    )


def test_untrusted_samples_leave_a_gap_and_hours_are_means() -> None:
    history = HourlyHistory()
    begin = datetime(2026, 5, 13, 10, 0, tzinfo=ZONE)
    history.add_state(_state(begin, 1.0, 30.0, 0.9))
    history.add_state(_state(begin + timedelta(minutes=30), 2.0, 32.0, 0.9))
    history.add_state(_state(begin + timedelta(minutes=40), 9.0, 90.0, 0.2))
    history.add_state(_state(begin + timedelta(hours=1), 9.0, 90.0, 0.2))
    history.add_water(begin + timedelta(minutes=5), 120.0)
    history.add_on_time("exhaust_fan", begin, 900.0)
    log = history.log(begin + timedelta(hours=2))
    assert log.hours == 2
    assert log.column("vpd_kpa")[0] == pytest.approx(1.5)
    assert log.column("soil.P1")[0] == pytest.approx(31.0)
    assert np.isnan(log.column("vpd_kpa")[1]) and np.isnan(log.column("soil.P1")[1])
    assert log.column("water_ml")[0] == 120.0
    assert log.column("exhaust_fan").tolist() == [0.25, 0.0]


def test_weather_and_plan_land_on_their_hours() -> None:
    now = datetime(2026, 5, 13, 10, 20, tzinfo=ZONE)
    hours = tuple(
        WeatherHour(
            ts=now.replace(minute=0) + timedelta(hours=h),
            ext_temp_c=20.0 + h,
            ext_rh_pct=50.0,
            ext_wind_mps=3.0,
            ext_gust_mps=20.0,
            ext_cloud_cover_pct=50.0,
        )
        for h in range(5)
    )
    weather = Forecast36hV1(
        schema_version="forecast_36h_v1",
        ts=now,
        provider="p",
        model="m",
        run_ts=now,
        fetched_ts=now,
        freq_minutes=60,
        hours=hours,
    )
    outside = weather_ahead(weather, now)
    assert outside["out_temp_c"][:5].tolist() == [20.0, 21.0, 22.0, 23.0, 24.0]
    assert np.isnan(outside["out_temp_c"][5:]).all()
    assert outside["out_wind_mps"][0] == 10.0, "half the gust where that is harsher"
    plan = known_ahead(weather, (PlanStep(start=now.replace(minute=0) + timedelta(hours=2), water_ml=200.0),), now)
    assert plan.column("water_ml")[2] == 200.0 and np.isnan(plan.column("water_ml")[3])


def test_the_planner_starts_where_the_tent_is() -> None:
    now = datetime(2026, 5, 13, 10, 0, tzinfo=ZONE)
    start = rollout_start(_state(now, 1.0, 30.0, 0.9), ("soil.P1", "soil.P2"))
    assert isinstance(start, RolloutStart)
    assert start.soil_pct.tolist() == [30.0, 30.0], "a zone nobody measures stands at the average"
