"""The command line of simulate_day: what it offers, what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.cli.simulate import SCENARIOS
from tomato_host.sources.synthetic_faults import SYNTHETIC_FAULTS

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = ("--seed", "--output-dir", "--duration-hours", "--scenario", "--time-scale", "--verbose", "--json")


def script(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "simulate_day.py"), *words],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb", **(env or {})},
    )


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        main(["simulate", *words])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    out, err = capsys.readouterr()
    return code, out, err


def test_help_contains_required_arguments() -> None:
    done = script("--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in REQUIRED:
        assert option in done.stdout
    assert "[default: 120.0]" in done.stdout and "The same seed gives the same bytes." in done.stdout


def test_all_cli_arguments_are_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = [
        "--seed",
        "3",
        "--output-dir",
        str(tmp_path),
        "--duration-hours",
        "2.5",
        "--scenario",
        "leak",
        "--time-scale",
        "0",
        "--start",
        "2026-05-01T06:00+02:00",
        "--verbose",
        "--json",
    ]
    code, out, _ = call(capsys, *good)
    summary = json.loads(out.splitlines()[-1])
    assert code == 0 and summary["observations"] == 150 and summary["base_states"] == 5 and summary["sim_h"] == 2.5
    assert summary["dataset"] == str(tmp_path / "run_20260501")
    assert out.startswith("2026-05-01 06:00  air ") and len(out.splitlines()) == 1 + summary["states"]
    for option, value in [
        ("--seed", "-1"),
        ("--seed", "x"),
        ("--duration-hours", "0"),
        ("--scenario", "storm"),
        ("--time-scale", "-1"),
        ("--start", "soon"),
        ("--colour", "red"),
    ]:
        code, out, err = call(capsys, option, value, "--output-dir", str(tmp_path / "never"))
        assert code == 2 and out == "" and "Traceback" not in err and err, option
    assert not (tmp_path / "never").exists()


def test_every_scenario_of_the_table_is_offered() -> None:
    assert list(SCENARIOS) == list(SYNTHETIC_FAULTS)


def test_an_unwritable_output_directory_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    code, _, err = call(capsys, "--output-dir", str(tmp_path / "file" / "x"), "--time-scale", "0")
    assert code == 2 and "E-STORAGE-UNWRITABLE" in err and err.count("\n") == 1


def test_a_signal_ends_the_run_with_closed_files(tmp_path: Path) -> None:
    import signal

    from tomato_host.storage.verify import verify

    words = ["--output-dir", str(tmp_path), "--time-scale", "3600", "--verbose", "--json"]
    running = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "tools" / "simulate_day.py"), *words], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    running.stdout.readline()
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=30)
    summary = json.loads(out.splitlines()[-1])
    assert running.returncode == 0 and summary["stopped_early"] and summary["observations"] < 1_440
    assert verify(tmp_path / "run_20260214").ok
