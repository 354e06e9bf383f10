"""One pot's law by itself: what it learns of a pot it knows nothing of, and what no coefficients may make it say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.world_model.bounded_rls import BoundedRls, Coefficient
from tomato_host.brain.world_model.priors import CAPACITIES_PCT, SOIL_LAW
from tomato_host.brain.world_model.soil_dynamics import DAY_H, PotDynamics, PotInputs, roll_levels

CAPACITY = [c.name for c in SOIL_LAW].index("capacity")
POT = np.array([-0.14, -0.22, -0.25, 0.0, -0.03, -0.04, 0.45, 0.06, 0.6, -0.9, 41.4])
"""A pot of another kind than the priors': it drains at 41.4 %."""


def _hours(days: int, seed: int, dose: float) -> PotInputs:
    """Light days of changing dryness, watered at random times with up to twice `dose` x 100 ml."""
    rng, n = np.random.default_rng(seed), days * DAY_H
    light = ((np.arange(n) % DAY_H >= 6) & (np.arange(n) % DAY_H < 22)).astype(float)
    vpd = 0.7 + 0.3 * light + np.repeat(rng.normal(0.0, 0.2, days), DAY_H) + rng.normal(0.0, 0.05, n)
    water = np.where(rng.random(n) < 0.2, rng.uniform(0.0, 2.0 * dose, n), 0.0) * light
    return PotInputs(vpd, light, np.ones(n), water)


def _lived(pot: np.ndarray, hours: PotInputs, noise: float = 0.03) -> np.ndarray:
    """What its probe showed."""
    course = PotInputs(*(column[None] for column in (hours.vpd, hours.lamp, hours.fan, hours.water)))
    level = roll_levels(pot[None], np.array([[38.0]]), np.zeros(1), course)[0, 0]
    return np.asarray(level + np.random.default_rng(5).normal(0.0, noise, len(level)))


def _taught(moisture: np.ndarray, hours: PotInputs) -> PotDynamics:
    law = PotDynamics()
    for end in range(DAY_H, len(moisture) + 1, DAY_H):
        past = np.arange(max(end - 2 * DAY_H - 1, 0), end)
        law.update(moisture[past], hours.at(past), DAY_H)
    return law


def _day_ahead(law: PotDynamics, moisture: np.ndarray, hours: PotInputs) -> float:
    """Mean absolute error a day ahead over a course."""
    begin = np.arange(len(moisture) - DAY_H)
    rolled = roll_levels(
        law.theta[None], moisture[begin][None], hours.water[begin], hours.at(begin[:, None] + np.arange(1, DAY_H + 1))
    )
    return float(np.abs(rolled[0, :, -1] - moisture[begin + DAY_H]).mean())


def test_a_pot_that_drains_is_found_to_drain_where_it_does() -> None:
    hours = _hours(12, 1, dose=8.0)
    law = _taught(_lived(POT, hours), hours)
    assert law.drains and law.theta[CAPACITY] == pytest.approx(POT[CAPACITY], abs=0.3)
    fresh = _hours(6, 2, dose=8.0)
    assert _day_ahead(law, _lived(POT, fresh), fresh) < 0.15
    assert _day_ahead(PotDynamics(), _lived(POT, fresh), fresh) > 1.0


def test_an_ageing_probe_takes_its_capacity_along() -> None:
    hours = _hours(20, 3, dose=12.0)
    moisture = _lived(POT, hours)
    aged = moisture - 0.12 * np.arange(len(moisture)) / DAY_H
    law = _taught(aged, hours)
    assert law.theta[CAPACITY] == pytest.approx(POT[CAPACITY] - 0.12 * 20, abs=0.4)


def test_a_pot_held_below_its_capacity_is_not_said_to_drain() -> None:
    """A controller's upper bound looks like a capacity from a day away; the hours after a dose know better."""
    hours = _hours(12, 4, dose=0.0)
    level, seen = 30.0, []
    water = np.zeros(len(hours.vpd))
    for h in range(len(water)):
        water[h] = 3.0 if level < 29.0 and h % 2 == 0 else 0.0
        before = water[h - 1] if h else 0.0
        one = PotInputs(*(column[h : h + 1][None] for column in (hours.vpd, hours.lamp, hours.fan, water)))
        level = float(roll_levels(POT[None], np.array([[level]]), np.array([before]), one)[0, 0, 0])
        seen.append(level)
    law = _taught(np.array(seen), PotInputs(hours.vpd, hours.lamp, hours.fan, water))
    assert not law.drains and law.theta[CAPACITY] > max(CAPACITIES_PCT)


def test_unknown_hours_do_not_teach() -> None:
    hours = _hours(6, 6, dose=8.0)
    moisture = np.full(len(hours.vpd), np.nan)
    law = _taught(moisture, hours)
    assert np.array_equal(law.theta, PotDynamics().theta)
    moisture = _lived(POT, hours)
    moisture[60:70] = np.nan
    assert np.isfinite(_taught(moisture, hours).theta).all()


_LIKELY = [st.floats(max(c.low, c.prior - 3 * c.spread), min(c.high, c.prior + 3 * c.spread)) for c in SOIL_LAW]


@settings(max_examples=150, deadline=None)
@given(
    theta=st.tuples(*_LIKELY),
    start=st.floats(2.0, 70.0),
    hour=st.integers(0, 23),
    ml=st.floats(1.0, 600.0),
    seed=st.integers(0, 20),
)
def test_more_water_never_leaves_a_pot_drier(
    theta: tuple[float, ...], start: float, hour: int, ml: float, seed: int
) -> None:
    hours = _hours(1, seed, dose=2.0)
    water = np.tile(hours.water, (2, 1))
    water[1, hour] += ml / 100.0
    vpd, light, fan = (np.tile(column, (2, 1)) for column in (hours.vpd, hours.lamp, hours.fan))
    course = PotInputs(vpd, light, fan, water)
    dry, wet = roll_levels(np.array(theta)[None], np.array([[start]]), np.zeros(2), course)[0]
    assert (wet >= dry - 1e-9).all()
    assert (dry >= 0.0).all() and (wet <= 100.0).all()


def test_a_loosened_coefficient_follows_sooner_and_a_restarted_one_forgets() -> None:
    rng = np.random.default_rng(0)
    law = (Coefficient("a", 0.0, 1.0, -9.0, 9.0), Coefficient("b", 0.0, 1.0, -9.0, 9.0))
    firm, loose = BoundedRls(law, 0.1), BoundedRls(law, 0.1)
    for day in range(20):
        truth = np.array([1.0, 2.0 if day < 15 else 3.0])
        x = rng.normal(size=(24, 2))
        loose.loosen(1, 0.5)
        for one in (firm, loose):
            one.update(x, x @ truth)
    assert abs(loose.theta[1] - 3.0) < 0.2 * abs(firm.theta[1] - 3.0)
    assert loose.theta[0] == pytest.approx(1.0, abs=0.01)
    loose.restart(1, -4.0, 0.1)
    assert loose.theta[1] == -4.0
    loose.update(np.array([[1.0, 0.0]]), np.array([1.0]))
    assert loose.theta[0] == pytest.approx(1.0, abs=0.02) and loose.theta[1] == pytest.approx(-4.0, abs=0.3)


def test_a_gain_is_known_after_some_doses_and_not_before() -> None:
    """Its own uncertainty tells: without a dose it is the prior's, after 500 ml at most a quarter of the gain."""
    hours = _hours(3, 6, dose=0.0)
    untold, sd = _taught(_lived(POT, hours), hours).gain
    assert sd > 0.5 * untold
    water = np.zeros(3 * DAY_H)
    water[[32, 38, 40]] = 1.7
    doses = PotInputs(hours.vpd, hours.lamp, hours.fan, water)
    gain, sd = _taught(_lived(POT, doses), doses).gain
    assert gain == pytest.approx(POT[6] + POT[7], rel=0.15) and sd < 0.25 * gain
