"""A person's STOP_ALL ends what runs on the board itself, not only the host's list of jobs. On the firmware's core."""

from __future__ import annotations

from typing import Any

from tomato_host.brain.execution.executor import Executor
from tomato_host.twin.campaign.tent_run import TentLine
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.records import ActionV1
from shared_schemas.records.action_v1 import ActionType, Params
from tests.execution.test_executor import GenerousDoor

REST_S = 70.0
"""After its boot a board lets every output rest for its minimum pause."""


def of(kind: ActionType, tent: SimulatedTent, **params: Any) -> ActionV1:
    return ActionV1(
        schema_version="action_v1", ts=tent.now, type=kind, params=Params(**params), id=f"p-{kind.value}", origin="api"
    )


def test_an_accepted_stop_all_switches_the_pins_off() -> None:
    tent = SimulatedTent(1)
    tent.advance(REST_S)
    executor = Executor(TentLine(tent), GenerousDoor())
    for kind, params in (
        (ActionType.SET_LIGHT, {"state": "ON", "seconds": 3_600.0}),
        (ActionType.SET_CIRCULATION_FAN, {"state": "ON", "seconds": 3_600.0}),
        (ActionType.WATER, {"ml": 200.0}),
    ):
        executor.start(of(kind, tent, **params), (), tent.now_ms, tent.now)
    executor.tick(tent.now_ms, tent.now)
    assert tent.world.outputs.bit_count() == 3, "lamp, fan and pump run"

    executor.start(of(ActionType.STOP_ALL, tent), (), tent.now_ms, tent.now)

    assert tent.world.outputs == 0
    for result in tent.take_results():
        executor.on_result(result, tent.now_ms, tent.now)
    ended = {action.type: action.outcome for action in executor.pop_finished()}
    assert set(ended) == {ActionType.STOP_ALL, ActionType.SET_LIGHT, ActionType.SET_CIRCULATION_FAN, ActionType.WATER}
    assert not executor.jobs


def test_it_passes_while_a_job_of_another_process_runs_on_the_board() -> None:
    """A board that was commanded before this process began has pulses that no job of this process knows."""
    tent = SimulatedTent(1)
    tent.advance(REST_S)
    tent.pulse("light", 600_000)
    tent.advance(1.0)
    executor = Executor(TentLine(tent), GenerousDoor())

    executor.start(of(ActionType.STOP_ALL, tent), (), tent.now_ms, tent.now)

    assert tent.world.outputs == 0
