"""Runs of simulate_day: what they leave on the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tomato_host.cli.main import main
from tomato_host.storage.reader import read_records

from shared_schemas.records import AnomalyV1, StateV1


def run(capsys: pytest.CaptureFixture[str], out: Path, *words: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "--output-dir", str(out), "--json", *words])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_generates_state_and_anomaly_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = run(capsys, tmp_path, "--time-scale", "0", "--scenario", "heatwave")
    private = tmp_path / "run_20260214" / "private"
    assert (private / "states_2026-02.jsonl").is_file() and (private / "anomalies_2026-02.jsonl").is_file()
    records = list(read_records(tmp_path / "run_20260214"))
    states = [r for r in records if isinstance(r, StateV1)]
    anomalies = [r for r in records if isinstance(r, AnomalyV1)]
    assert len(states) == summary["states"] and len(anomalies) == summary["anomalies"] > 0
    assert "AIR_TEMP_HIGH" in {anomaly.type.value for anomaly in anomalies}
    # What an anomaly was seen in is stored with it.
    assert {anomaly.ts for anomaly in anomalies} <= {state.ts for state in states}


def test_time_scale_does_not_change_logical_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast = run(capsys, tmp_path / "fast", "--time-scale", "0", "--scenario", "probe_disconnect")
    paced = run(capsys, tmp_path / "paced", "--time-scale", "60000", "--scenario", "probe_disconnect")
    for key in ("states", "base_states", "cycles", "anomalies", "observations"):
        assert fast[key] == paced[key]
    assert content(tmp_path / "fast") == content(tmp_path / "paced")
    assert paced["wall_s"] >= 24 * 3600 / 60000


def test_fixed_seed_produces_reproducible_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", "11"), ("b", "11"), ("c", "12")):
        run(capsys, tmp_path / name, "--time-scale", "0", "--seed", seed)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")
