"""Plays fault campaigns through the estimator and counts what it found, how fast, and what it cried for nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from tomato_host.brain.estimator import Estimator, EstimatorSettings
from tomato_host.brain.settings import SiteSettings

from tools.fault_campaign import HEALTHY_DAYS_BEFORE_DRIFT, KINDS, SENSORS, Run, fault_free, faulty, records

FAULT_OF_KIND = {
    "stuck": "STUCK_AT",
    "jump": "JUMP",
    "drift": "DRIFT",
    "out_of_range": "OUT_OF_RANGE",
    "disconnect": "DISCONNECT",
}
RECORD_EVERY_S = 1_800.0
STUCK_WITHIN_S = 5_400.0
DRIFT_WITHIN_S = 3.0 * 86_400.0
FAULT_FREE_RUN_DAYS = 10
PERIOD_S = 20.0
DRIFT_PERIOD_S = 60.0
"""Slower than the board's 10 s, which makes detection no easier and the campaign affordable."""
REAL_SHIFT = 0.02
"""An interference of at least this share in the run is really there; telling it is no false alarm."""


@dataclass(frozen=True)
class Outcome:
    """What came of one run. `delay_s` is None when the fault was never told."""

    kind: str
    sensor: str
    days: float
    delay_s: float | None
    until_next_record_s: float
    false_alarms: tuple[str, ...]
    companions: int
    """Healthy soil probes doubted together with a drifting one: they cannot be told apart."""
    tent_anomalies: int


def play(run: Run) -> Outcome:
    """One run through a fresh estimator."""
    estimator = Estimator(
        EstimatorSettings(sample_period_s=run.period_s, history_hours=48.0), SiteSettings(timezone="UTC")
    )
    label = run.label
    delay_s: float | None = None
    false_alarms: list[str] = []
    companions = tent = 0
    for observation, devices in records(run):
        for anomaly in estimator.step(observation, devices).anomalies:
            if anomaly.phase != "OPENED":
                continue
            fault, subject = anomaly.signals.get("fault"), anomaly.subject or ""
            t_s = anomaly.ts.timestamp()
            if fault is None:
                tent += 1
            elif fault == "LIGHT_INTERFERENCE" and abs(run.interference.get(subject, 0.0)) >= REAL_SHIFT:
                continue
            elif label is not None and subject == label.sensor and t_s >= label.onset_s:
                if fault == FAULT_OF_KIND[label.kind] and delay_s is None:
                    delay_s = t_s - label.onset_s
            elif label is not None and label.kind == "drift" and t_s >= label.onset_s and _pair(subject, label.sensor):
                companions += 1
            else:
                false_alarms.append(f"{subject} {fault}")
    return Outcome(
        label.kind if label else "fault_free",
        label.sensor if label else "",
        run.sensor_days / len(SENSORS),
        delay_s,
        RECORD_EVERY_S - label.onset_s % RECORD_EVERY_S if label else 0.0,
        tuple(false_alarms),
        companions,
        tent,
    )


def _pair(a: str, b: str) -> bool:
    return a.startswith("soil.P") and b.startswith("soil.P")


def _play_fault_free(seed: int) -> Outcome:
    return play(fault_free(seed, FAULT_FREE_RUN_DAYS, PERIOD_S))


def _play_faulty(job: tuple[str, int]) -> Outcome:
    kind, seed = job
    return play(faulty(kind, seed, DRIFT_PERIOD_S if kind == "drift" else PERIOD_S))


def campaign(runs_per_kind: int, drift_runs: int, fault_free_days: int) -> dict[str, Any]:
    """Figures by kind. Runs are independent, so they share the cores; the figures do not depend on how."""
    jobs = [(kind, seed) for kind in KINDS for seed in range(drift_runs if kind == "drift" else runs_per_kind)]
    seeds = range(max(1, fault_free_days // FAULT_FREE_RUN_DAYS))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("fork")) as pool:
        outcomes = list(pool.map(_play_faulty, jobs, chunksize=4))
        calm = list(pool.map(_play_fault_free, seeds))
    figures: dict[str, Any] = {"fault_free": _calm_figures(calm)}
    for kind in KINDS:
        figures[kind] = _figures(kind, [o for o in outcomes if o.kind == kind])
    return figures


def _calm_figures(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    days = sum(o.days for o in outcomes)
    alarms = [alarm for o in outcomes for alarm in o.false_alarms]
    return {
        "days": days,
        "sensor_days": days * len(SENSORS),
        "false_alarms": len(alarms),
        "false_alarms_per_100_sensor_days": 100.0 * len(alarms) / (days * len(SENSORS)),
        "which": ", ".join(f"{alarm} x{alarms.count(alarm)}" for alarm in sorted(set(alarms))) or "none",
        "tent_anomalies_per_day": sum(o.tent_anomalies for o in outcomes) / days,
    }


def _figures(kind: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    found = [o for o in outcomes if o.delay_s is not None]
    delays = sorted(o.delay_s for o in found if o.delay_s is not None)
    days = sum(o.days for o in outcomes)
    figures: dict[str, Any] = {
        "runs": len(outcomes),
        "days": days,
        "found_share": len(found) / len(outcomes),
        "found_by_next_state_record": _share(outcomes, lambda o: o.until_next_record_s),
        "delay_min_p50": _quantile(delays, 0.5) / 60.0,
        "delay_min_p95": _quantile(delays, 0.95) / 60.0,
        "false_alarms_per_100_sensor_days": 100.0 * sum(len(o.false_alarms) for o in outcomes) / (days * len(SENSORS)),
    }
    if kind == "stuck":
        figures["found_within_90_min"] = _share(outcomes, lambda _: STUCK_WITHIN_S)
    if kind == "drift":
        figures["faulty_days"] = days - len(outcomes) * HEALTHY_DAYS_BEFORE_DRIFT
        figures["found_within_3_days"] = _share(outcomes, lambda _: DRIFT_WITHIN_S)
        for sensor in SENSORS:
            own = [o for o in outcomes if o.sensor == sensor]
            figures[f"found_within_3_days_{sensor}"] = _share(own, lambda _: DRIFT_WITHIN_S)
        figures["companions_doubted"] = sum(o.companions for o in outcomes)
    return figures


def _share(outcomes: Sequence[Outcome], deadline_s: Callable[[Outcome], float]) -> float:
    if not outcomes:
        return float("nan")
    return sum(o.delay_s is not None and o.delay_s <= deadline_s(o) for o in outcomes) / len(outcomes)


def _quantile(ordered: Sequence[float], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def sensor_alarms(estimates: Iterable[Any]) -> dict[str, int]:
    """Opened sensor anomalies by fault, for runs without labels."""
    counts: dict[str, int] = {}
    for estimate in estimates:
        for anomaly in estimate.anomalies:
            fault = anomaly.signals.get("fault")
            if anomaly.phase == "OPENED" and fault is not None:
                counts[str(fault)] = counts.get(str(fault), 0) + 1
    return counts
