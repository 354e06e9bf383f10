"""Flashing: only what changed, every hash checked, and a plug pulled at any moment leaves a board that boots whole."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tomato_host.board import flash
from tomato_host.board.console import Console, ConsoleLost
from tomato_host.board.identify import ask
from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import firmware_dir

from tests.board.vm_console import VmConsole, has_vm


class FolderBoard:
    """A BoardFiles whose flash is a folder; the plug is pulled after `steps` changes, in the middle of a write."""

    def __init__(self, folder: Path, steps: int = 1_000_000) -> None:
        self.folder = folder
        self.steps = steps

    def _step(self) -> None:
        if self.steps == 0:
            raise ConsoleLost("plug pulled")
        self.steps -= 1

    def hashes(self, folder: str) -> dict[str, str]:
        at = self.folder / folder
        found = at.rglob("*") if folder else at.glob("*")
        return {p.relative_to(at).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found if p.is_file()}

    def read(self, path: str) -> bytes | None:
        at = self.folder / path
        return at.read_bytes() if at.is_file() else None

    def write(self, path: str, data: bytes) -> None:
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        if self.steps == 0:
            at.write_bytes(data[: len(data) // 2])
        self._step()
        at.write_bytes(data)

    def rename(self, old: str, new: str) -> None:
        self._step()
        os.replace(self.folder / old, self.folder / new)

    def remove(self, path: str) -> None:
        self._step()
        (self.folder / path).unlink()

    def run(self, program: str) -> str:
        self._step()
        return "False\n"


def version(n: int) -> flash.Firmware:
    """A small firmware: some files change between versions, some stay, some come and go."""
    package = {
        "tomato/__init__.py": b"",
        "tomato/app.py": b"version = %d\n" % n,
        "tomato/core/same.py": b"same = 1\n",
        f"tomato/core/only_in_{n}.py": b"here = %d\n" % n,
    }
    root = {
        "boot.py": b"# boot %d\n" % n,
        "main.py": b"# main\n",
        **{name: (firmware_dir() / name).read_bytes() for name in ("slot.py", "tries.py")},
    }
    return flash.Firmware(package, root)


def fresh_slot_module() -> ModuleType:
    """firmware/slot.py as a power-on loads it."""
    spec = importlib.util.spec_from_file_location("slot_under_test", firmware_dir() / "slot.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def flash_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path


def boots_whole(folder: Path) -> int:
    """Power on: the version that would run. Fails when its files are not those of one version."""
    chosen = fresh_slot_module().choose()
    assert chosen in ("a", "b")
    there = FolderBoard(folder).hashes(chosen)
    for n in (1, 2, 3):
        if there == {path: hashlib.sha256(data).hexdigest() for path, data in version(n).package.items()}:
            return n
    raise AssertionError(f"slot {chosen} is a mixture: {sorted(there)}")


def test_a_new_board_runs_the_first_slot_without_trial(flash_folder: Path) -> None:
    done = flash.install(FolderBoard(flash_folder), version(1))
    assert (flash_folder / "slot").read_text() == "a"
    assert len(done.uploaded) == 8
    assert boots_whole(flash_folder) == 1


def test_the_same_version_again_uploads_nothing(flash_folder: Path) -> None:
    flash.install(FolderBoard(flash_folder), version(1))
    done = flash.install(FolderBoard(flash_folder), version(1))
    assert done.uploaded == []
    assert (flash_folder / "slot").read_text() == "a"


def test_it_says_which_firmware_runs_again_if_the_new_one_fails(flash_folder: Path) -> None:
    assert flash.install(FolderBoard(flash_folder), version(1)).before == ""
    assert flash.install(FolderBoard(flash_folder), version(2)).before == "a"


def test_only_what_changed_is_uploaded_and_what_is_gone_removed(flash_folder: Path) -> None:
    for n in (1, 2):
        flash.install(FolderBoard(flash_folder), version(n))
        slot = fresh_slot_module()
        slot.choose()
        slot.confirm()
    done = flash.install(FolderBoard(flash_folder), version(3))
    assert done.slot == "a"
    assert sorted(done.uploaded) == ["boot.py", "tomato/app.py", "tomato/core/only_in_3.py"]
    assert done.removed == ["tomato/core/only_in_1.py"]


def test_a_pulled_plug_at_every_step_leaves_a_whole_version_and_the_next_try_completes(flash_folder: Path) -> None:
    flash.install(FolderBoard(flash_folder), version(1))
    whole = FolderBoard(flash_folder, 10_000)
    before = {p: p.read_bytes() for p in flash_folder.rglob("*") if p.is_file()}
    flash.install(whole, version(2))
    steps = 10_000 - whole.steps
    assert steps > 8
    for cut in range(steps):
        for path in list(flash_folder.rglob("*")):
            if path.is_file():
                path.unlink()
        for path, data in before.items():
            path.write_bytes(data)
        with pytest.raises(ConsoleLost):
            flash.install(FolderBoard(flash_folder, cut), version(2))
        assert boots_whole(flash_folder) in (1, 2), cut
        for name, known in ((f, (version(1).root[f], version(2).root[f])) for f in flash.ROOT_FILES):
            assert (flash_folder / name).read_bytes() in known, (cut, name)
        flash.install(FolderBoard(flash_folder), version(2))
        assert boots_whole(flash_folder) == 2, cut


def test_a_firmware_that_never_proves_itself_gives_way_to_the_old_one(flash_folder: Path) -> None:
    flash.install(FolderBoard(flash_folder), version(1))
    flash.install(FolderBoard(flash_folder), version(2))
    assert [boots_whole(flash_folder) for _ in range(5)] == [2, 2, 2, 1, 1]
    assert (flash_folder / "slot").read_text() == "a"


def test_a_firmware_that_proves_itself_stays(flash_folder: Path) -> None:
    flash.install(FolderBoard(flash_folder), version(1))
    flash.install(FolderBoard(flash_folder), version(2))
    slot = fresh_slot_module()
    slot.choose()
    slot.confirm()
    assert [boots_whole(flash_folder) for _ in range(5)] == [2] * 5


def test_flashing_over_a_trial_first_goes_back_to_what_is_proven(flash_folder: Path) -> None:
    flash.install(FolderBoard(flash_folder), version(1))
    flash.install(FolderBoard(flash_folder), version(2))
    with pytest.raises(ConsoleLost):
        flash.install(FolderBoard(flash_folder, 3), version(3))
    assert boots_whole(flash_folder) == 1


def test_a_file_that_does_not_arrive_is_named_and_the_pointer_stays(flash_folder: Path) -> None:
    flash.install(FolderBoard(flash_folder), version(1))

    class Lossy(FolderBoard):
        def write(self, path: str, data: bytes) -> None:
            super().write(path, data[:-1] if path.endswith("app.py") else data)

    with pytest.raises(TomatoError, match=r"tomato/app\.py") as told:
        flash.install(Lossy(flash_folder), version(2))
    assert told.value.code == "E-FLASH-HASH"
    assert boots_whole(flash_folder) == 1


@pytest.mark.parametrize("text", ["", "c", "b x a", "b 1", "\0\0", "a 3 a b"])
def test_a_pointer_that_makes_no_sense_still_boots(flash_folder: Path, text: str) -> None:
    flash.install(FolderBoard(flash_folder), version(1))
    (flash_folder / "slot").write_text(text)
    assert fresh_slot_module().choose() in ("", "a", "b")


def test_bytecode_is_used_only_in_the_version_the_board_takes() -> None:
    firmware = version(1)
    assert flash.compiled(firmware, 0) is firmware, "an unknown bytecode version means sources"
    made = flash.compiled(firmware, 6)
    if made.compiled:
        assert all(path.endswith(".mpy") and data[:2] == b"M\x06" for path, data in made.package.items())


@pytest.mark.skipif(not has_vm(), reason="no MicroPython VM here")
def test_the_real_firmware_through_mpremote_onto_a_vm(tmp_path: Path) -> None:
    board = VmConsole(tmp_path)
    try:
        with Console(board.path) as console:
            runtime = flash.runtime_of(console)
            done = flash.install(console, flash.compiled(flash.sources(firmware_dir()), runtime.mpy))
            assert done.provisioned, "a new board gets its first budgets"
            again = flash.install(console, flash.compiled(flash.sources(firmware_dir()), runtime.mpy))
            assert again.uploaded == []
            told = console.run(
                "import sys\nfor m in list(sys.modules):\n if m[:6] == 'tomato': del sys.modules[m]\n"
                "import slot\nslot.choose()\nfrom tomato.contract import SCHEMA_HASH\n"
                "import tomato.core.session, tomato.core.board\nprint(SCHEMA_HASH.hex(), slot.chosen)\n"
            )
    finally:
        board.close()
    from shared_schemas.wire import SCHEMA_HASH

    assert told.split() == [SCHEMA_HASH.hex(), "a"]


@pytest.mark.skipif(not has_vm(), reason="no MicroPython VM here")
def test_a_board_that_goes_away_while_it_is_flashed_is_told(tmp_path: Path) -> None:
    board = VmConsole(tmp_path)
    try:
        console = Console(board.path)
        console.write("x.txt", b"1")
        board.cut()
        with pytest.raises(ConsoleLost):
            console.run("print(1)")
    finally:
        board.close()


@pytest.mark.skipif(not has_vm(), reason="no MicroPython VM here")
def test_a_running_firmware_hands_its_line_to_the_console(tmp_path: Path) -> None:
    root = firmware_dir().parent
    board = VmConsole(tmp_path, root / "tools" / "link_vm_board.py", f"{firmware_dir()}:{root / 'tools'}:.frozen")
    try:
        hello, health = ask(board.path)
        assert hello is not None, "the firmware's session answers on this very line"
        assert health is not None
        with Console(board.path) as console:
            assert console.run("print(session.console_asked, core.outputs)").split() == ["True", "0"]
    finally:
        board.close()
