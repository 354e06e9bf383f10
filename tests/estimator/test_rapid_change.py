"""RAPID_CHANGE: a draught is one. What our own fan, mist and lamp do to the air is none (test_quiet_tent.py)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import AnomalyV1
from shared_schemas.records.anomaly_v1 import AnomalyType

START = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)


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
