"""sensor_health_v1: one diagnosis a sensor, with known faults, that survives the way to disk and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared_schemas.records import FaultType, SensorHealthV1
from shared_schemas.records.sensor_health_v1 import SensorDiagnosis
from tests.contracts.examples import example, parsed


def test_fault_types_are_valid_enum() -> None:
    assert {f.value for f in FaultType} >= {"STUCK_AT", "JUMP", "DRIFT", "OUT_OF_RANGE", "DISCONNECT"}
    for fault in FaultType:
        health = parsed(
            "sensor_health_v1", sensors=[{"id": "x", "status": "SUSPECT", "confidence": 0.5, "faults": [fault.value]}]
        )
        assert isinstance(health, SensorHealthV1)
        assert health.sensors[0].faults == (fault,)
    for bad in ("stuck_at", "BROKEN", "", None, 1):
        with pytest.raises(ValidationError, match="faults"):
            parsed("sensor_health_v1", sensors=[{"id": "x", "status": "OK", "confidence": 0.5, "faults": [bad]}])


diagnoses = st.builds(
    SensorDiagnosis,
    id=st.from_regex(r"[a-z][a-z0-9_.]{0,20}", fullmatch=True),
    status=st.sampled_from(["OK", "SUSPECT", "FAILED", "NOT_FITTED"]),
    confidence=st.floats(0.0, 1.0),
    faults=st.lists(st.sampled_from(FaultType), unique=True).map(tuple),
    detail=st.text(max_size=240),
)


@given(st.lists(diagnoses, max_size=10))
def test_roundtrip_dump_and_validate(sensors: list[SensorDiagnosis]) -> None:
    health = SensorHealthV1(
        schema_version="sensor_health_v1", ts=example("sensor_health_v1")["ts"], sensors=tuple(sensors)
    )
    line = health.to_json()
    assert "\n" not in line
    again = SensorHealthV1.from_json(line)
    assert again == health
    assert again.to_json() == line
    assert SensorHealthV1.model_validate(health.model_dump()) == health


@pytest.mark.parametrize("change", [{"status": "FINE"}, {"confidence": 1.5}, {"id": ""}, {"mood": "good"}])
def test_bad_diagnosis_is_refused(change: dict[str, object]) -> None:
    sensor = {"id": "x", "status": "OK", "confidence": 0.5, **change}
    with pytest.raises(ValidationError):
        parsed("sensor_health_v1", sensors=[sensor])
