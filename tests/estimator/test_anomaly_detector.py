"""Thresholds against their specification, and one event as one anomaly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.estimator.anomaly_detector import SIGNALS, AnomalyDetector
from tomato_host.brain.estimator.anomaly_thresholds import CONSEQUENCES, FAULT_POLICIES, THRESHOLDS, Threshold
from tomato_host.brain.estimator.channels import SOIL_PROBE
from tomato_host.brain.estimator.sensor_health import OUT_OF_RANGE, STUCK, SensorTrack
from tomato_host.brain.estimator.threshold_signals import ThresholdSignals

from shared_schemas.records import AnomalyType, AnomalyV1, FaultType
from tests.estimator.days import CALM, NOON, Drive, Gone, devices
from tests.estimator.markdown import table_with
from tests.fixtures.anomaly_test_scenarios import ANOMALY_TEST_SCENARIOS, AnomalyScenario

PAGE = "anomaly_thresholds.md"
QUIET: list[float | None] = [None] * (len(SIGNALS) + 1)


def _play(scenario: AnomalyScenario) -> list[AnomalyV1]:
    def change(readings: dict[str, Any], t_s: float) -> None:
        for name, corners in scenario.readings.items():
            level = float(np.interp(t_s / 60.0, [c[0] for c in corners], [c[1] for c in corners]))
            readings[name] = round(max(0.0, level + readings[name] - CALM[name]), 2)
        readings.update({name: Gone(reason) for name, reason in scenario.missing.items()})

    drive = Drive()
    return drive.run(scenario.minutes, change, devices(mcu_connected=scenario.board_connected))


@pytest.mark.parametrize("scenario", ANOMALY_TEST_SCENARIOS, ids=lambda s: s.name)
def test_threshold_breach_emits_anomaly(scenario: AnomalyScenario) -> None:
    told = _play(scenario)
    assert [(a.type.value, a.severity.value, a.phase) for a in told] == list(scenario.expected)
    for anomaly in told:
        if anomaly.phase == "OPENED":
            assert anomaly.required_response == CONSEQUENCES[anomaly.type].required_response
            assert anomaly.id is not None


def test_worsening_keeps_the_id_of_the_event() -> None:
    heatwave = next(s for s in ANOMALY_TEST_SCENARIOS if "heatwave" in s.name)
    told = _play(heatwave)
    assert len({a.id for a in told}) == 1
    assert told[0].signals["threshold"] == 32.0
    assert told[1].signals["threshold"] == 35.0


def test_all_thresholds_specified_in_spec() -> None:
    rows = table_with(PAGE, "type", "opens at")
    code = [
        {
            "type": t.type.value,
            "signal": t.signal,
            "side": t.side,
            "opens at": f"{t.opens_at:g}",
            "clears at": f"{t.clears_at:g}",
            "hold s": f"{t.hold_s:g}",
            "clear s": f"{t.clear_s:g}",
            "severity": t.severity.value,
        }
        for t in THRESHOLDS
    ]
    assert rows == code
    told_by_others = {"WIND_SPIKE", "SENSOR_FAULT", "SENSOR_DISCONNECT", "ACTUATOR_NO_EFFECT", "WATER_BLOCKED"}
    assert {row["type"] for row in rows} == {t.value for t in AnomalyType} - told_by_others
    fault_rows = table_with(PAGE, "fault", "severity if essential")
    assert fault_rows == [
        {
            "fault": p.fault.value,
            "type": p.type.value,
            "severity": p.severity.value,
            "severity if essential": p.severity_essential.value,
        }
        for p in FAULT_POLICIES
    ]
    assert {row["fault"] for row in fault_rows} == {f.value for f in FaultType}


def test_all_responses_specified_in_spec() -> None:
    rows = table_with(PAGE, "type", "required response")
    assert {row["type"]: (row["expected effects"], row["required response"]) for row in rows} == {
        t.value: (", ".join(c.expected_effects), ", ".join(c.required_response)) for t, c in CONSEQUENCES.items()
    }


@pytest.mark.parametrize("row", THRESHOLDS, ids=lambda r: f"{r.type.value}-{r.severity.value}-{r.signal}")
def test_every_row_waits_opens_holds_and_clears(row: Threshold) -> None:
    detector = AnomalyDetector(["soil.P1"])
    index = len(SIGNALS) if row.signal == "soil_probe_pct" else SIGNALS.index(row.signal)
    away = 1.0 if row.side == "above" else -1.0
    severities = []

    def feed(t_s: float, value: float | None) -> list[AnomalyV1]:
        signals = list(QUIET)
        signals[index] = value
        return detector.update(t_s, NOON + timedelta(seconds=t_s), signals)

    beyond = row.opens_at + away * 1e-3
    between = 0.5 * (row.opens_at + row.clears_at)
    assert feed(0.0, row.opens_at) == []
    if row.hold_s:
        early = feed(10.0, beyond) + feed(10.0 + row.hold_s - 1.0, beyond)
        assert row.severity not in [a.severity for a in early]
    severities = [a.severity for a in feed(10.0 + row.hold_s, beyond)]
    assert severities[-1:] == [row.severity]
    after = 20.0 + row.hold_s
    assert feed(after, beyond) == []
    assert feed(after + 1e5, between if row.opens_at != row.clears_at else beyond) == []
    assert feed(after + 2e5, None) == []
    assert detector.open != ()
    gates = [t.clears_at for t in THRESHOLDS if (t.type, t.signal) == (row.type, row.signal)]
    behind = min(gates) if row.side == "above" else max(gates)
    told = feed(after + 3e5, behind) + feed(after + 3e5 + row.clear_s, behind)
    assert [a.phase for a in told] == ["CLEARED"]
    assert detector.open == ()


def test_missing_signal_interrupts_the_wait() -> None:
    detector = AnomalyDetector(["soil.P1"])
    index = SIGNALS.index("soil_avg_pct")
    told = []
    for minute in range(300):
        signals = list(QUIET)
        signals[index] = None if minute % 20 == 19 else 10.0
        told += detector.update(minute * 60.0, NOON, signals)
    assert told == []  # 30 min of sight are never together


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(30.0, 4_000.0), st.one_of(st.none(), st.floats(0.0, 45.0))), max_size=120))
def test_every_event_opens_once_and_clears_once(steps: list[tuple[float, float | None]]) -> None:
    detector = AnomalyDetector([])
    t_s = 0.0
    open_ids: dict[str, int] = {}
    for gap, value in steps:
        t_s += gap
        signals = list(QUIET)[: len(SIGNALS)]
        signals[SIGNALS.index("air_temp_c")] = value
        for anomaly in detector.update(t_s, NOON + timedelta(seconds=t_s), signals):
            assert anomaly.id is not None
            if anomaly.phase == "CLEARED":
                assert anomaly.id in open_ids
                del open_ids[anomaly.id]
            else:
                open_ids[anomaly.id] = open_ids.get(anomaly.id, 0) + 1
                assert open_ids[anomaly.id] <= 3  # at most one word for each of the three severities
    assert {a.id for a in detector.open} == set(open_ids)


def test_faults_are_told_when_they_come_and_go() -> None:
    detector = AnomalyDetector(["soil.P1"])
    track = SensorTrack(SOIL_PROBE)
    track.faults = STUCK | OUT_OF_RANGE
    opened = detector.fault_changes(100.0, NOON, track)
    assert {a.signals["fault"] for a in opened} == {"STUCK_AT", "OUT_OF_RANGE"}
    assert detector.fault_changes(110.0, NOON, track) == []
    track.faults = OUT_OF_RANGE
    cleared = detector.fault_changes(120.0, NOON, track)
    assert [(a.phase, a.signals["fault"], a.id) for a in cleared] == [
        ("CLEARED", "STUCK_AT", next(a.id for a in opened if a.signals["fault"] == "STUCK_AT"))
    ]


def test_of_one_moment_the_worst_comes_first_and_each_anomaly_once() -> None:
    """Dry pots open SOIL_DRY for their mean and for each probe at once: a phone rings for the first of them."""
    detector = AnomalyDetector(["soil.P1"])
    signals = list(QUIET)
    signals[SIGNALS.index("soil_avg_pct")], signals[len(SIGNALS)] = 9.0, 9.0
    signals[SIGNALS.index("co2_ppm")] = 4_000.0
    found = [detector.update(t_s, NOON, signals) for t_s in (0.0, 7_200.0)]
    assert [(a.type.value, a.severity.value) for a in found[1]] == [
        ("CO2_HIGH", "CRITICAL"), ("SOIL_DRY", "HIGH"), ("SOIL_DRY", "MEDIUM"),
    ]  # fmt: skip


def test_only_light_under_the_lamp_ends_a_dead_lamp() -> None:
    """Switched off and on again, as each new decision does, a dead lamp was reported as recovered."""
    signals = ThresholdSignals(daylight=False)
    seen = [
        signals._light_mismatch(t_s, lux, lamp, settled)[0]
        for t_s, lux, lamp, settled in (
            (0.0, 0.0, True, True),
            (310.0, 0.0, True, True),
            (320.0, 0.0, False, True),
            (330.0, 0.0, True, False),
            (700.0, 0.0, True, True),
            (710.0, 20_000.0, True, True),
        )
    ]
    assert seen == [0.0, 310.0, None, None, 0.0, 0.0]
