"""What a person meets when something is missing or broken: one error with a code and a next step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.twin import firmware_files
from tomato_host.twin.outside import MeasuredWeather, Surroundings
from tomato_host.twin.params import TentParams
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.world import World

from tests.twin.conftest import PROBE_FIRMWARE

DATA = Path(os.environ.get("TOMATO_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
AGC_COLUMNS = {"temp_c": "w_Tout", "rh_pct": "w_Rhout", "solar_w_m2": "w_Iglob", "wind_m_s": "w_Windsp"}


@pytest.fixture
def forget_vm() -> Iterator[None]:
    firmware_files.micropython.cache_clear()
    yield
    firmware_files.micropython.cache_clear()


def command(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\nprintf '%s' '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("forget_vm")
def test_no_vm_names_both_ways_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command(tmp_path / "micropython", "cpython")  # the wheel's empty shell on ARM answers with another name
    monkeypatch.setattr(firmware_files.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TomatoError) as caught:
        firmware_files.micropython()
    assert caught.value.code == "E-TWIN-NO-VM"
    assert ".[sim]" in caught.value.next_step and "apt install" in caught.value.next_step


@pytest.mark.usefixtures("forget_vm")
def test_a_vm_on_path_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, on_path = tmp_path / "venv", tmp_path / "bin"
    beside.mkdir()
    on_path.mkdir()
    found = command(on_path / "micropython", "micropython")
    monkeypatch.setattr(firmware_files.sys, "executable", str(beside / "python"))
    monkeypatch.setenv("PATH", f"{on_path}:/bin:/usr/bin")
    assert firmware_files.micropython() == str(found)


def test_missing_firmware_is_told(tmp_path: Path) -> None:
    with pytest.raises(TomatoError) as caught:
        VirtualBoard(World(1), tmp_path / "flash", firmware=tmp_path)
    assert caught.value.code == "E-TWIN-NO-FIRMWARE"


@pytest.mark.parametrize("body", ["raise ValueError('broken on purpose')", "import machine\nmachine.reset()"])
def test_firmware_that_does_not_stay_alive_is_told_with_its_last_words(tmp_path: Path, body: str) -> None:
    firmware = tmp_path / "firmware"
    boards = firmware / "tomato" / "boards"
    boards.mkdir(parents=True)
    (boards / "virtual.py").write_text((PROBE_FIRMWARE / "tomato" / "boards" / "virtual.py").read_text())
    (firmware / "boot.py").write_text("")
    (firmware / "main.py").write_text(body + "\n")
    board = VirtualBoard(World(1), tmp_path / "flash", firmware)
    with pytest.raises(TomatoError) as caught:
        board.run_to(60_000)
    assert caught.value.code == "E-TWIN-CRASHED"
    assert "machine" in body or "broken on purpose" in caught.value.message


def test_a_vm_that_dies_once_is_restarted_as_a_board_would_be(tmp_path: Path) -> None:
    board = VirtualBoard(World(1), tmp_path / "flash", PROBE_FIRMWARE)
    board.run_to(20_000)
    assert board.vm_pid is not None
    os.kill(board.vm_pid, 9)
    board.run_to(40_000)
    board.run_to(40_000)
    assert board.boots == 2 and board.vm_pid is not None
    board.close()


@pytest.mark.parametrize("text", [None, "temp_c,rh_pct\n1,2\n", ""])
def test_an_unusable_weather_file_is_told(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "weather.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TomatoError) as caught:
        MeasuredWeather(path)
    assert caught.value.code == "E-TWIN-WEATHER"


def test_a_gap_in_the_weather_keeps_the_last_hour_and_the_file_repeats(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    path.write_text("temp_c,rh_pct,solar_w_m2,wind_m_s\n1,50,0,2\n,,,\n3,60,10,1\n")
    weather = MeasuredWeather(path)
    assert [weather.hour(k).temp_c for k in range(5)] == [1.0, 1.0, 3.0, 1.0, 1.0]


def test_a_measured_spring_keeps_the_greenhouse_alive() -> None:
    """The Bleiswijk weather of 2020 drives the tent: temperatures stay believable over five days in April."""
    path = DATA / "agc2_weather_hourly.csv.gz"
    if not path.exists():
        pytest.skip(f"measured weather is not at {path}")
    weather = MeasuredWeather(path, AGC_COLUMNS, first_row=110 * 24)
    start = datetime.fromisoformat("2020-04-04T00:00:00+02:00")
    world = World(1, TentParams.greenhouse(), start=start, weather=weather)
    air = []
    for hour in range(1, 121):
        world.advance_to(hour * 3_600_000)
        air.append(world.tent.truth().air_c)
    assert -2.0 < min(air) < 20.0 and 10.0 < max(air) < 50.0
    assert isinstance(world.surroundings, Surroundings)
