"""From signals and sensor faults to anomalies: one event is one anomaly, opened once and cleared once.

The thresholds are data (anomaly_thresholds.py, docs/anomaly_thresholds.md). A signal without a value neither opens nor
clears anything: without a value nothing is dry and nothing is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared_schemas.records import AnomalyType, AnomalyV1, Severity
from tomato_host.brain.estimator.anomaly_thresholds import (
    CONSEQUENCES,
    FAULT_POLICIES,
    THRESHOLDS,
    FaultPolicy,
    Threshold,
)
from tomato_host.brain.estimator.sensor_health import FAULT_OF_BIT, SensorTrack

SIGNALS: tuple[str, ...] = (
    "air_temp_c",
    "rh_pct",
    "co2_ppm",
    "vpd_kpa",
    "leaf_air_delta_c",
    "soil_temp_c",
    "soil_avg_pct",
    "dew_margin_k",
    "vpd_change_15min_kpa",
    "dark_under_lamp_s",
    "light_without_lamp_s",
    "leak",
    "reservoir_empty",
    "unanswered_ml",
    "door_open",
    "board_gone",
    "board_reset",
    "board_faults",
)
"""Signals in the order in which `AnomalyDetector.update` reads them; the soil probes follow."""

_RANK = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2, Severity.CRITICAL: 3}
_POLICY_OF_BIT: dict[int, FaultPolicy] = {
    bit: next(p for p in FAULT_POLICIES if p.fault is fault) for bit, fault in FAULT_OF_BIT.items()
}


class _Rule:
    """One threshold on one signal, with its running times."""

    __slots__ = ("breach_s", "calm_s", "clears_at", "group", "index", "open", "opens_at", "row", "sign")

    def __init__(self, row: Threshold, index: int, group: _Group) -> None:
        self.row = row
        self.index = index
        self.group = group
        # Below is above with the sign turned, so that one comparison serves both.
        self.sign = 1.0 if row.side == "above" else -1.0
        self.opens_at = row.opens_at * self.sign
        self.clears_at = row.clears_at * self.sign
        self.open = False
        self.breach_s: float | None = None
        self.calm_s: float | None = None


class _Group:
    """The rows of one type and subject: together they are one anomaly."""

    __slots__ = ("opened", "rules", "subject", "type")

    def __init__(self, type_: AnomalyType, subject: str | None) -> None:
        self.type = type_
        self.subject = subject
        self.rules: list[_Rule] = []
        self.opened: AnomalyV1 | None = None


class AnomalyDetector:
    """Call `update` with every sample; it returns what opened, worsened or cleared."""

    def __init__(self, probe_names: Sequence[str]) -> None:
        """`probe_names`: subjects of the soil probes ("soil.P1"), in the order of their signals."""
        self._rules: list[_Rule] = []
        self._groups: dict[tuple[AnomalyType, str | None], _Group] = {}
        self._faults: dict[tuple[str, int], AnomalyV1] = {}
        for row in THRESHOLDS:
            if row.signal == "soil_probe_pct":
                for i, name in enumerate(probe_names):
                    self._add(row, len(SIGNALS) + i, name)
            else:
                self._add(row, SIGNALS.index(row.signal), None)

    def _add(self, row: Threshold, index: int, subject: str | None) -> None:
        group = self._groups.setdefault((row.type, subject), _Group(row.type, subject))
        rule = _Rule(row, index, group)
        group.rules.append(rule)
        self._rules.append(rule)

    @property
    def open(self) -> tuple[AnomalyV1, ...]:
        """Everything open now, as it was last reported."""
        found = [group.opened for group in self._groups.values() if group.opened is not None]
        return (*found, *self._faults.values())

    def update(self, t_s: float, ts: datetime, signals: Sequence[float | None]) -> list[AnomalyV1]:
        """Compare one sample of all signals (SIGNALS, then soil probes; None where unknown) with the thresholds."""
        changed: list[AnomalyV1] = []
        for rule in self._rules:
            value = signals[rule.index]
            if value is None:
                rule.breach_s = rule.calm_s = None
                continue
            value *= rule.sign
            if rule.open:
                if value <= rule.clears_at:
                    self._calm(rule, t_s, ts, value, changed)
                else:
                    rule.calm_s = None
            elif value > rule.opens_at:
                self._breach(rule, t_s, ts, value, changed)
            elif rule.breach_s is not None:
                rule.breach_s = None
        return _worst_first(changed) if len(changed) > 1 else changed

    def _breach(self, rule: _Rule, t_s: float, ts: datetime, value: float, changed: list[AnomalyV1]) -> None:
        if rule.breach_s is None:
            rule.breach_s = t_s
        if t_s - rule.breach_s < rule.row.hold_s:
            return
        rule.open = True
        rule.breach_s = rule.calm_s = None
        group = rule.group
        before = group.opened
        if before is not None and _RANK[before.severity] >= _RANK[rule.row.severity]:
            return
        signals: dict[str, float | bool | str] = {
            rule.row.signal: round(value * rule.sign, 3),
            "threshold": rule.row.opens_at,
        }
        id_ = before.id if before is not None and before.id else _anomaly_id(group.type, group.subject, t_s)
        group.opened = _opened_anomaly(ts, group.type, group.subject, rule.row.severity, signals, id_)
        changed.append(group.opened)

    def _calm(self, rule: _Rule, t_s: float, ts: datetime, value: float, changed: list[AnomalyV1]) -> None:
        if rule.calm_s is None:
            rule.calm_s = t_s
        if t_s - rule.calm_s < rule.row.clear_s:
            return
        rule.open = False
        rule.calm_s = None
        group = rule.group
        if group.opened is None or any(other.open for other in group.rules):
            return
        opened, group.opened = group.opened, None
        changed.append(_cleared(opened, ts, {rule.row.signal: round(value * rule.sign, 3)}))

    def fault_changes(self, t_s: float, ts: datetime, track: SensorTrack) -> list[AnomalyV1]:
        """The anomalies of one sensor's faults that came or went since the last call."""
        name = track.channel.name
        before, now = track.reported, track.faults
        track.reported = now
        changed: list[AnomalyV1] = []
        for bit, policy in _POLICY_OF_BIT.items():
            if now & bit and not before & bit:
                anomaly = _fault_opened(t_s, ts, track, policy)
                self._faults[name, bit] = anomaly
                changed.append(anomaly)
            elif before & bit and not now & bit:
                changed.append(_cleared(self._faults.pop((name, bit)), ts, {"fault": policy.fault.value}))
        return changed


def _worst_first(changed: list[AnomalyV1]) -> list[AnomalyV1]:
    """Of one moment: each anomaly as it ended up, the worst one first, so that it is the one that is reported."""
    last = {anomaly.id: anomaly for anomaly in changed}
    return sorted(last.values(), key=lambda anomaly: -_RANK[anomaly.severity])


def _fault_opened(t_s: float, ts: datetime, track: SensorTrack, policy: FaultPolicy) -> AnomalyV1:
    signals: dict[str, float | bool | str] = {"fault": policy.fault.value}
    if track.raw is not None:
        signals["last_value"] = round(track.raw, 3)
    if track.reason and policy.type is AnomalyType.SENSOR_DISCONNECT:
        signals["reason"] = track.reason
    severity = policy.severity_essential if track.channel.essential else policy.severity
    subject = track.channel.name
    id_ = _anomaly_id(policy.type, f"{subject}.{policy.fault.value}", t_s)
    return _opened_anomaly(ts, policy.type, subject, severity, signals, id_, policy.check or None)


def _anomaly_id(type_: AnomalyType, subject: str | None, t_s: float) -> str:
    """The same run gives the same ids: they hold the type, the subject and the second of opening."""
    stem = f"{type_.value}.{subject}" if subject else type_.value
    return f"{stem[:52]}.{int(t_s)}"


def _opened_anomaly(
    ts: datetime,
    type_: AnomalyType,
    subject: str | None,
    severity: Severity,
    signals: dict[str, float | bool | str],
    id_: str,
    detail: str | None = None,
) -> AnomalyV1:
    consequence = CONSEQUENCES[type_]
    return AnomalyV1(
        schema_version="anomaly_v1",
        ts=ts,
        severity=severity,
        type=type_,
        signals=signals,
        expected_effects=consequence.expected_effects,
        required_response=consequence.required_response,
        subject=subject,
        phase="OPENED",
        id=id_,
        detail=detail,
    )


def _cleared(opened: AnomalyV1, ts: datetime, signals: dict[str, float | bool | str]) -> AnomalyV1:
    return AnomalyV1(
        schema_version="anomaly_v1",
        ts=ts,
        severity=opened.severity,
        type=opened.type,
        signals=signals,
        subject=opened.subject,
        phase="CLEARED",
        id=opened.id,
    )
