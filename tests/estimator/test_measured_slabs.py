"""Real slab sensors (Autonomous Greenhouse Challenge, 2nd edition): known false zeros found, few words otherwise."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from tomato_host.sources.measured import data_folder

from tools.bench_estimator import measured_estimates

TABLE = data_folder() / "agc2_tomato_slab_5min.csv.gz"
pytestmark = pytest.mark.skipif(not TABLE.exists(), reason=f"no measured data at {TABLE.parent}; set TOMATO_DATA")


def test_false_zeros_of_digilog_are_found_and_never_believed() -> None:
    begin, end = datetime(2020, 1, 16, tzinfo=UTC), datetime(2020, 1, 17, tzinfo=UTC)
    opened, cleared = Counter[str](), Counter[str]()
    blind, dry = 0, []
    for estimate, _ in measured_estimates("Digilog", end):
        if estimate.ts < begin:
            continue
        for anomaly in estimate.anomalies:
            if anomaly.signals.get("fault") == "OUT_OF_RANGE":
                (opened if anomaly.phase == "OPENED" else cleared)[str(anomaly.subject)] += 1
            if anomaly.type.value == "SOIL_DRY":
                dry.append(anomaly)
        moistures = [p.moisture_pct for p in estimate.state.soil.probes]
        assert all(m is None or m > 1.0 for m in moistures)
        blind += sum(m is None for m in moistures)
    # 24 zeros in a row in slab 1, and 23 in slab 2 with one true reading between the first and the second.
    assert opened == {"soil.P1": 1, "soil.P2": 2}
    assert cleared == opened
    assert dry == []
    assert blind >= 24 + 23


def test_real_sensors_raise_few_alarms() -> None:
    end = datetime(2020, 2, 1, tzinfo=UTC)
    samples, faults = 0, Counter[str]()
    for estimate, known in measured_estimates("TheAutomators", end):
        samples += known
        opened = [a for a in estimate.anomalies if a.phase == "OPENED"]
        faults.update(str(a.signals["fault"]) for a in opened if "fault" in a.signals)
    assert samples > 30_000
    assert sum(n for fault, n in faults.items() if fault != "DISCONNECT") <= 0.05 * samples / 288.0
