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
from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import firmware_dir

from shared_schemas.wire import SCHEMA_HASH

UF2 = os.environ.get("TOMATO_UF2", "")
OUTPUT_PINS = runpy.run_path(str(firmware_dir() / "tomato" / "boards" / "pico.py"))["OUTPUT_PINS"]

pytest.importorskip("rp2040py", reason="the emulator is not installed: pip install rp2040py")
pytestmark = [
    pytest.mark.skipif(not Path(UF2).is_file(), reason="TOMATO_UF2 names no MicroPython image for the RP2040"),
    pytest.mark.timeout(1_800),
]


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
            [emulator, "micropython", "--image", UF2, "--pty"], stdout=out, stderr=subprocess.STDOUT
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


def test_the_firmware_is_flashed_through_mpremote_and_imports(emulated_port: str) -> None:
    console = None
    for _ in range(20):
        try:
            console = Console(emulated_port)
            break
        except TomatoError:
            time.sleep(3.0)
    assert console is not None, "MicroPython never answered"
    with console:
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
