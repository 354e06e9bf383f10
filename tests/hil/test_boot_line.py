"""A 0x03, 0x04 or 0x05 at any moment of the boot ends in a running board: the real firmware, a real VM, a real line.

The VM's standard input is a pseudo-terminal that is its controlling one, so that the kernel does with a 0x03 what a
chip's USB driver does: an interrupt while MicroPython has it armed, a byte when it has not. A chip needs 1.27 s from
power to the loop, or 3.84 s from sources; here the boot is cut into as many moments as that has steps of 10 ms.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tomato_host.board.protocol import BoardProtocol, Received, calm_session
from tomato_host.twin.firmware_files import VM_DIR, firmware_dir, micropython

from shared_schemas.wire import SCHEMA_HASH
from tests.board.vm_console import has_vm

HERE = Path(__file__).parent / "boot_line"
STEPS = 384
"""3.84 s in steps of 10 ms."""
QUICK = 24
"""How many of them a quick run takes, evenly spread."""
BYTES = (b"\x03", b"\x04", b"\x05")
MOST_STARTS = 6
PATIENCE_S = 20.0
"""An answer ends the wait. A machine with other work takes many times the 0.2 s that a boot costs it."""

pytestmark = [pytest.mark.skipif(not has_vm(), reason="no MicroPython VM here"), pytest.mark.timeout(200)]


def _own_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # A shell may have left it ignored; the VM sets its own handler.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Board:
    """Power cycles of a VM on one line; a reset that it asks for is carried out, as a chip does it by itself."""

    def __init__(self, flash: Path, firmware: Path | None = None) -> None:
        self.flash = flash / "flash"
        self.flash.mkdir(parents=True, exist_ok=True)
        self.firmware = firmware or firmware_dir()
        self.line, self._board_end = os.openpty()
        tty.setraw(self._board_end)
        self.reports: list[str] = []
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._side = -1
        self._part = ""
        os.set_blocking(self.line, False)

    def power_on(self) -> None:
        self.starts += 1
        tty.setraw(self._board_end)
        self._side, theirs = os.pipe()
        os.set_blocking(self._side, False)
        environment = {
            "MICROPYPATH": f"{HERE}:{VM_DIR}:{self.firmware}:.frozen",
            "TOMATO_CHANNEL_FD": str(theirs),
            "TOMATO_RETAINED": str(self.flash.parent / "retained"),
            "PATH": os.environ["PATH"],
        }
        self._process = subprocess.Popen(
            [micropython(), "-X", "heapsize=480K", str(HERE / "start.py")],
            cwd=self.flash,
            env=environment,
            stdin=self._board_end,
            stdout=self._board_end,
            stderr=subprocess.DEVNULL,
            pass_fds=[theirs],
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)

    def look(self) -> None:
        """Read what the VM reported; start it again after a reset."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._side, 65_536):
                *whole, self._part = (self._part + data.decode()).split("\n")
                self.reports += whole
        assert self._process is not None
        if self._process.poll() is not None:
            asked = next((r for r in reversed(self.reports) if r.startswith(("reset", "power"))), "")
            why = f"the VM ended by itself ({self._process.returncode}), so a chip would hang"
            assert asked.startswith("reset"), why
            os.close(self._side)
            assert self.starts < MOST_STARTS, self.reports
            self.power_on()

    def send(self, data: bytes) -> None:
        """Put bytes on the line; what it does not take is lost, as on a USB port that nobody reads."""
        with contextlib.suppress(BlockingIOError):
            os.write(self.line, data)

    def until_loop(self, meanwhile: Callable[[], None], within_s: float = 20.0) -> None:
        """Until the firmware has started its watchdog: the last thing before its loop."""
        end_s = time.monotonic() + within_s
        while "watchdog" not in self.reports:
            assert time.monotonic() < end_s, self.reports
            meanwhile()
            self.look()

    def hello(self, within_s: float = 6.0) -> bool:
        """Greet as the host does until the firmware answers; True when it did."""
        protocol = BoardProtocol(calm_session(1))
        end_s, next_s = time.monotonic() + within_s, 0.0
        while time.monotonic() < end_s:
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + 0.2
                self.send(protocol.send_calm("HELLO", schema_hash=SCHEMA_HASH))
            self.look()
            if select.select([self.line], [], [], 0.02)[0]:
                for message in protocol.receive_bytes(os.read(self.line, 4_096)):
                    if isinstance(message, Received) and message.name == "HELLO":
                        return True
        return False

    def outputs_on(self) -> set[str]:
        """Pins that the last report of each left on."""
        last = {words[1]: words[2] for words in map(str.split, self.reports) if words[:1] == ["pin"]}
        return {pin for pin, level in last.items() if level == "1" and int(pin) < 9}

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for end in (self.line, self._board_end, self._side):
            with contextlib.suppress(OSError):
                os.close(end)


def boot_s(home: Path) -> float:
    """From power to the watchdog's start, the quickest of three."""
    took = []
    for n in range(3):
        board = Board(home / f"measure{n}")
        begun = time.monotonic()
        board.power_on()
        board.until_loop(lambda: time.sleep(0.0005))
        took.append(time.monotonic() - begun)
        board.close()
    return min(took)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    made = Board(tmp_path / "board")
    yield made
    made.close()


def test_an_undisturbed_board_answers(board: Board) -> None:
    board.power_on()
    assert board.hello() and board.starts == 1
    assert board.outputs_on() == set()


@pytest.mark.parametrize("byte", BYTES, ids=lambda b: f"0x{b.hex()}")
def test_a_stream_of_one_byte_through_the_whole_boot(board: Board, byte: bytes, tmp_path: Path) -> None:
    step_s = boot_s(tmp_path) / 127
    board.power_on()

    def send() -> None:
        board.send(byte)
        time.sleep(step_s)

    board.until_loop(send)
    assert board.hello(), board.reports
    assert board.outputs_on() == set()


@pytest.mark.parametrize("byte", [b"\x1c", b"\x1a"], ids=lambda b: f"0x{b.hex()}")
def test_the_interrupt_is_the_only_byte_that_the_line_acts_on(board: Board, byte: bytes) -> None:
    """A terminal would end the VM with SIGQUIT for a 0x1c while the interrupt is armed, and stop it for a 0x1a."""
    board.power_on()

    def send() -> None:
        board.send(byte)
        time.sleep(0.0005)

    board.until_loop(send)
    characters = termios.tcgetattr(board._board_end)[6]
    assert characters[termios.VINTR] == b"\x03"
    assert characters[termios.VQUIT] == characters[termios.VSUSP] == b"\x00"
    assert board.hello() and board.starts == 1


def bombarded(home: Path, byte: bytes, moments: Iterator[float]) -> dict[float, list[str]]:
    """One boot for each moment, s after power; those after which no firmware answered."""
    silent = {}
    for n, moment_s in enumerate(moments):
        board = Board(home / f"{byte.hex()}-{n}")
        try:
            board.power_on()
            begun = time.monotonic()
            while time.monotonic() - begun < moment_s:
                time.sleep(0.0002)
            board.send(byte)
            if not board.hello(PATIENCE_S) or board.outputs_on():
                silent[moment_s] = board.reports
        finally:
            board.close()
    return silent


@pytest.mark.parametrize("byte", BYTES, ids=lambda b: f"0x{b.hex()}")
@pytest.mark.parametrize("steps", [QUICK, pytest.param(STEPS, marks=[pytest.mark.soak, pytest.mark.timeout(1_800)])])
def test_one_byte_at_each_moment_of_the_boot_ends_in_a_running_board(tmp_path: Path, byte: bytes, steps: int) -> None:
    whole_s = boot_s(tmp_path)
    silent = bombarded(tmp_path, byte, (whole_s * 1.05 * n / steps for n in range(steps)))
    assert silent == {}, "what each board had reported"
