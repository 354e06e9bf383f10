"""Ridges on the departures of a pot from its usual days, and the median that forecasts air."""

from __future__ import annotations

import numpy as np
import pytest
from tomato_host.brain.world_model.anomalies import anomaly_count, anomaly_regressors, departures
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.data import HISTORY_H, HourlyLog, KnownAhead, ModelShape, Quantity
from tomato_host.brain.world_model.features import PAD_H, PaddedLog, season_lag
from tomato_host.brain.world_model.learners import ANOMALIES, EXPERTS, recent_days
from tomato_host.brain.world_model.model import WorldModel

POT = Quantity("soil.P1", "soil", ("extra.ec.P1",))
AIR = Quantity("vpd_kpa", "vpd")
DAYS, FADE = 6, 0.5


def _log(days: int, **columns: Array) -> HourlyLog:
    return HourlyLog(
        24 * 20_000, 0.0, {name.replace("__", "."): column[: 24 * days] for name, column in columns.items()}
    )


def test_a_departure_is_what_differs_from_the_faded_mean_of_the_days_before() -> None:
    day = np.sin(np.arange(24) / 24.0 * 2.0 * np.pi)
    column = np.tile(day, 10) + np.repeat(np.arange(10.0), 24)
    found = departures(PaddedLog(_log(10, soil__P1=column)), ("soil.P1",), DAYS, FADE)
    ages = np.arange(1, 7)
    expected = (ages * FADE ** (ages - 1)).sum() / (FADE ** (ages - 1)).sum()
    last = PAD_H + 239
    assert found.now[last] == pytest.approx(expected) and found.short[last] == pytest.approx(expected)
    assert found.long[last] == pytest.approx(expected)
    assert np.isnan(found.now[PAD_H : PAD_H + 24]).all(), "on the first day nothing is usual yet"


def test_means_want_seven_tenths_of_their_hours_and_dead_neighbours_do_not_count() -> None:
    rng = np.random.default_rng(0)
    column, dead = rng.normal(size=240), np.full(240, np.nan)
    column[-4:-1] = np.nan
    frame = PaddedLog(_log(10, soil__P1=column, soil__P2=dead))
    found = departures(frame, ("soil.P1",), DAYS, FADE)
    last = PAD_H + 239
    assert np.isnan(found.short[last]) and np.isfinite(found.long[last])
    both = departures(frame, ("soil.P1", "soil.P2"), DAYS, FADE)
    assert np.array_equal(both.now, found.now, equal_nan=True)


def test_an_unknown_neighbour_counts_as_usual_and_an_unknown_pot_gives_no_row() -> None:
    rng = np.random.default_rng(1)
    frame = PaddedLog(_log(10, soil__P1=rng.normal(size=240), extra__ec__P1=np.full(240, np.nan)))
    o = np.full((1, 2), 239)
    s = o + np.array([1, 24])
    x = anomaly_regressors(frame, POT, ("soil.P2",), o, s, season_lag(s - o), DAYS, FADE)
    assert x.shape == (1, 2, anomaly_count(POT, ("soil.P2",))) and np.isfinite(x).all()
    assert (x[..., 12:] == 0.0).all()
    lone = anomaly_regressors(frame, Quantity("soil.P2", "soil"), (), o, s, season_lag(s - o), DAYS, FADE)
    assert lone.shape[2] == anomaly_count(Quantity("soil.P2", "soil"), ()) and np.isnan(lone[..., 1]).all()


def _two_pots(days: int, lasts: bool) -> HourlyLog:
    """The second pot shows at once what the first will show a day later; `lasts`: otherwise nothing does."""
    rng = np.random.default_rng(3)
    shift = np.repeat(rng.normal(0.0, 1.0, days + 1), 24)
    day = 5.0 * np.sin(np.arange(24 * days) / 24.0 * 2.0 * np.pi)
    noise = rng.normal(0.0, 0.05, (2, 24 * days))
    ahead = shift[24:] if lasts else rng.normal(size=24 * days)
    return _log(days, soil__P1=40.0 + day + shift[:-24] + noise[0], soil__P2=40.0 + day + ahead + noise[1])


def _errors(log: HourlyLog) -> dict[str, float]:
    """Mean absolute error of every expert for the first pot, a day ahead, of the second half of the log."""
    model = WorldModel(ModelShape((Quantity("soil.P1", "soil"), Quantity("soil.P2", "soil")), horizons=(24,)))
    errors = []
    for end in range(24, log.hours, 24):
        known, origins = log.window(end - HISTORY_H, end), np.arange(end - 24, end)
        at = origins[origins + 24 < log.hours]
        experts = model.forecast(known, KnownAhead(), at - end + known.hours).experts["soil.P1"][:, :, 0]
        if end > log.hours // 2:
            errors.append(np.abs(experts - log.values["soil.P1"][at + 24]))
        model.learn(known, KnownAhead())
    return dict(zip(EXPERTS, np.concatenate(errors, axis=1).mean(axis=1), strict=True))


def test_what_the_pot_beside_shows_is_learned() -> None:
    error, blind = _errors(_two_pots(40, lasts=True)), _errors(_two_pots(40, lasts=False))
    for name in ANOMALIES[:2]:
        assert error[name] < 0.6 * error["seasonal"], error
        assert error[name] < 0.7 * blind[name], (name, error[name], blind[name])


def test_air_is_forecast_by_the_median_of_the_week_and_nothing_after_the_origin_enters() -> None:
    rng = np.random.default_rng(5)
    column = np.tile(np.arange(24.0), 12) + rng.normal(0.0, 0.1, 288)
    column[-48:-24] += 30.0
    frame = PaddedLog(_log(12, vpd_kpa=column))
    o = np.full((1, 36), 287)
    s = o + np.arange(1, 37)
    lag = season_lag(s - o)
    found = recent_days(frame, AIR, o, s, lag)[0]
    usual = np.abs(found[1:22] - np.arange(1, 22))
    assert usual.max() < 0.3, "one odd day of seven does not move it"
    for early, unknown in ((hour, value) for hour in range(190, 202) for value in (-99.0, 99.0)):
        origin = np.full((1, 36), early)
        s = origin + np.arange(1, 37)
        later = np.where(np.arange(288) > early, unknown, column)
        before, after = (recent_days(PaddedLog(_log(12, vpd_kpa=c)), AIR, origin, s, lag) for c in (column, later))
        assert np.array_equal(before, after), early


def test_a_median_of_an_even_number_of_known_days_lies_between_the_middle_ones() -> None:
    column = np.repeat([1.0, 2.0, 10.0, np.nan, 20.0], 24)
    frame = PaddedLog(_log(5, vpd_kpa=column))
    o = np.full((1, 1), 118)
    assert recent_days(frame, AIR, o, o + 12, np.full((1, 1), 24))[0, 0] == pytest.approx(6.0)
    empty = PaddedLog(_log(5, vpd_kpa=np.full(120, np.nan)))
    assert np.isnan(recent_days(empty, AIR, o, o + 12, np.full((1, 1), 24))).all()
