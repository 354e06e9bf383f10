"""`tomato-host status`: value, target, trend and day of each quantity; colour only where it is wanted."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.cli import main
from tomato_host.service.history import History
from tomato_host.storage.dataset import Dataset
from tomato_host.terminal.quantities import BARS, rows_of, sparkline, trend

from tests.storage.samples import START, observations, state


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return int(ended.value.code or 0)


def test_a_line_of_bars_goes_from_the_lowest_to_the_highest() -> None:
    assert sparkline([float(n) for n in range(8)], 8) == BARS
    assert sparkline([1.0, None, 3.0, 3.0], 4) == f"{BARS[0]} {BARS[-1]}{BARS[-1]}"
    assert sparkline([5.0] * 3, 3) == BARS[0] * 3 and sparkline([None], 4) == ""
    assert len(sparkline([float(n) for n in range(1_000)])) == 24


def test_a_trend_is_the_last_half_hour_against_the_one_before() -> None:
    times = [float(60 * minute) for minute in range(60)]
    rising = [float(minute) for minute in range(60)]
    assert trend(times, rising, 1.0) == "up" and trend(times, rising[::-1], 1.0) == "down"
    assert trend(times, rising, 100.0) == "steady"
    assert trend(times[:5], rising[:5], 1.0) == "" and trend([], [], 1.0) == ""


def test_a_value_outside_its_target_is_marked() -> None:
    names = ("air_temp_c", "rh_pct", "vpd_kpa", "co2_ppm", "leaf_air_delta_c", "light_lux", "soil_temp_c")
    columns = {
        "t": [0.0, 60.0],
        **{name: [1.0, 2.0] for name in names},
        "soil": {"P1": [30.0, 20.0]},
        "bands": {
            "vpd_kpa": {"low": [0.8, 0.8], "high": [1.4, 1.4]},
            "soil": {"low": [25.0, 25.0], "high": [40.0, 40.0]},
        },
    }
    present: dict[str, float | None] = {**dict.fromkeys(names, 2.0), "P1": 20.0, "P2": 30.0}
    rows = {row.name: row for row in rows_of(present, columns)}
    assert rows["VPD"].is_out and rows["P1"].is_out and not rows["air"].is_out
    assert rows["P2"].text == "30.0 %" and rows["P2"].target == "25 to 40", "a new probe has no past, but a target"
    assert (rows["VPD"].low, rows["VPD"].high, rows["air"].low) == (0.8, 1.4, None)


def test_it_reads_a_dataset_without_a_host_and_says_how_old_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Dataset.open(tmp_path / "data") as dataset:
        for number in range(40):
            dataset.append(state(START + timedelta(minutes=30 * number)))
        for observation in observations(30, START + timedelta(minutes=30 * 39 + 1)):
            dataset.append(observation)
        last = observation
    assert run("status", "--data-dir", str(tmp_path / "data"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {"air", "VPD", "CO2", "P1"} <= {row["name"] for row in told["values"]}
    assert [row["name"] for row in told["values"]][-3:] == ["soil temp", "P1", "P2"], "probes last, and nothing else"
    values = {row["name"]: row["value"] for row in told["values"]}
    assert values["air"] == last.air_temp_c, "now is the newest reading, not the mean of a quarter of an hour"
    assert datetime.fromisoformat(told["ts"]) == last.ts
    whole = History(tmp_path / "data")
    whole.load()
    part = History(tmp_path / "data")
    part.load_last_day()
    assert part.columns("24h") == whole.columns("24h") and part.latest() == whole.latest()
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert run("--no-color", "status", "--data-dir", str(tmp_path / "data")) == 0
    shown = capsys.readouterr().out
    assert "This is not the present" in shown and "\x1b[3" not in shown
    assert "no host has recorded since" in shown
    assert os.environ.pop("NO_COLOR") == "1"
    with Dataset.open(tmp_path / "data"):  # a host that counts in the time of a simulation holds it
        assert run("status", "--data-dir", str(tmp_path / "data")) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "This is not the present: the host that runs here" in shown and "no host" not in shown
    assert run("status", "--data-dir", str(tmp_path / "nowhere")) == 2
