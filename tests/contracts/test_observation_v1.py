"""observation_v1: every quantity is named, with a value or with the reason why there is none."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared_schemas.records import ObservationV1
from shared_schemas.records.observation_v1 import QUANTITIES
from tests.contracts.examples import example, parsed


def test_valid_observation_passes() -> None:
    observation = parsed("observation_v1")
    assert isinstance(observation, ObservationV1)
    assert observation.air_temp_c == 24.3
    assert [p.id for p in observation.soil] == ["P1", "P2"]
    assert observation.soil[1].missing == "unplugged"
    assert observation.missing == {"door_open": "not_fitted"}
    assert observation.board is not None and observation.board.seq == 4711
    assert ObservationV1.from_json(observation.to_json()) == observation


@pytest.mark.parametrize("name", QUANTITIES)
def test_missing_sensor_fails(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        parsed("observation_v1", **{name: ...})
    silent = {k: v for k, v in example("observation_v1")["missing"].items() if k != name}
    with pytest.raises(ValidationError, match=name):
        parsed("observation_v1", **{name: None, "missing": silent})
    accounted = {**silent, name: "timeout"}
    assert getattr(parsed("observation_v1", **{name: None, "missing": accounted}), name) is None


def test_missing_soil_list_and_silent_probe_fail() -> None:
    with pytest.raises(ValidationError, match="soil"):
        parsed("observation_v1", soil=...)
    with pytest.raises(ValidationError, match="P1"):
        parsed("observation_v1", soil=[{"id": "P1", "moisture_pct": None}])
    with pytest.raises(ValidationError, match="P1"):
        parsed("observation_v1", soil=[{"id": "P1", "moisture_pct": 20.0, "missing": "crc"}])
    with pytest.raises(ValidationError, match="same id"):
        parsed("observation_v1", soil=[{"id": "P1", "moisture_pct": 20.0}, {"id": "P1", "moisture_pct": 21.0}])


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("air_temp_c", "24.3"),
        ("rh_pct", 101.0),
        ("co2_ppm", -1.0),
        ("light_lux", 1e9),
        ("leak", 0),
        ("ts", "today"),
        ("ts", "2026-02-14T10:00:00"),
        ("origin", "guess"),
        ("missing", {"door_open": "lazy"}),
        ("missing", {"door_open": "not_fitted", "wind": "not_fitted"}),
    ],
)
def test_wrong_values_name_their_field(name: str, bad: object) -> None:
    with pytest.raises(ValidationError, match=name):
        parsed("observation_v1", **{name: bad})
