"""boot.py, main.py, tries.py: a KeyboardInterrupt at every line of them, failing starts, a held button, a stuck one.

MicroPython arms the console's interrupt anew for each file that it runs, so it is armed at the first line of both.
"""

from __future__ import annotations

import ast
import builtins
import dis
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tomato.boards import esp32, pico

from tests.firmware_core import fake_machine as fake

ROOT = Path(__file__).resolve().parents[2] / "firmware"
PLATFORMS = {"rp2": pico, "esp32": esp32}
SCRATCH0 = 0x4005800C


class Reset(BaseException):
    """machine.reset() does not return."""


class Chip:
    """The parts of a chip that starting needs: pins, timers, one register that outlives a reset, the console."""

    def __init__(self, platform: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.platform, self.patch, self.folder = platform, monkeypatch, folder
        self.register: bytes | None = b""
        self.armed = False
        """Whether a 0x03 interrupts now."""
        self.outcome = ""
        self.app: Callable[[], None] = lambda: None
        self.ran = 0
        self.slept_ms = 0
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(ROOT))

    def modules(self) -> None:
        """Fresh modules, as after a reset."""
        fake.install()
        machine = sys.modules["machine"]
        machine.reset = self._reset  # type: ignore[attr-defined]  # a fake module
        machine.mem32 = self  # type: ignore[attr-defined]
        machine.RTC = lambda: types.SimpleNamespace(memory=self._memory)  # type: ignore[attr-defined]
        micropython = types.ModuleType("micropython")
        micropython.kbd_intr = self._kbd_intr  # type: ignore[attr-defined]
        time = types.SimpleNamespace(sleep_ms=self._sleep_ms)
        app, hardware = types.ModuleType("tomato.app"), types.ModuleType("tomato.hal.hardware")
        app.App = lambda *_: self  # type: ignore[attr-defined]
        hardware.Hardware = lambda: None  # type: ignore[attr-defined]
        for name, module in {
            "micropython": micropython,
            "time": time,
            "tomato.app": app,
            "tomato.hal.hardware": hardware,
        }.items():
            self.patch.setitem(sys.modules, name, module)
        for name in ("boot", "main", "slot", "tries"):
            sys.modules.pop(name, None)
        fake.Pin.levels[PLATFORMS[self.platform].INPUT_PINS["button"][0]] = 1

    def _kbd_intr(self, char: int) -> None:
        self.armed = char == 3

    def _reset(self) -> None:
        raise Reset

    def _sleep_ms(self, ms: int) -> None:
        self.slept_ms += ms

    def _memory(self, data: bytes | None = None) -> bytes:
        if self.register is None:
            raise OSError
        self.register = data if data is not None else self.register
        return self.register

    def __getitem__(self, address: int) -> int:
        assert address == SCRATCH0
        return int.from_bytes(self._memory() or b"", "little")

    def __setitem__(self, address: int, word: int) -> None:
        assert address == SCRATCH0
        self._memory(word.to_bytes(4, "little"))

    lasted: Callable[[], None]

    def run(self, settled: Callable[[], None]) -> None:
        """What `App.run` does here."""
        self.ran += 1
        self.app()

    def _file(self, name: str) -> bool:
        """One file as pyexec runs it; False when it failed."""
        code = compile((ROOT / name).read_text(), str(ROOT / name), "exec")
        self.armed = True
        try:
            exec(code, {"__name__": "__main__"})
            return True
        except Exception:
            return False
        except KeyboardInterrupt:
            return False
        finally:
            self.armed = False

    def power_on(self, before: Callable[[], None] = lambda: None) -> str:
        """boot.py, main.py: "reset" or "prompt"."""
        self.modules()
        before()
        for pin in PLATFORMS[self.platform].OUTPUT_PINS:
            fake.Pin.levels[pin] = 1
        try:
            if self._file("boot.py"):
                self._file("main.py")
        except Reset:
            return "reset"
        return "prompt"

    def outputs_on(self) -> list[int]:
        return [gpio for gpio in PLATFORMS[self.platform].OUTPUT_PINS if fake.Pin.levels[gpio]]

    def hold_button(self) -> None:
        fake.Pin.levels[PLATFORMS[self.platform].INPUT_PINS["button"][0]] = 0


@pytest.fixture(params=PLATFORMS)
def chip(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Chip]:
    monkeypatch.setattr(sys, "print_exception", lambda error, file: file.write(repr(error)), raising=False)
    yield Chip(request.param, monkeypatch, tmp_path)
    for name in ("boot", "main", "slot", "tries"):
        sys.modules.pop(name, None)


def interrupted_at(chip: Chip, moments: set[int]) -> tuple[str, int]:
    """Power on with a 0x03 at the n-th instructions that are reached while the interrupt is armed.

    As in MicroPython (py/vm.c) it is raised at the next jump, not before. Returns the outcome, and how many
    instructions were reached while it was armed.
    """
    seen, pending, root = 0, False, str(ROOT)

    def enter(frame: types.FrameType, _event: str, _arg: object) -> object:
        if not frame.f_code.co_filename.startswith(root):
            return None
        frame.f_trace_opcodes = True
        return trace

    def trace(frame: types.FrameType, event: str, _arg: object) -> object:
        nonlocal seen, pending
        if event != "opcode":
            return trace
        code = frame.f_code
        if chip.armed:
            seen += 1
            pending = pending or seen in moments
        if pending and "JUMP" in dis.opname[code.co_code[frame.f_lasti]]:
            pending = False
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(enter)  # type: ignore[arg-type]
    try:
        outcome = chip.power_on()
    finally:
        sys.settrace(before)
    return outcome, seen


def test_a_0x03_at_any_moment_in_which_it_interrupts_ends_no_start(chip: Chip) -> None:
    """Every instruction of boot.py and main.py until `kbd_intr(-1)`, one 0x03 or two of them.

    Both platforms run the same instructions: each takes every other one.
    """
    outcome, moments = interrupted_at(chip, set())
    assert outcome == "prompt" and chip.ran == 1, "the app was run, and came back as for maintenance"
    assert moments > 100
    for moment in range(1 + (chip.platform == "esp32"), moments + 1, 2):
        second = moment + moment % 7  # the same one, or up to six instructions later
        chip.ran, chip.register = 0, b""
        outcome, _ = interrupted_at(chip, {moment, second})
        assert (outcome, chip.ran) == ("prompt", 1), (moment, second)
        assert chip.outputs_on() == [], (moment, second)


def test_no_line_of_boot_or_main_is_armed_after_the_first_few(chip: Chip) -> None:
    armed_at: list[bool] = []
    chip.app = lambda: armed_at.append(chip.armed)
    chip.power_on()
    assert armed_at == [False]
    main = (ROOT / "main.py").read_text().split('"""', 2)[2].strip().splitlines()
    assert main[:3] == ["try:", "    import micropython", ""] and main[3].startswith("    micropython.kbd_intr(-1)")


@pytest.mark.parametrize("name", ["boot.py", "main.py"])
def test_nothing_before_the_first_try_of_a_root_file_can_raise_a_0x03(name: str) -> None:
    """No jump, so a chip raises nothing there: the VM's stand-in arms at that `try` (twin/vm/pyexec.py)."""
    tree = ast.parse((ROOT / name).read_text())
    first = next(i for i, node in enumerate(tree.body) if isinstance(node, ast.Try))
    straight = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef)
    jumps = (ast.For, ast.While, ast.If, ast.IfExp, ast.BoolOp, ast.Try, ast.With, ast.comprehension, ast.Assert)
    for node in tree.body[:first]:
        assert isinstance(node, straight), ast.dump(node)
        if not isinstance(node, ast.FunctionDef):
            assert not [part for part in ast.walk(node) if isinstance(part, jumps)]
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = {node.module} if isinstance(node, ast.ImportFrom) else {alias.name for alias in node.names}
            assert named <= {"sys", "machine", "micropython"}, "a module of a file runs its own jumps"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, MemoryError])
def test_whatever_ends_the_loop_resets_the_board_with_every_output_off(chip: Chip, error: type[BaseException]) -> None:
    def fail() -> None:
        for gpio in PLATFORMS[chip.platform].OUTPUT_PINS:
            fake.Pin.levels[gpio] = 1
        raise error("over")

    chip.app = fail
    assert chip.power_on() == "reset"
    assert chip.outputs_on() == []
    assert error.__name__ in (chip.folder / "last_error.txt").read_text()


def test_maintenance_returns_to_the_prompt_and_not_to_a_reset(chip: Chip) -> None:
    assert chip.power_on() == "prompt" and chip.ran == 1


def test_three_failed_starts_leave_the_prompt_then_it_tries_again(chip: Chip) -> None:
    def fail() -> None:
        raise ValueError("again")

    chip.app = fail
    assert [chip.power_on() for _ in range(4)] == ["reset"] * 3 + ["prompt"]
    assert chip.ran == 3 and chip.outputs_on() == []
    import tries

    timer: Any = tries.retry
    assert timer.armed["period"] == 600_000 and timer.number == (2 if chip.platform == "esp32" else -1)
    with pytest.raises(Reset):
        timer.fire()
    assert [chip.power_on() for _ in range(4)] == ["reset"] * 3 + ["prompt"]
    tries.stay_for_good()
    assert timer is not tries.retry or timer.armed is None  # type: ignore[attr-defined]


def test_the_same_error_is_written_once(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("again")

    chip.app = fail
    written: list[str] = []
    real = builtins.open

    def watched(file: object, mode: str = "r", *more: object, **kw: object) -> object:
        if "w" in mode:
            written.append(str(file))
        return real(file, mode, *more, **kw)  # type: ignore[call-overload]  # as it came

    monkeypatch.setattr(builtins, "open", watched)
    for _ in range(20):
        chip.power_on()
    assert written == ["last_error.txt"]


def test_a_start_that_lasts_makes_the_next_failure_a_first_one(chip: Chip) -> None:
    def fail() -> None:
        chip.lasted()
        raise ValueError("late")

    chip.app = fail
    assert [chip.power_on() for _ in range(10)] == ["reset"] * 10


def test_a_register_that_holds_chance_or_cannot_be_read_means_a_first_start(chip: Chip) -> None:
    for chance in (b"\xff\xff\xff\xff", b"\x09\x00\x00\x00", b""):
        chip.register, chip.ran = chance, 0
        assert chip.power_on() == "prompt" and chip.ran == 1
    chip.register, chip.ran = None, 0
    assert chip.power_on() == "prompt" and chip.ran == 1, "a port without one runs"


def test_a_held_button_leaves_the_prompt_and_a_stuck_one_costs_one_start(chip: Chip) -> None:
    assert chip.power_on(chip.hold_button) == "prompt" and chip.ran == 0
    assert chip.outputs_on() == []
    assert chip.power_on(chip.hold_button) == "prompt" and chip.ran == 1, "ten minutes later it is ignored, once"
    assert chip.power_on(chip.hold_button) == "prompt" and chip.ran == 1


def test_a_prompt_without_a_timer_stays(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_number: int) -> None:
        raise ValueError("invalid Timer number")

    def before() -> None:
        chip.hold_button()
        sys.modules["machine"].Timer = none  # type: ignore[attr-defined]  # a fake module

    assert chip.power_on(before) == "prompt" and chip.ran == 0


def test_going_back_to_the_old_firmware_gives_it_all_its_tries(chip: Chip) -> None:
    def fail() -> None:
        raise ValueError("new firmware")

    chip.app = fail
    (chip.folder / "slot").write_text("b 3 a")
    assert [chip.power_on() for _ in range(3)] == ["reset"] * 3
    chip.app, chip.ran = lambda: None, 0
    assert chip.power_on() == "prompt" and chip.ran == 1, "slot a runs at once"
    assert (chip.folder / "slot").read_text() == "a"


def test_the_root_files_and_the_pin_maps_agree() -> None:
    source = (ROOT / "tries.py").read_text()
    for platform, board in PLATFORMS.items():
        assert f'"{platform}": {board.INPUT_PINS["button"][0]}' in source
        assert board.INPUT_PINS["button"][1] == 0, "a push button to ground"
    assert '"esp32": 2' in source and 2 not in esp32.TIMER_IDS
