"""action_v1: only known actions, always with an end, stamped with an aware time."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionType, ActionV1
from shared_schemas.records.action_v1 import OUTPUT_OF
from tests.contracts.examples import parsed

ENOUGH = {
    "WATER": {"ml": 200.0},
    "CO2_INJECT": {"seconds": 10.0},
    "STOP_ALL": {},
    "NO_ACTION": {},
}


@pytest.mark.parametrize("bad", ["2026-02-14T10:00:05", "14.2.2026 10:00", "", None, 17, "2026-13-01T00:00Z"])
def test_invalid_timestamp_fails(bad: object) -> None:
    with pytest.raises(ValidationError, match="ts"):
        parsed("action_v1", ts=bad)


def test_action_types_are_valid_enum() -> None:
    for kind in ActionType:
        params = ENOUGH.get(kind.value, {"state": "ON", "seconds": 60.0})
        action = parsed("action_v1", type=kind.value, params=params)
        assert isinstance(action, ActionV1)
        assert action.type is kind
        assert ActionV1.from_json(action.to_json()) == action
    for bad in ("water", "WATER_PULSE", "OPEN_WINDOW", "", None, 3):
        with pytest.raises(ValidationError, match="type"):
            parsed("action_v1", type=bad)


def test_every_action_has_an_output_that_exists() -> None:
    assert set(OUTPUT_OF) == set(ActionType) - {ActionType.STOP_ALL, ActionType.NO_ACTION}
    assert set(OUTPUT_OF.values()) == set(OUTPUT_BY_NAME)


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("WATER", {}),
        ("WATER", {"ml": 0.0}),
        ("WATER", {"ml": -5.0}),
        ("CO2_INJECT", {}),
        ("SET_LIGHT", {}),
        ("SET_LIGHT", {"state": "ON"}),
        ("SET_LIGHT", {"state": "DIM", "seconds": 5.0}),
        ("STOP_ALL", {"seconds": 1.0}),
        ("NO_ACTION", {"ml": 1.0}),
        ("WATER", {"ml": "200"}),
    ],
)
def test_nothing_is_on_without_an_end(kind: str, params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parsed("action_v1", type=kind, params=params)


def test_switching_off_needs_no_end() -> None:
    action = parsed("action_v1", type="SET_EXHAUST_FAN", params={"state": "OFF"})
    assert isinstance(action, ActionV1)
    assert action.params.seconds is None
