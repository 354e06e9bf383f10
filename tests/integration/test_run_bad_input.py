"""What a person can get wrong when starting the main job: one clear line, exit code 2, no traceback."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from tests.integration.foreign_board import ForeignBoard

LINE = re.compile(r"^tomato-host: (?P<code>E-[A-Z-]+): (?P<what>.+) Next: (?P<next>.+)$")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The main job as a person starts it."""
    command = [sys.executable, "-m", "tomato_host", "run", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def answer(*words: str) -> re.Match[str]:
    """The one line on standard error."""
    result = run(*words)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("tomato-host:")]
    assert len(lines) == 1, result.stderr
    match = LINE.match(lines[0])
    assert match is not None, lines[0]
    return match


@contextmanager
def line_pair() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: our end, and the path a host opens."""
    ours, theirs = pty.openpty()
    try:
        yield ours, os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_missing_port(tmp_path: Path) -> None:
    said = answer("--board", str(tmp_path / "ttyACM9"), "--data-dir", str(tmp_path / "d"))
    assert said["code"] == "E-PORT-MISSING"
    assert "ttyACM9" in said["what"]


def test_a_busy_port(tmp_path: Path) -> None:
    with line_pair() as (_, path), serial.Serial(path, exclusive=True):
        said = answer("--board", path, "--data-dir", str(tmp_path / "d"))
    assert said["code"] == "E-PORT-BUSY"


@pytest.mark.parametrize(
    ("text", "code", "names"),
    [
        ("[control]\nstage = 'blooming'\n", "E-CONFIG-INVALID", ["control.stage", "seedling"]),
        ("[guardrails]\nwater_ml_per_day = 99999\n", "E-CONFIG-INVALID", ["guardrails.water_ml_per_day", "2500"]),
        ("[guardrails\n", "E-CONFIG-SYNTAX", ["tomato.toml"]),
    ],
)
def test_a_wrong_settings_file(tmp_path: Path, text: str, code: str, names: list[str]) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text(text)
    said = answer("--config", str(config), "--data-dir", str(tmp_path / "d"))
    assert said["code"] == code
    assert all(name in said["what"] for name in names), said["what"]


def test_an_unwritable_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    said = answer("--board", "sim", "--data-dir", str(tmp_path / "file" / "data"))
    assert said["code"] == "E-STORAGE-UNWRITABLE"


def test_two_hosts_on_one_dataset(tmp_path: Path) -> None:
    from tomato_host.storage.dataset import Dataset

    with Dataset.open(tmp_path / "d"):
        said = answer("--board", "sim", "--data-dir", str(tmp_path / "d"))
    assert said["code"] == "E-STORAGE-BUSY"


def test_a_board_with_other_firmware(tmp_path: Path) -> None:
    with line_pair() as (ours, path):
        board = ForeignBoard(ours)
        thread = threading.Thread(target=board.serve, daemon=True)
        thread.start()
        said = answer("--board", path, "--data-dir", str(tmp_path / "d"))
        board.stop()
        thread.join(5)
    assert said["code"] == "E-SCHEMA-MISMATCH"
    assert board.schema_hash.hex() in said["what"]
    assert said["next"] == "make flash"
    assert board.heard == {"HELLO"}, "nothing but greetings may reach a board of another schema"


def test_a_real_board_has_no_time_scale(tmp_path: Path) -> None:
    said = answer("--board", "/dev/null", "--time-scale", "10", "--data-dir", str(tmp_path / "d"))
    assert said["code"] == "E-TIME-SCALE"


def test_an_unknown_scenario(tmp_path: Path) -> None:
    said = answer("--board", "sim", "--scenario", "heat_wave", "--time-scale", "0", "--data-dir", str(tmp_path / "d"))
    assert said["code"] == "E-TWIN-SCENARIO"
    assert "heatwave" in said["what"] + said["next"]
