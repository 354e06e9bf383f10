"""What the estimator costs and what it is worth: time and memory per observation, faults found, false alarms."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that tools.* is found when run as a file

from tomato_host.brain.estimator import Estimate, Estimator, EstimatorSettings
from tomato_host.brain.settings import SiteSettings
from tomato_host.sources.measured import MAPPINGS, MeasuredSource, data_folder

from tools.campaign_score import campaign, sensor_alarms
from tools.fault_campaign import fault_free, records

TITLE = "Estimator: cost per observation, faults found, false alarms"
COMPARTMENTS = ("Reference", "AICU", "Automatoes", "Digilog", "IUACAAS", "TheAutomators")
JANUARY = datetime(2020, 2, 1, tzinfo=UTC)


def run(quick: bool) -> dict[str, object]:
    """Plain figures. The full run plays 200 days of every fault kind and of none; `quick` a few of each."""
    sizes = (8, 8, 10) if quick else (200, 80, 250)
    figures: dict[str, object] = {"cost": _cost(days=1 if quick else 3), "memory": _memory(days=3 if quick else 14)}
    figures["campaign"] = campaign(*sizes)
    figures["measured_slabs"] = _measured(COMPARTMENTS[3:4], JANUARY) if quick else _measured(COMPARTMENTS, None)
    return figures


def _cost(days: int) -> dict[str, float]:
    """Microseconds per observation of 8 sensors at 10 s, with the 48 h history in place from the first row on."""
    pairs = list(records(fault_free(1, days)))
    estimator = Estimator(EstimatorSettings(), SiteSettings(timezone="UTC"))
    step_us, cpu_us, record_us = [], [], []
    gc.freeze()  # the recorded day itself is no part of the estimator
    for i, (observation, devices) in enumerate(pairs):
        cpu, begin = time.thread_time_ns(), time.perf_counter_ns()
        estimate = estimator.step(observation, devices)
        middle, cpu_end = time.perf_counter_ns(), time.thread_time_ns()
        cpu_us.append((cpu_end - cpu) / 1e3)
        step_us.append((middle - begin) / 1e3)
        if i % 180 == 0:  # the half-hourly state record
            _ = (estimate.state, estimate.health, estimate.sampling)
            record_us.append((time.perf_counter_ns() - middle) / 1e3)
    gc.unfreeze()
    return {
        "us_per_observation_p50": _quantile(step_us, 0.5),
        "us_per_observation_p99": _quantile(step_us, 0.99),
        "cpu_us_per_observation_p50": _quantile(cpu_us, 0.5),
        "cpu_us_per_observation_p99": _quantile(cpu_us, 0.99),
        "us_per_observation_mean_with_records": (sum(step_us) + sum(record_us)) / len(step_us),
        "us_records_p50": _quantile(record_us, 0.5),
    }


def _memory(days: int) -> dict[str, float]:
    """Bytes that a step allocates at its peak, what the estimator holds, and what it has grown by after days."""
    pairs = list(records(fault_free(2, days, 60.0)))
    half = len(pairs) // 2
    estimator = Estimator(EstimatorSettings(sample_period_s=10.0), SiteSettings(timezone="UTC"))
    peaks = np.zeros(len(pairs) - half, dtype=np.int64)  # made before, so that it is not counted as growth
    tracemalloc.start()
    for observation, devices in pairs[:half]:
        estimator.step(observation, devices)
    held, _ = tracemalloc.get_traced_memory()
    for i, (observation, devices) in enumerate(pairs[half:]):
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        estimator.step(observation, devices)
        peaks[i] = tracemalloc.get_traced_memory()[1] - before
    grown = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    return {
        "peak_bytes_per_observation_p50": float(np.median(peaks)),
        "held_mb": held / 1e6,
        "history_mb": estimator.history.nbytes / 1e6,
        "grown_kb_in_second_half": grown / 1e3,
        "days": float(days),
    }


def _quantile(values: list[Any], q: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(q * len(ordered)))])


def measured_estimates(compartment: str, until: datetime | None = None) -> Iterator[tuple[Estimate, int]]:
    """Real slab sensors of one greenhouse compartment through the same detector; estimate and sensors reporting."""
    mapping = MAPPINGS["agc2_tomato_slab"].selecting({"compartment": compartment})
    source = MeasuredSource(data_folder() / "agc2_tomato_slab_5min.csv.gz", mapping, end=until)
    estimator = Estimator(EstimatorSettings(daylight=True, sample_period_s=300.0))
    while (observation := source.next_observation()) is not None:
        known = (observation.soil_temp_c is not None) + sum(p.moisture_pct is not None for p in observation.soil)
        yield estimator.step(observation, source.device_status()), known


def _measured(compartments: tuple[str, ...], until: datetime | None) -> dict[str, Any]:
    """Alarms per sensor-day on real sensors. DISCONNECT are gaps of the recording, told apart from the rest."""
    if not (data_folder() / "agc2_tomato_slab_5min.csv.gz").exists():
        return {"skipped": f"no measured data at {data_folder()}"}
    samples = 0
    alarms: dict[str, int] = {}
    for compartment in compartments:
        seen = list(measured_estimates(compartment, until))
        samples += sum(known for _, known in seen)
        for fault, count in sensor_alarms(estimate for estimate, _ in seen).items():
            alarms[fault] = alarms.get(fault, 0) + count
    sensor_days = samples / 288.0
    return {
        "sensor_days": sensor_days,
        **{f"alarms_per_100_sensor_days_{fault}": 100.0 * n / sensor_days for fault, n in sorted(alarms.items())},
        "alarms_per_100_sensor_days_without_gaps": 100.0
        * sum(n for fault, n in alarms.items() if fault != "DISCONNECT")
        / sensor_days,
    }


if __name__ == "__main__":
    import json

    print(json.dumps(run("--quick" in sys.argv), indent=1))
