"""Recordings through today's brain: real greenhouse data, datasets, and a grower's own table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.sources.measured import data_folder
from tomato_host.storage.chain import parse_line
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from shared_schemas.records import AnomalyV1, StateV1


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        main(["replay", *words])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def measured_data() -> Path:
    folder = data_folder()
    if not (folder / "agc2_tomato_slab_5min.csv.gz").is_file():
        pytest.skip(f"measured data is not in {folder}; set TOMATO_DATA to its folder")
    return folder


def test_a_week_of_tomato_slab_data_writes_states_and_anomalies(
    measured_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        str(measured_data / "agc2_tomato_slab_5min.csv.gz"),
        "--from",
        "2020-01-14",
        "--to",
        "2020-01-21",
        "--select",
        "compartment=Digilog",
        "--data-dir",
        str(tmp_path / "out"),
    ]
    code, out, err = call(capsys, *words, "--json")
    result = json.loads(out)
    assert code == 0 and err == "" and result["observations"] == 7 * 288
    # It says what the recording lacks, and no more than that.
    assert result["lacking"] == [
        "air_temp_c",
        "co2_ppm",
        "door_open",
        "flow_ml",
        "leaf_temp_c",
        "leak",
        "light_lux",
        "reservoir_ok",
        "rh_pct",
    ]
    assert verify(tmp_path / "out").ok
    records = list(read_records(tmp_path / "out"))
    states = [r for r in records if isinstance(r, StateV1)]
    assert len(states) >= 7 * 48 and len(states) == result["states"]
    assert all(state.env.air_temp_c is None and state.env.vpd_kpa is None for state in states)
    assert sum(state.soil.avg_moisture_pct is not None for state in states) > 0.9 * len(states)
    # The false zeros of that compartment are found.
    anomalies = [r for r in records if isinstance(r, AnomalyV1) and r.ts.date().isoformat() == "2020-01-16"]
    assert any((a.subject or "").startswith("soil.") for a in anomalies)
    text = call(capsys, *words[:-2])[1]
    assert "never measured: air_temp_c" in text


def test_a_replay_of_a_dataset_equals_the_replay_of_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["simulate", "--time-scale", "0", "--duration-hours", "12", "--output-dir", str(tmp_path)])
    run = tmp_path / "run_20260214"
    capsys.readouterr()
    whole = json.loads(call(capsys, str(run), "--json", "--data-dir", str(tmp_path / "a"))[1])
    again = json.loads(call(capsys, str(run), "--json", "--data-dir", str(tmp_path / "b"))[1])
    assert whole["observations"] == 720 and whole["decisions"] >= 6 and whole["states"] >= 24
    files = {p.name: p.read_bytes() for p in (tmp_path / "a" / "private").glob("*.jsonl")}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "b" / "private").glob("*.jsonl")}
    assert {**whole, "dataset": ""} == {**again, "dataset": ""}
    part = json.loads(call(capsys, str(run), "--from", "2026-02-14T06:00", "--to", "2026-02-14T08:00", "--json")[1])
    assert part["observations"] == 120 and part["from"] == "2026-02-14T06:00:00+01:00"
    every = json.loads(call(capsys, str(run), "--from", "0", "--to", "latest", "--json")[1])
    assert {**every, "dataset": ""} == {**whole, "dataset": ""}
    links = [parse_line(line) for line in next((run / "private").glob("sensors_raw_*")).read_bytes().splitlines()]
    numbered = ["--from", str(links[100].n), "--to", str(links[160].n)]
    assert json.loads(call(capsys, str(run), *numbered, "--json")[1])["observations"] == 60


def test_a_growers_table_with_a_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.toml").write_text('time_column = "t"\n[columns]\nair_temp_c = "T"\nrh_pct = "H"\n"soil.A" = "W"\n')
    rows = "".join(
        f"2026-05-01 {h:02d}:{m:02d},{21 + h % 5},{60 + h % 7},{33 - h / 10}\n" for h in range(24) for m in (0, 20, 40)
    )
    (tmp_path / "own.csv").write_text("t,T,H,W\n" + rows)
    code, out, _ = call(capsys, str(tmp_path / "own.csv"), "--mapping", str(tmp_path / "m.toml"), "--json")
    result = json.loads(out)
    assert code == 0 and result["observations"] == 72 and result["states"] >= 48 and "co2_ppm" in result["lacking"]


@pytest.mark.parametrize(
    ("words", "code_text"),
    [
        (["nothing.jsonl"], "E-REPLAY-NO-FILE"),
        (["nothing.csv"], "E-CSV-FILE"),
        (["nothing.jsonl", "--from", "soon"], "E-TIME"),
        (["nothing.jsonl", "--malformed", "maybe"], "E-REPLAY-OPTION"),
        (["nothing.jsonl", "--from", "17"], "E-REPLAY-OPTION"),
        (["nothing.csv", "--mapping", "nothing.toml"], "E-MAPPING-FILE"),
        ([".", "--check"], "E-STORAGE-NO-DATASET"),
        (["."], "E-STORAGE-NO-DATASET"),
    ],
)
def test_wrong_calls_are_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code_text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *words)
    assert code == 2 and out == "" and code_text in err and err.count("\n") == 1


def test_damaged_lines_fail_or_are_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.storage.samples import observations

    lines = [o.to_json() for o in observations(5)]
    lines.insert(2, lines[2][:40])
    path = tmp_path / "recorded.jsonl"
    path.write_text("\n".join(lines) + "\n")
    code, _, err = call(capsys, str(path))
    assert code == 2 and "recorded.jsonl line 3" in err
    code, out, _ = call(capsys, str(path), "--malformed", "skip", "--json")
    assert code == 0 and json.loads(out.splitlines()[-1])["observations"] == 5
