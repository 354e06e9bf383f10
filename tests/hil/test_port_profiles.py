"""The firmware as a Pico and as an ESP32, on every version of MicroPython: boots, leases, pulses, survives, keeps time.

The stand-ins are as strict as the port (twin/vm/ports.py): what a chip refuses, they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.vm.ports import PROFILES
from tomato_host.twin.world import World

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.wire.codes import EVENTS, FAULTS
from tests.hil.test_twin_firmware import LEASE_MS, LEASED, REST_MS, STATE_EVENT, SURVIVAL, keep_leased, leased
from tests.hil.wire_host import lock_step_host

LIGHT, PUMP, HEATER = (OUTPUT_BY_NAME[name].wire_id for name in ("light", "water_pump", "heater_mat"))
BOARD_OF_PORT = {"rp2": "pico", "esp32": "esp32"}
WRAP_MS = 1 << 30
ENDS = ("rp2-1.24", "rp2-1.28", "esp32-1.24", "esp32-1.28")
"""The oldest and the newest of each port; the versions between are left to the soak run."""
MATRIX = [pytest.param(p, marks=[] if p in ENDS else pytest.mark.soak) for p in PROFILES]

Make = Callable[..., LockStep]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[LockStep] = []

    def build(port: str, scenario: str | None = None, **more: Any) -> LockStep:
        made.append(LockStep(3, scenario, flash=tmp_path, port=port, **more))
        return made[-1]

    yield build
    for twin in made:
        twin.close()


@pytest.mark.parametrize("port", PROFILES)
def test_it_boots_leases_doses_by_the_flow_meter_and_survives(port: str, make: Make) -> None:
    """Timer, pin interrupt, watchdog, converters and registers of the port are all used on the way."""
    twin = make(port)
    host = leased(twin)
    assert host.of("HELLO")[0][1]["board"] == BOARD_OF_PORT[port.partition("-")[0]]
    keep_leased(twin, host, REST_MS)
    cmd = host.pulse(PUMP, 100)
    keep_leased(twin, host, twin.now_ms + 10_000)
    done = [f for _, f in host.of("RESULT") if f.get("cmd_id") == cmd and f["status"] != 0]
    assert done and done[-1]["delivered"] == pytest.approx(100, abs=12), "measured, so the interrupt counts"
    raw = host.of("SAMPLE")[-1][1]["values"]
    assert 1_000 < raw[8] < 64_500 and 1_000 < raw[9] < 64_500, "the probes stay within the converter's scale"
    host.pulse(LIGHT, 600_000)
    keep_leased(twin, host, twin.now_ms + 1_000)
    assert twin.world.outputs == 1 << LIGHT
    lost_ms = twin.now_ms
    while twin.world.outputs and twin.now_ms < lost_ms + 20_000:
        host.listen()
    assert twin.now_ms - lost_ms <= LEASE_MS + 200
    host.close()
    alone_until_ms = twin.now_ms + 11 * 60_000
    while twin.now_ms < alone_until_ms:
        twin.advance(alone_until_ms, twin.bytes_taken)
    assert twin.world.outputs & 1 << LIGHT, "the stored programme gives light"
    host = lock_step_host(twin, session=2)
    host.greet()
    for _ in range(20):
        host.listen()
    assert (STATE_EVENT, SURVIVAL) in [(f["event"], f["b"]) for _, f in host.of("EVENT")]
    assert not twin.board.resets and not twin.world.safety.broken()
    host.close()


@pytest.mark.parametrize("port", PROFILES)
def test_its_counter_wraps_during_a_dose(port: str, make: Make) -> None:
    """`ticks_ms` starts over after 12.4 days: here 65 s after power-on, with the pump running."""
    twin = make(port, ticks_from=WRAP_MS - 65_000)
    host = leased(twin)
    keep_leased(twin, host, 63_000)
    cmd = host.pulse(PUMP, 100)
    keep_leased(twin, host, 75_000)
    done = [f for _, f in host.of("RESULT") if f.get("cmd_id") == cmd and f["status"] != 0]
    assert done and done[-1]["delivered"] == pytest.approx(100, abs=12)
    sample = host.of("SAMPLE")[-1][1]
    assert 60_000 < sample["t_ms"] <= 75_000 and sample["state"] == LEASED
    assert twin.world.safety.pump_longest_ms < 8_000 and not twin.board.resets
    host.close()


@pytest.mark.parametrize("port", MATRIX)
def test_a_reset_keeps_its_budgets_and_counts_its_starts(port: str, make: Make) -> None:
    twin = make(port)
    host = leased(twin)
    keep_leased(twin, host, REST_MS)
    host.pulse(PUMP, 200)
    keep_leased(twin, host, 2 * REST_MS)
    twin.board.power_cycle()
    host.close()
    twin.advance(twin.now_ms + 1_000, twin.bytes_taken)
    again = leased(twin, session=2)
    again.send("HEALTH")
    assert again.await_message("HEALTH").fields["day_used"][PUMP] >= 150
    assert again.of("HELLO")[-1][1]["boot_id"] == host.of("HELLO")[0][1]["boot_id"] + 1
    again.close()


@pytest.mark.parametrize("port", MATRIX)
def test_firmware_that_cannot_start_leaves_the_prompt_after_three_tries_and_tries_again(
    port: str, tmp_path: Path
) -> None:
    """The old ESP32 fault, in its kind: an error at every start is no endless reboot that writes flash."""
    from tomato_host.twin.firmware_files import firmware_dir

    firmware = tmp_path / "firmware"
    _broken_copy(firmware_dir(), firmware)
    board = VirtualBoard(World(1), tmp_path / "flash", firmware, port=port, stay_at_prompt=True)
    try:
        while not board.at_prompt:
            board.run_to(board.now_ms + 1_000)
        assert board.boots == 4 and board.now_ms < 10_000 and board.world.outputs == 0
        error = board._settings.flash / "last_error.txt"
        written = error.stat().st_mtime_ns
        board.run_to(board.now_ms + 3_600_000)
        assert 4 * 5 <= board.boots <= 4 * 7, "three tries every ten minutes"
        assert error.stat().st_mtime_ns == written, "the same error is not written again"
        assert "no such timer" in error.read_text()
    finally:
        board.close()


def _broken_copy(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target)
    timer = target / "tomato" / "hal" / "timer.py"
    timer.write_text("raise ValueError('no such timer')\n" + timer.read_text())


@pytest.mark.parametrize("port", ["rp2-1.28", "esp32-1.28"])
def test_a_button_held_at_power_on_leaves_the_prompt_and_a_stuck_one_costs_ten_minutes(
    port: str, tmp_path: Path
) -> None:
    world = World(1)
    world.button = True
    board = VirtualBoard(world, tmp_path, port=port, stay_at_prompt=True)
    try:
        board.run_to(5_000)
        assert board.at_prompt and world.outputs == 0
        board.run_to(590_000)
        assert board.at_prompt and board.boots == 1
        board.run_to(615_000)
        assert not board.at_prompt and board.boots == 2
    finally:
        board.close()


DOSES_S = (70, 140, 210)
SCENARIOS = {
    "leak@0.02+0.05": ("leak", DOSES_S),
    "valve_stuck@0.02+0.02": ("stuck_valve", DOSES_S),
    "pump_clog@0.015+1": ("no_flow", (70, 390, 2_210)),
}
"""Fault of the twin -> the board's fault, and when a dose is asked for, in s: a dry pump rests 5, then 30 minutes."""


@pytest.mark.soak
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("port", PROFILES)
def test_faults_are_found_on_every_port(port: str, scenario: str, make: Make) -> None:
    twin = make(port, scenario)
    host = leased(twin)
    fault, doses_s = SCENARIOS[scenario]
    for dose_s in doses_s:
        keep_leased(twin, host, dose_s * 1_000)
        host.pulse(PUMP, 200)  # 10 s: longer than the time between two pulses of what trickles past a clog
    keep_leased(twin, host, doses_s[-1] * 1_000 + 40_000)
    wanted = [row.name for row in FAULTS].index(fault)
    fault_event = [name for name, _, _ in EVENTS].index("fault")
    assert wanted in [f["a"] for _, f in host.of("EVENT") if f["event"] == fault_event]
    assert not twin.world.safety.broken()
    host.close()
