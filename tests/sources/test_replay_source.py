"""Replay of recordings: order, end, damaged lines, plain files and dataset files."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from structlog.testing import capture_logs
from tomato_host.errors import TomatoError
from tomato_host.sources.replay import ReplaySource
from tomato_host.sources.synthetic import SyntheticSource
from tomato_host.storage import Dataset

from shared_schemas.records import ObservationV1
from tests.sources.conftest import START

SITE_ZONE = ZoneInfo("Europe/Vienna")


def recorded(count: int = 20) -> list[ObservationV1]:
    source = SyntheticSource(1, START, 24.0, 300.0, zone=SITE_ZONE)
    return [observation for _ in range(count) if (observation := source.next_observation()) is not None]


def drain(source: ReplaySource) -> list[ObservationV1]:
    seen = []
    while (observation := source.next_observation()) is not None:
        seen.append(observation)
    return seen


def test_reads_jsonl_in_order(tmp_path: Path) -> None:
    path = tmp_path / "observations.jsonl"
    path.write_text("".join(o.to_json() + "\n" for o in recorded()))
    assert drain(ReplaySource.from_file(path)) == recorded()


def test_reads_the_files_of_a_dataset(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        for observation in recorded():
            dataset.append(observation)
    path = next((tmp_path / "private").glob("sensors_raw_*.jsonl"))
    assert drain(ReplaySource.from_file(path)) == recorded()


def test_returns_none_after_eof(tmp_path: Path) -> None:
    path = tmp_path / "observations.jsonl"
    path.write_text(recorded(1)[0].to_json())
    source = ReplaySource.from_file(path)
    assert source.next_observation() is not None
    assert [source.next_observation() for _ in range(3)] == [None, None, None]
    (tmp_path / "empty.jsonl").touch()
    assert ReplaySource.from_file(tmp_path / "empty.jsonl").next_observation() is None


def test_malformed_line_policy(tmp_path: Path) -> None:
    path = tmp_path / "observations.jsonl"
    good = recorded(4)
    lines = [
        good[0].to_json(),
        '{"schema_version": "observation_v1", "ts":',
        good[1].to_json(),
        "",
        "[]",
        good[2].to_json().replace('"origin":"synthetic"', '"origin":"moon"'),
        good[3].to_json(),
    ]
    path.write_text("\n".join(lines) + "\n")
    strict = ReplaySource.from_file(path, malformed="fail")
    assert strict.next_observation() == good[0]
    with pytest.raises(TomatoError) as caught:
        strict.next_observation()
    assert caught.value.code == "E-REPLAY-MALFORMED" and "line 2" in caught.value.message
    with capture_logs() as logs:
        lenient = ReplaySource.from_file(path, malformed="skip")
        assert drain(lenient) == [good[0], good[1], good[3]]
    assert lenient.skipped == 3
    assert [log["where"].rsplit(" ", 1)[1] for log in logs] == ["2", "5", "6"]


def test_device_status_is_followed(tmp_path: Path) -> None:
    source, lines = SyntheticSource(1, START, 24.0, 1_800.0, zone=SITE_ZONE), []
    while (observation := source.next_observation()) is not None:
        lines += [source.device_status().to_json(), observation.to_json()]
    path = tmp_path / "both.jsonl"
    path.write_text("\n".join(lines))
    replay, lamp = ReplaySource.from_file(path), []
    while replay.next_observation() is not None:
        lamp.append(replay.device_status().outputs.light)
    assert set(lamp) == {"ON", "OFF"} and lamp.count("ON") == 32


def test_without_a_recorded_status_nothing_is_claimed(tmp_path: Path) -> None:
    path = tmp_path / "observations.jsonl"
    path.write_text(recorded(1)[0].to_json())
    source = ReplaySource.from_file(path)
    source.next_observation()
    status = source.device_status()
    assert status.ts == START and not status.mcu_connected and status.board_state == "UNKNOWN"


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TomatoError) as caught:
        ReplaySource.from_file(tmp_path / "nothing.jsonl")
    assert caught.value.code == "E-REPLAY-NO-FILE"
