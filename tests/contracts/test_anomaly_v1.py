"""anomaly_v1: strict types, known severities and kinds."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from shared_schemas.records import AnomalyType, AnomalyV1, Severity
from tests.contracts.examples import parsed


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("signals", {"gust": None}),
        ("signals", {"gust": [18.0]}),
        ("signals", [1]),
        ("expected_effects", "drying"),
        ("required_response", [1, 2]),
        ("subject", 7),
        ("subject", "two words"),
        ("phase", "opened"),
        ("detail", 3.5),
        ("ts", 0),
        ("severity", 2),
        ("type", 5),
    ],
)
def test_strict_types_reject_coercion(name: str, bad: object) -> None:
    with pytest.raises(ValidationError, match=name):
        parsed("anomaly_v1", **{name: bad})


def test_numbers_stay_numbers_and_flags_stay_flags() -> None:
    anomaly = parsed("anomaly_v1", signals={"gust": 18.0, "open": True, "fault": "JUMP"})
    assert isinstance(anomaly, AnomalyV1)
    assert [type(v) for v in anomaly.signals.values()] == [float, bool, str]
    assert json.loads(anomaly.to_json())["signals"] == {"gust": 18.0, "open": True, "fault": "JUMP"}
    with pytest.raises(ValidationError, match="signals"):
        AnomalyV1.model_validate({**json.loads(anomaly.to_json()), "signals": {"gust": float("nan")}})


def test_severity_levels_are_valid() -> None:
    assert [s.value for s in Severity] == ["LOW", "MEDIUM", "HIGH", "CRITICAL"]
    for severity in Severity:
        anomaly = parsed("anomaly_v1", severity=severity.value)
        assert isinstance(anomaly, AnomalyV1)
        assert anomaly.severity is severity
    for bad in ("low", "SEVERE", "", None, 1):
        with pytest.raises(ValidationError, match="severity"):
            parsed("anomaly_v1", severity=bad)


def test_types_are_valid_enum() -> None:
    for kind in AnomalyType:
        assert parsed("anomaly_v1", type=kind.value).type is kind  # type: ignore[attr-defined]  # an AnomalyV1
    with pytest.raises(ValidationError, match="type"):
        parsed("anomaly_v1", type="MARTIANS")
