"""Sample more often while something is wrong: the base cadence plus one window per open anomaly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared_schemas.records import AnomalyV1, SamplingPlanV1, Severity
from shared_schemas.records.sampling_plan_v1 import SamplingOverride

PERIOD_S: Final[dict[Severity, float | None]] = {
    Severity.LOW: None,
    Severity.MEDIUM: 900.0,
    Severity.HIGH: 300.0,
    Severity.CRITICAL: 300.0,
}
"""Cadence of state records while an anomaly of that severity is open; None leaves the base cadence."""
WINDOW_LASTS: Final = timedelta(hours=1)
"""A window ends this long after the moment it was planned; it is renewed while the anomaly lasts."""


def sampling_plan(
    ts: datetime, base_period_s: float, telemetry_period_s: float, open_anomalies: Sequence[AnomalyV1]
) -> SamplingPlanV1:
    """The plan from `ts` on. Anomalies that ask for `increase_sampling` get a window each, the closest first."""
    overrides = []
    for anomaly in open_anomalies:
        period_s = PERIOD_S[anomaly.severity]
        if period_s is None or period_s >= base_period_s or "increase_sampling" not in anomaly.required_response:
            continue
        reason = f"{anomaly.type.value} {anomaly.subject}" if anomaly.subject else anomaly.type.value
        start = min(anomaly.ts, ts)  # one from the future opened under a clock that was ahead
        overrides.append(SamplingOverride(start=start, end=ts + WINDOW_LASTS, period_s=period_s, reason=reason))
    overrides.sort(key=lambda o: (o.period_s, o.reason))
    return SamplingPlanV1(
        schema_version="sampling_plan_v1",
        ts=ts,
        base_period_s=base_period_s,
        telemetry_period_s=telemetry_period_s,
        overrides=tuple(overrides),
    )
