"""`tomato-host twin`: the list of faults, and the server's words on its way up and down."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from tomato_host.sources.scenarios import FAULTS

START = "from tomato_host.cli.main import main; main()"


def test_scenarios_are_listed_with_their_hours() -> None:
    run = subprocess.run(
        [sys.executable, "-c", START, "twin", "scenarios"], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(FAULTS)
    assert all(f"for {fault.for_h:g} h" in line for line, fault in zip(lines, FAULTS.values(), strict=True))


def test_serve_tells_its_port_and_ends_cleanly(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START, "twin", "serve", "--link", str(tmp_path / "board"), "--time-scale", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert Path(told["port"]).is_char_device() and (tmp_path / "board").resolve() == Path(told["port"])
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0 and errors == b""
    assert not (tmp_path / "board").exists()


def test_a_bad_scenario_is_one_line_and_code_2() -> None:
    run = subprocess.run(
        [sys.executable, "-c", START, "twin", "serve", "--scenario", "hailstorm"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1 and "E-TWIN-SCENARIO" in run.stderr
