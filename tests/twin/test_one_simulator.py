"""One simulator: the real firmware in the VM, its core ticked every 50 ms, and the core as campaigns run it agree.

Each plays the same hostile script. Compared are every relay's every move, state, outputs, faults, budgets and
flash writes every five seconds; and the result of every command.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tomato_host.twin.core_board import CoreBoard
from tomato_host.twin.grower import COMES_AFTER_MS
from tomato_host.twin.sensors import chip_bits
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.wire import FAULTS
from tests.twin.boards import Played, play_in_the_vm, play_on_cpython
from tests.twin.hostile_script import ScriptedSensors, abandoned_script, hostile_script, scripted_world

DENSE_S = (1, 1, 2, 3, 5)
VM_SCRIPTS = {
    "seed 13": (hostile_script(13, 6, DENSE_S), 6),
    "seed 23": (hostile_script(23, 6, DENSE_S), 6),
    "abandoned": (abandoned_script(), 14),
}
"""(script, minutes): two of many in which most happens, and ten minutes without a host."""
CORE_SEEDS = range(8)
CORE_MINUTES = 15
TICK_MS = 50


@pytest.mark.parametrize("name", VM_SCRIPTS)
def test_firmware_core_and_campaign_simulator_do_the_same(tmp_path: Path, name: str) -> None:
    script, minutes = VM_SCRIPTS[name]
    end_ms = minutes * 60_000
    vm = play_in_the_vm(script, end_ms, tmp_path)
    for skip_idle in (False, True):
        core = play_on_cpython(script, end_ms, skip_idle)
        assert to_the_tick(core) == to_the_tick(vm)
        assert core.health == vm.health
        # What the board said while the line was cut never reached the host in the VM's test.
        for key, (reason, delivered) in vm.results.items():
            assert core.results[key][0] == reason
            # A cut falls on a turn of the loop; the VM's loop also turns between two ticks, when an input changes.
            slack_ms = TICK_MS if key[1] == "ABORTED" else 0
            assert abs(core.results[key][1] - delivered) <= slack_ms, key
    assert len(vm.switched) > 5 and len(vm.health) > 30 and len(vm.results) >= 3
    if name == "abandoned":
        assert "SURVIVAL" in {state for _, (state, *_) in vm.health}


def to_the_tick(played: Played) -> list[tuple[int, int, bool]]:
    """Moves of the relays by safety tick.

    The whole firmware turns its loop once more in the same ms while events wait to be sent, so a fan without a minimum
    pause comes back after a flash write within that ms, and on the core alone in the next.
    """
    return [(t_ms // TICK_MS, output, on) for t_ms, output, on in played.switched]


@pytest.fixture(scope="module")
def played() -> dict[int, tuple[Played, Played]]:
    """Each script with every tick, and with the due ones alone."""
    end_ms = CORE_MINUTES * 60_000
    scripts = {seed: hostile_script(seed, CORE_MINUTES) for seed in CORE_SEEDS}
    return {seed: (play_on_cpython(s, end_ms, False), play_on_cpython(s, end_ms, True)) for seed, s in scripts.items()}


def test_leaving_idle_ticks_out_changes_nothing(played: dict[int, tuple[Played, Played]]) -> None:
    for seed, (every_tick, due_ticks) in played.items():
        assert due_ticks == every_tick, f"script {seed}"


def test_the_scripts_are_hostile_enough(played: dict[int, tuple[Played, Played]]) -> None:
    """Whatever agrees, it was not for want of trouble."""
    everything = [one for one, _ in played.values()]
    assert {state for one in everything for _, (state, *_) in one.health} >= {"SAFE", "READY", "LEASED", "FAULT"}
    faults = {name for one in everything for _, (_, _, names, *_) in one.health for name in names}
    assert faults >= {"leak", "over_temp", "estop", "stuck_valve", "soil_hot"}
    reasons = {reason for one in everything for reason, _ in one.results.values()}
    assert len(reasons) >= 15, sorted(reasons)
    assert {row.name for row in FAULTS} >= faults
    assert sum(len(one.switched) for one in everything) > 80


def leased_board() -> tuple[CoreBoard, ScriptedSensors]:
    world, sensors = scripted_world()
    board = CoreBoard(world, 10_000)
    board.host_renews = True
    board.run_to(70_000)
    assert board.health().state == "LEASED"
    return board, sensors


def test_a_mat_without_a_soil_thermometer_is_refused_as_the_firmware_does() -> None:
    board, sensors = leased_board()
    sensors.faults.absent = chip_bits("ds18b20")
    board.run_to(100_000)
    answer = board.command("PULSE", cmd_id=1, not_after_ms=1 << 40, output=4, amount=60_000)
    assert answer is not None and (answer.status, answer.reason) == ("REJECTED", "soil_temp_stale")


def test_after_39_degrees_the_lamp_stays_off_until_the_button_and_air_is_forced_until_34() -> None:
    board, sensors = leased_board()

    def lamp() -> tuple[str, str]:
        answer = board.command("PULSE", cmd_id=board.now_ms, not_after_ms=1 << 40, output=0, amount=60_000)
        assert answer is not None
        return answer.status, answer.reason

    def air(temp_c: float, until_ms: int) -> int:
        sensors.shown = replace(sensors.shown, air_temp_c=temp_c)
        board.run_to(until_ms)
        return board.world.outputs

    assert air(39.0, 100_000) == 0b110, "both fans, though nobody asked"
    assert lamp() == ("REJECTED", "over_temp")
    assert air(36.0, 200_000) == 0b110 and lamp() == ("REJECTED", "over_temp"), "hysteresis"
    assert air(30.0, 300_000) == 0 and lamp() == ("REJECTED", "fault_latched"), "the cause is gone, the latch stays"
    board.world.button = True
    board.run_to(304_000)
    board.world.button = False
    answer = board.command("CLEAR_FAULT", cmd_id=1, not_after_ms=1 << 40, fault=1)
    assert answer is not None and answer.status == "DONE"
    board.run_to(310_000)
    assert lamp()[0] == "ACCEPTED"


def test_the_person_of_a_campaign_clears_an_hour_after_the_cause_has_gone() -> None:
    tent = SimulatedTent(1, scenario="valve_stuck@0.1+0.02", period_s=60.0)
    tent.advance(600.0)
    assert [f.name for f in _faults(tent)] == ["stuck_valve"]
    assert not tent.take_acknowledgement()
    tent.advance(COMES_AFTER_MS / 1_000.0 - 300.0)
    assert [f.name for f in _faults(tent)] == ["stuck_valve"]
    tent.advance(400.0)
    assert _faults(tent) == () and tent.take_acknowledgement() and not tent.take_acknowledgement()


def _faults(tent: SimulatedTent) -> tuple[Any, ...]:
    tent.observe()
    return tent.device_status().faults
