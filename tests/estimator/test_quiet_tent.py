"""Healthy tents for two days: no detector of the estimator finds anything. Each tent runs once for all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from tomato_host.brain.step_data import BrainSettings
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import AnomalyV1
from shared_schemas.records.anomaly_v1 import AnomalyType
from tests.estimator.test_actuator_effect import WATCHED

HOURS = 48.0
JUNE, MARCH = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 3, 10, 6, tzinfo=UTC)


def june(seed: int) -> SimulatedTent:
    return SimulatedTent(seed, start=JUNE, period_s=30.0, timezone="Europe/Vienna")


def march(seed: int) -> SimulatedTent:
    """At the real board's pace."""
    return SimulatedTent(seed, TentParams.sample(seed), start=MARCH, period_s=10.0)


IN_JUNE, IN_MARCH = (partial(june, 1), partial(june, 2)), (partial(march, 1), partial(march, 3))


def named(made: partial[SimulatedTent]) -> str:
    return f"{made.func.__name__}-{made.args[0]}"


@pytest.fixture(scope="module", params=[*IN_JUNE, *IN_MARCH], ids=named)
def reported(request: pytest.FixtureRequest) -> list[AnomalyV1]:
    """All anomalies of one tent, run by the brain on the firmware's own core."""
    tent: SimulatedTent = request.param()
    run, found = TentRun(tent, BrainSettings(), forecasts=False), list[AnomalyV1]()
    end = tent.now + timedelta(hours=HOURS)
    while tent.now < end:
        step = run.step()
        assert step is not None
        found += step.estimate.anomalies
    assert tent.world.tent.truth().pumped_ml > 0.0, "the tent was really run"
    return found


@pytest.mark.parametrize("reported", IN_JUNE, indirect=True, ids=named, scope="module")
def test_its_own_fan_mist_and_lamp_are_no_rapid_change(reported: list[AnomalyV1]) -> None:
    found = [a for a in reported if a.type is AnomalyType.RAPID_CHANGE and a.phase == "OPENED"]
    assert not found, [(a.ts, a.signals) for a in found]


def test_no_output_is_without_effect(reported: list[AnomalyV1]) -> None:
    assert [a for a in reported if a.type in WATCHED] == []


def test_right_probes_are_left_in_peace(reported: list[AnomalyV1]) -> None:
    assert [a for a in reported if a.signals.get("fault") in ("REVERSED", "UNRESPONSIVE")] == []
