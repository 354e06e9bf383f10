"""state_v1: nested, versioned, with a stated trust."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared_schemas.records import StateV1
from tests.contracts.examples import example, parsed


def test_valid_state_payload_passes() -> None:
    state = parsed("state_v1")
    assert isinstance(state, StateV1)
    assert state.env.air_temp_c == 24.3
    assert state.soil.probes[1].moisture_pct == 49.2
    assert state.soil.zone_pattern == "two_zone"
    assert state.plant.vision is not None and state.plant.vision.fruit_count_est == 3
    assert state.ts.utcoffset() is not None
    assert StateV1.from_json(state.to_json()) == state


def test_missing_schema_version_fails() -> None:
    with pytest.raises(ValidationError, match="schema_version"):
        parsed("state_v1", schema_version=...)
    with pytest.raises(ValidationError, match="schema_version"):
        parsed("state_v1", schema_version="state_v2")


@pytest.mark.parametrize("bad", [-0.01, 1.01, "0.8", None, True])
def test_confidence_field_is_float_0_to_1(bad: object) -> None:
    assert parsed("state_v1", confidence=0.0).confidence == 0.0  # type: ignore[attr-defined]  # a StateV1
    assert parsed("state_v1", confidence=1.0).confidence == 1.0  # type: ignore[attr-defined]  # a StateV1
    with pytest.raises(ValidationError, match="confidence"):
        parsed("state_v1", confidence=bad)
    with pytest.raises(ValidationError, match="confidence"):
        parsed("state_v1", confidence=...)
    with pytest.raises(ValidationError, match="quantity_confidence"):
        parsed("state_v1", quantity_confidence={"rh_pct": bad})


def test_state_cannot_be_changed_and_takes_no_unknown_field() -> None:
    state = parsed("state_v1")
    with pytest.raises(ValidationError, match="frozen"):
        state.confidence = 0.1  # type: ignore[attr-defined]  # the mistake under test
    with pytest.raises(ValidationError, match="humour"):
        parsed("state_v1", humour="good")
    env = {**example("state_v1")["env"], "air_temperature": 20.0}
    with pytest.raises(ValidationError, match="air_temperature"):
        parsed("state_v1", env=env)


def test_unknown_is_null_and_never_out_of_range() -> None:
    env = example("state_v1")["env"]
    assert parsed("state_v1", env={**env, "rh_pct": None, "vpd_kpa": None}).env.vpd_kpa is None  # type: ignore[attr-defined]  # a StateV1
    for name, bad in (("rh_pct", 100.1), ("air_temp_c", -41.0), ("vpd_kpa", -0.1), ("co2_ppm", 1e9)):
        with pytest.raises(ValidationError, match=name):
            parsed("state_v1", env={**env, name: bad})
