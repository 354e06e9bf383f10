"""Measures the link on the virtual board, beside mpremote's raw REPL and Belay on the same MicroPython VM."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "host")]

from tomato_host.board import flash  # noqa: E402
from tomato_host.board.console import Console  # noqa: E402
from tomato_host.board.port import SerialPort  # noqa: E402
from tomato_host.board.protocol import BoardProtocol, Received  # noqa: E402
from tomato_host.board.session import BoardSession, Connected, Health, Result, Sample  # noqa: E402
from tomato_host.errors import TomatoError  # noqa: E402
from tomato_host.twin.firmware_files import VM_DIR, firmware_dir, micropython  # noqa: E402
from tomato_host.twin.lockstep import LockStep  # noqa: E402

from shared_schemas.wire import SCHEMA_HASH  # noqa: E402
from tests.board.vm_console import VmConsole  # noqa: E402

LINK_SUITE = ("tests.firmware_link.test_codec", "tests.firmware_link.test_body_session")
BYTECODE = 6
"""Version of compiled files of MicroPython 1.20 and later."""
TITLE = "The link: virtual board beside the raw REPL and Belay on the same VM"


def percentiles(seconds: list[float]) -> dict[str, float]:
    """p50 and p99 in ms."""
    ordered = sorted(seconds)
    return {
        "p50_ms": ordered[len(ordered) // 2] * 1e3,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1e3,
        "n": len(ordered),
    }


def timed(count: int, call: Callable[[], object]) -> dict[str, float]:
    """Round trips of one call."""
    call()
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return percentiles(taken)


@contextlib.contextmanager
def served_board() -> Iterator[str]:
    """A free-running virtual board in its own process; yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tomato_host.twin.serve", "--seed", "1"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'host'}"},
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["port"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


class Talk:
    """A bare host: says one message, waits for the one that answers it."""

    def __init__(self, port: SerialPort) -> None:
        self.port = port
        self.protocol = BoardProtocol(11)
        self.cmd_id = 0

    def say(self, name: str, **fields: Any) -> None:
        self.port.write(self.protocol.send(name, **fields))

    def hear(self, name: str, timeout_s: float = 5.0) -> Received:
        """The next message of that name."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.port.wait(0.5)
            for message in self.protocol.receive_bytes(self.port.read()):
                if isinstance(message, Received) and message.name == name:
                    return message
        raise TimeoutError(f"no {name} in {timeout_s} s")

    def command(self) -> None:
        """One command to its RESULT: the board checks, remembers and answers it."""
        self.cmd_id += 1
        self.say("CONFIG", cmd_id=self.cmd_id, not_after_ms=(1 << 30) - 1, config_key=0)
        self.hear("RESULT")

    def flood(self, count: int, window: int = 8) -> float:
        """TIME frames answered per second, `window` of them under way."""
        started, asked, heard = time.perf_counter(), 0, 0
        while heard < count:
            while asked < count and asked - heard < window:
                self.say("TIME", t1_ms=asked)
                asked += 1
            self.port.wait(1.0)
            heard += sum(
                isinstance(m, Received) and m.name == "TIME" for m in self.protocol.receive_bytes(self.port.read())
            )
        return count / (time.perf_counter() - started)


def link_figures(count: int) -> dict[str, Any]:
    """Round trip and throughput of our own link, through the virtual board's cable and on the bare VM."""
    with served_board() as url:
        through_twin = conversation_figures(SerialPort.open(url), count)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = os.openpty()
        vm = subprocess.Popen(
            [micropython(), "-X", "heapsize=1M", str(ROOT / "tools" / "link_vm_board.py")],
            stdin=theirs,
            stdout=theirs,
            cwd=folder,
            env={"MICROPYPATH": f"{ROOT / 'firmware'}:{ROOT / 'tools'}:.frozen"},
        )
        os.close(theirs)
        try:
            bare = conversation_figures(SerialPort("bare VM", Descriptor(ours)), count)
        finally:
            vm.kill()
            vm.wait()
    return {"virtual_board_through_its_twin": through_twin, "same_code_on_the_bare_vm": bare}


class Descriptor:
    """An open file descriptor in the place of a pyserial device."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        os.close(self._fd)


def conversation_figures(port: SerialPort, count: int) -> dict[str, Any]:
    """Greet, then measure commands one by one and frames in a row."""
    talk = Talk(port)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            talk.say("HELLO", schema_hash=SCHEMA_HASH)
            try:
                talk.hear("HELLO", 1.0)
                break
            except TimeoutError:
                continue
        return {"command_to_result": timed(count, talk.command), "frames_per_s": talk.flood(count * 2)}
    finally:
        talk.port.close()


def raw_repl(count: int) -> dict[str, float]:
    """The same question through mpremote's raw REPL on a bare VM: a program in, its output back."""
    with tempfile.TemporaryDirectory() as folder:
        vm = VmConsole(Path(folder))
        try:
            with Console(vm.path) as console:
                console.run("settings = [10000]")
                return timed(count, lambda: console.run("print(settings[0])"))
        finally:
            vm.close()


def through_belay(count: int) -> dict[str, Any]:
    """The same through Belay, where it is installed. Its soft reset, which ends a VM, is left out; calls are not."""
    try:
        import belay
        from belay import pyboard
    except ImportError:
        return {"left_out": "not installed (pip install belay)"}
    enter = pyboard.Pyboard.enter_raw_repl
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        vm = VmConsole(Path(folder))
        pyboard.Pyboard.enter_raw_repl = lambda self, soft_reset=True: enter(self, soft_reset=False)
        try:
            device = belay.Device(vm.path, startup="")
            device("settings = [10000]")
            figures = timed(count, lambda: device("settings[0]"))
            device.close()
            return figures
        except (OSError, belay.exceptions.BelayException) as error:
            return {"left_out": f"does not run on this VM: {error}"}
        finally:
            pyboard.Pyboard.enter_raw_repl = enter
            vm.close()


def board_cost() -> dict[str, float]:
    """What the board itself spends, in us, measured inside the VM."""
    told = subprocess.run(
        [micropython(), str(ROOT / "tools" / "link_vm_cost.py")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MICROPYPATH": f"{ROOT / 'firmware'}:.frozen"},
    ).stdout
    return {name: float(value) for name, value in (line.split() for line in told.splitlines())}


def as_flashed(folder: Path, with_tests: bool = False) -> bool:
    """Write the firmware into a folder as flashing puts it on a board. False where there is no mpy-cross.

    `with_tests`: the names that the tests on the VM read are kept.
    """
    folders = ("firmware_core", "firmware_link") if with_tests else ()
    beside = {p.as_posix(): p.read_bytes() for f in folders for p in (ROOT / "tests" / f).glob("*.py")}
    firmware = flash.compiled(flash.sources(firmware_dir()), BYTECODE, beside)
    for path, data in {**firmware.package, **firmware.root}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    pins = "tomato/boards/virtual.py"  # the twin reads the wiring from its source
    (folder / pins).write_bytes((firmware_dir() / pins).read_bytes())
    return firmware.compiled


def conversation(firmware: Path, heap_kb: int) -> bool:
    """Whether a board with this heap gets through everything the link has: lease, pulse, settings, outage, backlog."""
    try:
        twin = LockStep(seed=1, heap=f"{heap_kb}K", firmware=firmware)
    except TomatoError:
        return False
    ports = []

    def open_port() -> SerialPort:
        ports.append(SerialPort.open(twin.port_path))
        return ports[-1]

    session = BoardSession(open_port, 5)
    seen: list[Any] = []
    asked = False
    leased_ms = 0
    try:
        session.open_now()
        while twin.now_ms < 1_500_000:
            away = 120_000 < twin.now_ms < 1_320_000  # 20 minutes without a host: 120 samples to catch up
            if not away:
                if session.up and twin.now_ms - leased_ms >= 2_400:
                    leased_ms = twin.now_ms
                    session.renew_lease(leased_ms)
                seen += session.poll(twin.now_ms)
            if session.up and twin.now_ms > 70_000 and not asked:
                asked = True
                session.pulse("water_pump", 20)
                session.configure("sample_period_ms", None)
                session.ask_health(twin.now_ms)
            twin.advance(twin.now_ms + 2_400, sum(port.bytes_written for port in ports))
            if twin.board.resets:
                return False
        seen += session.poll(twin.now_ms)
    except (TomatoError, AssertionError):
        return False
    finally:
        session.close()
        twin.close()
    done = sum(isinstance(e, Result) and e.status == "DONE" for e in seen)
    seqs = {e.seq for e in seen if isinstance(e, Sample)}
    return (
        done >= 2
        and any(isinstance(e, Health) for e in seen)
        and len(seqs) >= 140
        and sum(isinstance(e, Connected) for e in seen) >= 1
    )


def link_suite(firmware: Path, heap_kb: int) -> bool:
    """Whether the tests of codec, frames and session pass on a VM with this heap, with the real core."""
    told = subprocess.run(
        [micropython(), "-X", f"heapsize={heap_kb}K", "tests/firmware_core/on_vm.py", *LINK_SUITE],
        cwd=ROOT,
        env={**os.environ, "MICROPYPATH": f"{firmware}:.frozen"},
        capture_output=True,
        text=True,
        check=False,
    )
    return told.returncode == 0 and told.stdout.startswith("passed ")


def smallest_heap_kb(passes: Callable[[int], bool], step: int, lowest: int = 60, highest: int = 480) -> int | str:
    """The smallest VM heap with which something passes; by bisection to `step` KB."""
    if not passes(highest):
        return f"fails with {highest} KB"
    while highest - lowest > step:
        middle = (lowest + highest) // 2
        if passes(middle):
            highest = middle
        else:
            lowest = middle
    return highest


def simulated_chips_kb(firmware: Path) -> float:
    """Heap of the twin's stand-ins alone, after a collection: a chip has all of it in its flash."""
    chips = ("line_settings", "vm_channel", "ports", "pyexec", "ds18x20", "machine", "onewire", "select", "time")
    told = subprocess.run(
        [micropython(), "-X", "heapsize=1M", str(ROOT / "tools" / "link_vm_chips.py"), *chips],
        env={**os.environ, "MICROPYPATH": f"{VM_DIR}:{firmware}:.frozen", "TOMATO_CHANNEL_FDS": "0 2"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    return round(int(told.stdout) / 1024, 1)


def heap_figures(step: int) -> dict[str, object]:
    """Smallest heaps, with the firmware as it is flashed."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as with_tests:
        files = Path(folder)
        return {
            "compiled": as_flashed(files) and as_flashed(Path(with_tests), with_tests=True),
            "link_suite_with_the_real_core": smallest_heap_kb(partial(link_suite, Path(with_tests)), step),
            "whole_firmware_and_simulated_chips": smallest_heap_kb(partial(conversation, files), step),
            "of_which_simulated_chips": simulated_chips_kb(files),
        }


def run(quick: bool) -> dict[str, object]:
    """All figures. `quick`: fewer rounds, a coarser bisection."""
    count = 200 if quick else 2_000
    step = 16 if quick else 4
    cost = board_cost()
    return {
        **link_figures(count),
        "mpremote_raw_repl_on_the_bare_vm": {"command_to_answer": raw_repl(min(count, 200))},
        "belay_on_the_bare_vm": {"command_to_answer": through_belay(min(count, 200))},
        "bytes_per_telemetry_record": cost.pop("sample_frame_bytes"),
        "board_time_on_vm": cost,
        "smallest_vm_heap_kb": heap_figures(step),
    }


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
