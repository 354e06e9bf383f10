"""The doctor looks, says how things are, and what to do; it changes nothing and never falls over."""

from __future__ import annotations

import json
from pathlib import Path

from tomato_host.cli import doctor

from tests.cli.test_main import tomato_host


def test_a_healthy_machine_passes(tmp_path: Path) -> None:
    result = tomato_host("doctor", "--json", "--data-dir", str(tmp_path))
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.returncode == 0, result.stdout
    assert findings["MicroPython VM"]["level"] == "ok"
    assert findings["MicroPython VM"]["text"].startswith("micropython 1.")
    assert not list(tmp_path.iterdir()), "looking changes nothing"


def test_a_wrong_settings_file_and_place_are_problems_with_a_next_step(tmp_path: Path) -> None:
    config = tmp_path / "tomato.toml"
    config.write_text("[site]\nlatitude_deg = 99.0\n")
    (tmp_path / "file").write_text("")
    result = tomato_host("doctor", "--json", "--config", str(config), "--data-dir", str(tmp_path / "file" / "data"))
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.returncode == 1
    for name in ("Configuration", "Data directory"):
        assert findings[name]["level"] == "problem"
        assert findings[name]["next_step"]


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(doctor, "MIN_FREE_MB", 10**9)
    assert doctor.check_data_dir(tmp_path).level == "problem"


def test_a_check_that_fails_is_a_finding(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    def broken() -> doctor.Finding:
        raise RuntimeError("the bus is on fire")

    monkeypatch.setattr(doctor, "check_ports", broken)
    texts = [finding.text for finding in doctor.examine(None, tmp_path)]
    assert "the bus is on fire" in texts
