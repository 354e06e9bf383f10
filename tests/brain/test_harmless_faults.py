"""A latched fault that blocks no output neither stops water nor switches to safe mode; any other does both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tomato_host.brain.brain import Brain
from tomato_host.brain.safe_mode_inputs import HARMLESS, blocking_faults
from tomato_host.brain.step_data import RuntimeContext

from shared_schemas.records import DeviceStatusV1
from shared_schemas.records.device_status_v1 import LatchedFault
from shared_schemas.wire import FAULTS
from tests.brain.test_brain import START, devices, observation


def holding(name: str) -> DeviceStatusV1:
    return devices(START).model_copy(update={"faults": (LatchedFault(id=0, name=name),)})


def test_the_harmless_ones_are_those_that_block_nothing() -> None:
    assert {"restarts", "counters_lost", "config_lost", "config_bounds", "watchdog_reset"} == HARMLESS
    assert blocking_faults(None) == ()
    assert blocking_faults(holding("from_a_newer_board")) == ("from_a_newer_board",)


@pytest.mark.parametrize("fault", [row.name for row in FAULTS])
def test_safe_mode_follows_only_a_fault_that_blocks_something(fault: str) -> None:
    brain = Brain()
    modes = []
    for step in range(120):
        at = START + timedelta(seconds=10 * step)
        brain.step(observation(at), holding(fault).model_copy(update={"ts": at}), RuntimeContext(now=at))
        modes.append(brain.mode)
    assert ("SAFE" in modes) == (fault not in HARMLESS)
