"""`tomato-host twin press`: a button of the running virtual board, from another process, as the runbook drills it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.twin import presses

from tests.incidents.running_host import RunningHost, until


def press(data_dir: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["twin", "press", *words, "--data-dir", str(data_dir)])
    return int(ended.value.code or 0)


def test_the_stop_drill_and_its_way_back_with_the_real_firmware(tmp_path: Path) -> None:
    """The alarm within a minute of wall time; then the button, and the fault can be cleared by its name."""
    host = RunningHost(tmp_path, "sim")
    try:
        host.start()
        until(lambda: host.status()["link"] == "up", "the link")
        began = time.monotonic()
        assert press(host.data, "estop", "--for", "4s") == 0
        until(
            lambda: [e for e in host.records("events") if e["name"] == "estop" and e["level"] == "ALARM"], "the alarm"
        )
        assert time.monotonic() - began < 60.0
        assert press(host.data, "button", "--for", "4s") == 0
        until(lambda: "button" in host.event_names(), "the button")
        cleared = host.command("clear-fault", "estop")
        assert cleared.returncode == 0, cleared.stderr
        host.stop()
    finally:
        host.end()


def test_without_a_virtual_board_it_says_what_to_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert press(tmp_path / "nowhere", "button") == 2
    assert "E-TWIN-PRESS" in (text := capsys.readouterr().err) and "run --board sim" in text
    assert press(tmp_path, "lever") == 2


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"input": "outputs", "seconds": 3}', b'{"input": "button", "seconds": "x"}']
)
def test_nothing_else_in_the_file_presses_anything(tmp_path: Path, text: bytes) -> None:
    (tmp_path / presses.FILE).write_bytes(text)
    assert presses.pop(tmp_path) is None and not presses.waiting(tmp_path)


def test_presses_are_read_on_a_paced_board_in_lock_step_and_last_in_the_tents_time(tmp_path: Path) -> None:
    class Inputs:
        button = False
        estop = False

    board_dir = tmp_path / presses.FOLDER
    inputs, pressed = Inputs(), presses.PressedInputs(board_dir)
    presses.ask(board_dir, "button", 4.0)
    pressed.update(inputs, 10_000)
    assert inputs.button and not inputs.estop and not presses.waiting(board_dir)
    pressed.update(inputs, 13_999)
    assert inputs.button
    pressed.update(inputs, 14_000)
    assert not inputs.button
