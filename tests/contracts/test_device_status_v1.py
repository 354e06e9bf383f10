"""device_status_v1: every output, the board, the budgets used."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from shared_schemas.devices import OUTPUTS
from shared_schemas.records import DeviceStatusV1
from shared_schemas.records.device_status_v1 import Outputs
from tests.contracts.examples import example, parsed


def test_valid_device_status_passes() -> None:
    status = parsed("device_status_v1")
    assert isinstance(status, DeviceStatusV1)
    assert status.outputs.light == "ON"
    assert status.mcu_connected
    assert DeviceStatusV1.from_json(status.to_json()) == status
    assert list(Outputs.model_fields) == [o.name for o in OUTPUTS]


@pytest.mark.parametrize("name", ["ts", "last_reset_ts"])
def test_timestamp_validation_works(name: str) -> None:
    for bad in ("2026-02-14T10:00:00", "yesterday", 12, True):
        with pytest.raises(ValidationError, match=name):
            parsed("device_status_v1", **{name: bad})
    status = parsed("device_status_v1", **{name: "2026-02-14T09:00:00Z"})
    assert getattr(status, name) == datetime.fromisoformat("2026-02-14T10:00:00+01:00")
    with pytest.raises(ValidationError, match="ts"):
        parsed("device_status_v1", ts=None)
    assert parsed("device_status_v1", last_reset_ts=None).last_reset_ts is None  # type: ignore[attr-defined]  # known type


@pytest.mark.parametrize("output", [o.name for o in OUTPUTS])
def test_every_output_is_required_and_on_or_off(output: str) -> None:
    outputs = example("device_status_v1")["outputs"]
    with pytest.raises(ValidationError, match=output):
        parsed("device_status_v1", outputs={k: v for k, v in outputs.items() if k != output})
    for bad in ("on", True, 1, None):
        with pytest.raises(ValidationError, match=output):
            parsed("device_status_v1", outputs={**outputs, output: bad})
