"""`replay --check`: silent when nothing changed, and naming each field when something did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tomato_host.cli.main import main
from tomato_host.storage.chain import genesis, next_line, parse_line


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("recorded")
    with pytest.raises(SystemExit):
        main(["simulate", "--time-scale", "0", "--scenario", "heatwave", "--output-dir", str(base)])
    return base / "run_20260214"


def check(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    try:
        main(["replay", str(root), "--check", "--json", *words])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    return code, json.loads(capsys.readouterr().out)


def forge(root: Path, stream: str, change: Callable[[int, dict[str, Any]], dict[str, Any] | None]) -> None:
    """Rewrite a stream with a valid chain: what differs now differs for the brain, not for `verify`."""
    path = next((root / "private").glob(f"{stream}_*.jsonl"))
    head, out = genesis(stream), []
    for place, line in enumerate(path.read_bytes().splitlines()):
        link = parse_line(line)
        record = change(place, json.loads(link.payload))
        if record is not None:
            new, head = next_line(head, link.n, json.dumps(record, separators=(",", ":")).encode())
            out.append(new)
    path.write_bytes(b"".join(out))


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recorded, tmp_path / "copy")


def test_todays_brain_says_the_same_byte_for_byte(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, reported = check(capsys, recorded)
    assert code == 0 and reported["same"] and reported["differences"] == []
    assert reported["observations"] == 1_440 and reported["compared"]["state_v1"] > 48
    assert reported["compared"]["anomaly_v1"] > 0 and reported["compared"]["sensor_health_v1"] == 12


def test_a_changed_state_is_shown_by_field(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def warmer(place: int, record: dict[str, Any]) -> dict[str, Any]:
        if place == 3:
            record["env"]["air_temp_c"] += 1.0
            record["soil"]["probes"][1]["confidence"] = 0.123
        return record

    forge(copy, "states", warmer)
    code, reported = check(capsys, copy)
    assert code == 2 and reported["differing"] == {"state_v1": 1}
    assert [d["field"] for d in reported["differences"]] == ["env.air_temp_c", "soil.probes[1].confidence"]
    first, second = reported["differences"]
    assert first["recorded"] == pytest.approx(first["today"] + 1.0) and second["recorded"] == 0.123


def test_a_changed_observation_shows_in_what_follows(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(copy, "sensors_raw", lambda place, record: {**record, "rh_pct": 20.0} if place == 700 else record)
    code, reported = check(capsys, copy)
    assert code == 2 and reported["differing"]


def test_a_missing_and_an_invented_anomaly_are_shown(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(copy, "anomalies", lambda place, record: None if place == 0 else record)
    code, reported = check(capsys, copy)
    only_today = [d for d in reported["differences"] if d["field"] == "" and d["recorded"] is None]
    assert code == 2 and len(only_today) == 1 and only_today[0]["kind"] == "anomaly_v1"


def test_the_text_form_names_each_difference(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forge(copy, "states", lambda place, record: {**record, "confidence": 0.5} if place == 10 else record)
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(copy), "--check"])
    out = capsys.readouterr().out
    assert ended.value.code == 2 and "state_v1 confidence: recorded 0.5, today " in out
    assert "The current brain produces something else." in out


def test_a_range_by_numbers_or_times_counts_what_lies_in_it(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((copy / "private").glob("states_*.jsonl"))
    link = parse_line(path.read_bytes().splitlines()[20])
    number, ts = link.n, json.loads(link.payload)["ts"]
    forge(copy, "states", lambda place, record: {**record, "confidence": 0.5} if place == 20 else record)
    whole = check(capsys, copy, "--from", "0", "--to", "latest")[1]
    assert whole["differing"] == {"state_v1": 1} and whole["observations"] == 1_440
    part = check(capsys, copy, "--from", str(number - 40), "--to", str(number + 1))
    assert part[0] == 2 and part[1]["differing"] == {"state_v1": 1}
    assert 0 < part[1]["observations"] < 40, "only what lies in the range is counted"
    assert check(capsys, copy, "--from", str(number + 1))[0] == 0
    assert check(capsys, copy, "--to", str(number))[0] == 0
    assert check(capsys, copy, "--to", ts)[0] == 0 and check(capsys, copy, "--from", ts)[0] == 2
