"""`tomato-host board`: what it prints, and the one line it says when there is nothing, too much or something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.board import identify
from tomato_host.board.protocol import Hello
from tomato_host.cli import main as front_door
from tomato_host.errors import TomatoError

from shared_schemas.wire import SCHEMA_HASH
from tests.board.bench import CoreBoard
from tests.board.vm_console import VmConsole, has_vm

ROOT = Path(__file__).resolve().parents[2]
needs_vm = pytest.mark.skipif(not has_vm(), reason="no MicroPython VM here")


@pytest.fixture
def body_port() -> Iterator[str]:
    """The board's own session on CPython at the end of a pseudo-terminal."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    board, ending = CoreBoard(), threading.Event()

    def live() -> None:
        import select

        now_ms = 0
        while not ending.is_set():
            now_ms += 50
            if select.select([master], [], [], 0.005)[0]:
                board.feed(os.read(master, 4096), now_ms)
            board.step(now_ms)
            if board.out:
                os.write(master, bytes(board.out))
                board.out.clear()

    thread = threading.Thread(target=live)
    thread.start()
    yield path
    ending.set()
    thread.join()
    os.close(master)
    os.close(slave)


@pytest.fixture
def silent_port() -> Iterator[str]:
    """A port with nothing behind it that answers."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def run(*words: str) -> None:
    """The command line in this process."""
    front_door.build(list(words))(args=list(words), prog_name="tomato-host", standalone_mode=False)


def failure(*words: str) -> TomatoError:
    with pytest.raises(TomatoError) as raised:
        run(*words)
    return raised.value


def test_info_tells_who_is_there(body_port: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("board", "info", "--port", body_port, "--json")
    facts = json.loads(capsys.readouterr().out)
    assert facts["schema_hash"] == facts["host_schema_hash"] == SCHEMA_HASH.hex()
    assert facts["boot_id"] == 101
    assert facts["state"] in ("SAFE", "READY")
    run("board", "info", "--port", body_port)
    assert "config crc" in capsys.readouterr().out


def test_with_no_board_it_says_what_it_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "list_ports", list)
    for command in ("info", "flash", "reset", "logs", "console"):
        error = failure("board", command)
        assert error.code == "E-BOARD-NOT-FOUND"
        assert "/dev/serial/by-id" in error.message


def test_of_several_ports_the_one_that_says_micropython_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    boards = ["/dev/serial/by-id/usb-MicroPython_Board_in_FS_mode_e661-if00"]
    monkeypatch.setattr(identify, "list_ports", lambda: [*boards, "/dev/ttyUSB0"])
    assert identify.find_board(None) == boards[0]
    monkeypatch.setattr(identify, "list_ports", lambda: ["/dev/ttyUSB0", "/dev/ttyUSB1"])
    with pytest.raises(TomatoError) as raised:
        identify.find_board(None)
    assert raised.value.code == "E-BOARD-SEVERAL"
    assert identify.find_board("/dev/ttyUSB1") == "/dev/ttyUSB1"


def test_the_command_ends_with_one_line_and_code_2() -> None:
    program = "from tomato_host.cli.main import main; main()"
    reported = subprocess.run(
        [sys.executable, "-c", program, "board", "info", "--port", "/dev/ttyNONE"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'host'}"},
    )
    assert reported.returncode == 2
    assert reported.stderr.count("\n") == 1
    assert "E-PORT-MISSING" in reported.stderr


@needs_vm
def test_a_board_without_our_firmware_is_told_to_be_flashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "HELLO_EVERY_S", 0.2)
    board = VmConsole(tmp_path)
    try:
        monkeypatch.setattr(identify.ask, "__defaults__", (0.5, *(identify.ask.__defaults__ or ())[1:]))
        error = failure("board", "info", "--port", board.path)
    finally:
        board.close()
    assert error.code == "E-BOARD-NO-FIRMWARE"
    assert error.next_step == f"make flash PORT={board.path}"


def test_a_port_where_nothing_answers(silent_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify.ask, "__defaults__", (0.3, *(identify.ask.__defaults__ or ())[1:]))
    assert failure("board", "info", "--port", silent_port).code == "E-BOARD-NO-MICROPYTHON"


@needs_vm
def test_flash_prints_what_it_did_and_what_the_board_says_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hello = Hello(SCHEMA_HASH, 9, "0.1.0", "pico", b"\1", 100, 1, 0xABCD)
    monkeypatch.setattr(identify, "ask_after_reset", lambda url: hello)
    board = VmConsole(tmp_path)
    try:
        run("board", "flash", "--port", board.path, "--json", "--source")
    finally:
        board.close()
    reported = json.loads(capsys.readouterr().out)
    assert reported["slot"] == "a"
    assert reported["provisioned"] is True
    assert reported["config_crc"] == "0000abcd"
    assert reported["schema_hash"] == SCHEMA_HASH.hex()
    assert (tmp_path / "slot").read_text() == "a"
    assert (tmp_path / "a" / "tomato" / "app.py").is_file()


@needs_vm
def test_a_flashed_board_that_stays_silent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "ask_after_reset", lambda url: None)
    board = VmConsole(tmp_path)
    try:
        assert failure("board", "flash", "--port", board.path, "--json").code == "E-FLASH-SILENT"
    finally:
        board.close()


@needs_vm
def test_logs_shows_what_ended_the_last_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last_error.txt").write_text("Traceback: OSError\n")
    board = VmConsole(tmp_path)
    try:
        run("board", "logs", "--port", board.path)
    finally:
        board.close()
    assert "OSError" in capsys.readouterr().out
