"""On an emulated RP2040 with a real MicroPython image: flashing over its USB, pins seen from outside.

`TOMATO_UF2=/path/to/RPI_PICO.uf2 pytest tests/hil/test_link_rp2040.py`; needs the extra `emulator`. The emulated chip
runs some 17 times slower than a real one, so these tests take minutes and are skipped without an image.
"""

from __future__ import annotations

import asyncio
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.board import flash
from tomato_host.board.console import Console
from tomato_host.board.identify import ask_after_reset
from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import firmware_dir

from shared_schemas.wire import SCHEMA_HASH
from shared_schemas.wire.codes import STATES
from tests.hil.wire_host import real_time_host

UF2 = os.environ.get("TOMATO_UF2", "")
BOARD_SPEC = Path(__file__).with_name("emulated_pico.py")
LEASED = [name.upper() for name in STATES].index("LEASED")
OUTPUT_PINS = runpy.run_path(str(firmware_dir() / "tomato" / "boards" / "pico.py"))["OUTPUT_PINS"]

pytest.importorskip("rp2040py", reason="the emulator is not installed: pip install rp2040py")
pytestmark = pytest.mark.timeout(3_600)
needs_image = pytest.mark.skipif(not Path(UF2).is_file(), reason="TOMATO_UF2 names no MicroPython image for the RP2040")
START_S = 1_200
"""Wall seconds for one start: 1.3 s of the chip's time when compiled, 3.9 s from sources, some 17 times slower."""


@needs_image
def test_boot_drives_every_output_low_before_anything_else() -> None:
    from rp2040py import GPIOPinState
    from rp2040py.boards import BOARDS
    from rp2040py.device import MicroPythonDevice

    async def power_on() -> dict[int, str]:
        from dataclasses import replace

        async with MicroPythonDevice(board=replace(BOARDS["pico"], image=UF2)) as device:
            for gpio in OUTPUT_PINS:
                await device.aexec(f"from machine import Pin\nPin({gpio}, Pin.OUT, value=1)\n", timeout=120)
            assert all(device.mcu.gpio[gpio].value == GPIOPinState.HIGH for gpio in OUTPUT_PINS)
            _, error = await device.aexec((firmware_dir() / "boot.py").read_text(), timeout=300)
            assert b"Traceback" not in error
            return {gpio: device.mcu.gpio[gpio].value for gpio in OUTPUT_PINS}

    assert set(asyncio.run(power_on()).values()) == {GPIOPinState.LOW}


@pytest.fixture
def emulated_port(tmp_path: Path) -> Iterator[str]:
    """An emulated Pico at its prompt; its USB serial line is a pseudo-terminal."""
    log = tmp_path / "emulator.log"
    with log.open("wb") as out:
        emulator = str(Path(sys.executable).with_name("rp2040py"))
        process = subprocess.Popen(
            [emulator, "micropython", "--board-spec", f"{BOARD_SPEC}:BOARD", "--image", UF2, "--pty"],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 120
    found = None
    while found is None and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
        found = re.search(r"listening on (/dev/\S+)", log.read_text(errors="replace"))
    if found is None:
        process.kill()
        pytest.fail(f"the emulator did not start: {log.read_text(errors='replace')[-500:]}")
    yield found[1]
    process.kill()
    process.wait()


def console_of(port: str) -> Console:
    """The prompt, once MicroPython answers."""
    for _ in range(20):
        try:
            return Console(port)
        except TomatoError:
            time.sleep(3.0)
    pytest.fail("MicroPython never answered")


@needs_image
def test_the_firmware_is_flashed_through_mpremote_and_imports(emulated_port: str) -> None:
    with console_of(emulated_port) as console:
        runtime = flash.runtime_of(console)
        assert "RP2040" in runtime.machine
        firmware = flash.compiled(flash.sources(firmware_dir()), runtime.mpy)
        done = flash.install(console, firmware)
        assert done.provisioned
        assert flash.install(console, firmware).uploaded == []
        reported = console.run(
            "import slot\nslot.choose()\nfrom tomato.contract import SCHEMA_HASH\n"
            "import tomato.core.session\nprint(SCHEMA_HASH.hex(), slot.chosen)\n"
        )
    assert reported.split() == [SCHEMA_HASH.hex(), "a"]


def test_the_emulated_contacts_are_those_of_the_pin_map() -> None:
    """Needs no image: the board that the emulator is given has every switch in its quiet state."""
    from rp2040py.rp2040 import RP2040

    spec = runpy.run_path(str(BOARD_SPEC))
    chip = RP2040()
    for factory in spec["BOARD"].extras:
        factory().attach(chip)
    pins = runpy.run_path(str(firmware_dir() / "tomato" / "boards" / "pico.py"))["INPUT_PINS"]
    quiet = {"estop": 0, "leak": 0, "door_open": 0, "reservoir_ok": 1}
    for name, is_true in quiet.items():
        gpio, level_while_true = pins[name]
        level = level_while_true if is_true else 1 - level_while_true
        assert (gpio in spec["CLOSED_TO_GROUND"]) == (level == 0), name
    assert pins["button"] == (11, 0) and 11 not in spec["CLOSED_TO_GROUND"]


@needs_image
def test_it_boots_main_as_a_board_does_from_power_to_leased(emulated_port: str) -> None:
    """Flashed, reset, boot.py and main.py run by MicroPython itself; then greeted and leased over its own USB."""
    console = console_of(emulated_port)
    runtime = flash.runtime_of(console)
    flash.install(console, flash.compiled(flash.sources(firmware_dir()), runtime.mpy))
    console.reset()
    hello = ask_after_reset(emulated_port, quiet_s=START_S, longest_s=START_S)
    assert hello is not None, "no firmware answered after the reset"
    assert hello.board == "pico" and hello.schema_hash == SCHEMA_HASH
    host = real_time_host(emulated_port, session=0x0102)
    try:
        host.greet()
        states: list[int] = []
        end_s, next_s = time.monotonic() + START_S, 0.0
        while LEASED not in states and time.monotonic() < end_s:
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + 1.0
                host.send("LEASE", lease_ms=5_000)
                host.send("HEALTH")
            host.listen()
            states = [fields["state"] for _, fields in host.of("HEALTH")]
        assert LEASED in states, states[-5:]
        assert all(fields["outputs"] == 0 for _, fields in host.of("HEALTH"))
    finally:
        host.close()
