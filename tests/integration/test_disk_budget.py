"""Hours of the real host on the virtual board: what it writes is within the budget, which changes no action."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tomato_host.storage.reader import read_all
from tomato_host.storage.settings import StorageSettings
from tomato_host.storage.verify import verify

HOURS = 2.0
STATED_MB_PER_DAY = 6.0
"""What docs/dataset.md says a day of records takes at the default settings."""


def run(folder: Path, toml: str) -> dict[str, list[bytes]]:
    """Records by stream of a simulated morning, lamp and first decisions included."""
    folder.mkdir()
    config = folder / "tomato.toml"
    config.write_text(toml)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tomato_host",
            "run",
            "--board",
            "sim",
            "--time-scale",
            "0",
            "--seed",
            "7",
            "--json",
            "--duration-hours",
            str(HOURS),
            "--config",
            str(config),
            "--data-dir",
            str(folder / "data"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert verify(folder / "data").ok
    found: dict[str, list[bytes]] = {}
    for line in read_all(folder / "data"):
        found.setdefault(line.path.name.rsplit("_", 1)[0], []).append(line.link.payload)
    return found


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "data" / "private").glob("*.jsonl"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk")


def test_the_stated_figure_is_true_and_far_within_the_budget(place: Path) -> None:
    whole = run(place / "plain", "")
    per_day_mb = size(place / "plain") / 1e6 * 24.0 / HOURS
    assert per_day_mb == pytest.approx(STATED_MB_PER_DAY, rel=0.15)
    assert per_day_mb < 0.5 * StorageSettings().mb_per_day
    assert len(whole["sensors_raw"]) == pytest.approx(HOURS * 360, abs=3)


def test_a_board_that_reports_every_second_is_thinned_and_no_action_is_lost(place: Path) -> None:
    fast = "[board]\ntelemetry_period_s = 1.0\n"
    whole = run(place / "fast", fast + "[storage]\nmb_per_day = 1000.0\n")
    budget_mb = 2.0
    thin = run(place / "thin", fast + f"[storage]\nmb_per_day = {budget_mb}\n")
    assert size(place / "fast") / 1e6 * 24.0 / HOURS > 10 * budget_mb, "without it: more than ten times as much"
    assert size(place / "thin") <= budget_mb * 1e6 * (1 / 8 + 7 / 8 * HOURS / 24.0)
    assert len(thin["sensors_raw"]) >= HOURS * 60, "still one a minute"
    said = [json.loads(text)["name"] for text in thin["events"] if b'"raw_' in text]
    assert said == ["raw_thinned"]
    checked = subprocess.run(
        [sys.executable, "-m", "tomato_host", "replay", str(place / "thin" / "data"), "--check"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "The disk budget left readings out (first on 2026-05-01T06:" in checked.stdout
    for stream in ("actions", "plans", "states"):
        assert thin[stream] == whole[stream], f"the same {stream}, to the byte"
    assert [text for text in thin["events"] if b'"raw_' not in text] == whole["events"]
