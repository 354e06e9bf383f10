"""RAPID_CHANGE: what our own fan, mist and lamp do to the air is expected; a draught is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tomato_host.brain.brain import BrainSettings
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import AnomalyV1
from shared_schemas.records.anomaly_v1 import AnomalyType

START = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)


def rapid_changes(seed: int, scenario: str, hours: float) -> list[AnomalyV1]:
    """What a tent run by the brain on the firmware's own core reports."""
    tent = SimulatedTent(seed, scenario=scenario, start=START, period_s=30.0, timezone="Europe/Vienna")
    run, found = TentRun(tent, BrainSettings()), list[AnomalyV1]()
    while tent.now < START + timedelta(hours=hours):
        step = run.step()
        assert step is not None
        found += [a for a in step.estimate.anomalies if a.type is AnomalyType.RAPID_CHANGE and a.phase == "OPENED"]
    return found


def test_two_calm_days_hold_none() -> None:
    found = [a for seed in (1, 2) for a in rapid_changes(seed, "", 48.0)]
    assert not found, [(a.ts, a.signals) for a in found]


def test_a_jump_of_the_air_with_the_same_outputs_is_one() -> None:
    tent = SimulatedTent(3, start=START, period_s=30.0)
    estimator, found = Estimator(), list[AnomalyV1]()
    devices = tent.device_status()
    first = tent.next_observation()
    assert first is not None
    for n in range(120):
        rh = 62.0 if n < 60 else 32.0
        wobble = 0.05 * (n % 3)
        seen = first.model_copy(
            update={"ts": START + timedelta(seconds=30 * n), "rh_pct": rh + wobble, "air_temp_c": 24.0 + wobble / 5}
        )
        found += [a for a in estimator.step(seen, devices).anomalies if a.type is AnomalyType.RAPID_CHANGE]
    assert [a.phase for a in found][:1] == ["OPENED"]
