"""`forecast` and `backtest` as a person calls them, on a small table of their own."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tomato_host.backtest.tables import load_cases
from tomato_host.brain.world_model.hourly_history import hour_start
from tomato_host.cli.backtest import backtest
from tomato_host.cli.forecast import forecast
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.settings import StorageSettings

from shared_schemas.records import StateV1, parse_record
from shared_schemas.records.state_v1 import AirMeans
from tests.world_model.synthetic import START_HOUR, tent_log

MAPPING = """
time_column = "time"
time_zone = "+00:00"
delimiter = ";"
decimal = ","

[columns]
air_temp_c = "T"
vpd_kpa = "VPD"
"soil.P1" = { column = "Probe", factor = 100 }
"extra.ec.P1" = "EC"
ext_temp_c = "T out"
ext_rh_pct = "RH out"
water_ml = "Water"
light_on = "Lamp"
"""
COLUMNS = ("T", "VPD", "Probe", "EC", "T out", "RH out", "Water", "Lamp")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A grower's CSV with commas for points, half-hourly, with a hole; and its mapping."""
    folder = tmp_path_factory.mktemp("grower")
    log = tent_log(14, seed=4)
    v = log.values
    rh_out = 100.0 * v["out_vapour_kpa"] / (v["out_vapour_kpa"] + v["out_vpd_kpa"])
    ec = 3.0 - v["soil.P1"] / 50.0
    lines = [";".join(("time", *COLUMNS))]
    for h in range(log.hours):
        row = (
            v["air_temp_c"][h],
            v["vpd_kpa"][h],
            v["soil.P1"][h] / 100.0,
            ec[h],
            v["out_temp_c"][h],
            rh_out[h],
            v["water_ml"][h] / 2.0,
            v["light"][h],
        )
        cells = ["" if 100 <= h < 104 else f"{x:.4f}".replace(".", ",") for x in row]
        for minute in (0, 30):
            ts = hour_start(START_HOUR + h) + timedelta(minutes=minute)
            lines.append(";".join((f"{ts:%Y-%m-%dT%H:%M:%S}", *cells)))
    (folder / "log.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "log.toml").write_text(MAPPING, encoding="utf-8")
    return folder / "log.csv", folder / "log.toml"


def test_a_growers_table_becomes_hours(table: tuple[Path, Path]) -> None:
    case = load_cases(str(table[0]), table[1], time_zone="Europe/Vienna")[0]
    log = tent_log(14, seed=4)
    assert case.log.hours == log.hours and case.log.start_hour == START_HOUR
    assert case.log.column("water_ml")[32] == pytest.approx(log.values["water_ml"][32]), "water adds up, it is no mean"
    assert case.log.column("soil.P1")[50] == pytest.approx(log.values["soil.P1"][50], abs=0.01)
    assert np.isnan(case.log.column("vpd_kpa")[100:104]).all()
    assert [q.name for q in case.quantities] == ["soil.P1", "air_temp_c", "vpd_kpa"]
    assert case.quantities[0].companions == ("extra.ec.P1",)
    assert case.plan == ("water_ml", "light") and case.has_weather


def test_the_backtest_of_a_growers_table(
    table: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "reliability.svg"
    backtest(str(table[0]), mapping=table[1], lightgbm=False, plot=picture, json_out=True)
    reported = json.loads(capsys.readouterr().out)
    soil = next(r for r in reported["reports"] if r["quantity"] == "soil_pct")
    assert soil["horizons_h"] == [1, 6, 12, 24, 36]
    assert set(soil["mae"]) == {"world_model", "persistence", "seasonal", "climatology_7d", "ridge"}
    assert soil["mae"]["world_model"][4] < soil["mae"]["seasonal"][4]
    assert all(0.0 <= c <= 1.0 for c in soil["coverage_80"])
    assert picture.read_text().startswith("<svg") and "soil_pct" in picture.read_text()
    backtest(str(table[0]), horizons="24", mapping=table[1], lightgbm=False, quantity="vpd_kpa")
    assert "80 % interval covers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["backtest", "{csv}"], "E-CSV-UNKNOWN"),
        (["backtest", "{csv}", "--horizons", "0,50"], "E-BACKTEST-HORIZON"),
        (["backtest", "{csv}", "--mapping", "{toml}", "--from-day", "40", "--no-lightgbm"], "E-BACKTEST-SHORT"),
        (["backtest", "{csv}", "--mapping", "{toml}", "--group", "house"], "E-CSV-COLUMNS"),
        (["backtest", "/nowhere.csv"], "E-CSV-FILE"),
        (["forecast", "nothing-here"], "E-FORECAST-NO-DATA"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    table: tuple[Path, Path], words: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word.format(csv=table[0], toml=table[1]) for word in words])
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip()
    assert code in error and "Next:" in error and "\n" not in error


def test_the_next_hours_as_chart_record_and_picture(
    table: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forecast(str(table[0]), mapping=table[1], weather=False, plot=tmp_path / "next.svg")
    drawn = capsys.readouterr().out
    for word in ("soil P1", "VPD, kPa", "o'clock", "14 days learned"):
        assert word in drawn
    assert "<polyline" in (tmp_path / "next.svg").read_text()
    forecast(str(table[0]), mapping=table[1], weather=False, json_out=True)
    record = parse_record(capsys.readouterr().out)
    assert len(record.hours) == 36  # type: ignore[attr-defined]


def test_an_empty_table_says_so(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("time;T\n")
    (tmp_path / "e.toml").write_text('time_column = "time"\ndelimiter = ";"\n[columns]\nair_temp_c = "T"\n')
    with pytest.raises(TomatoError, match="no readable values"):
        load_cases(str(tmp_path / "e.csv"), tmp_path / "e.toml", time_zone="Europe/Vienna")


def test_the_hours_of_an_own_dataset_are_those_of_the_means(tmp_path: Path) -> None:
    """Each state was seen in the pause of a stroke; the half hour's air was drier."""
    disk = Dataset.from_settings(tmp_path / "data", StorageSettings(fsync="never"))
    first = hour_start(START_HOUR)
    for n in range(96):
        seen = StateV1.model_validate(json.loads((StateV1.__doc__ or "").split("Example:", 1)[1]))
        env = seen.env.model_copy(update={"vpd_kpa": 0.45, "air_temp_c": 24.0})
        means = AirMeans(over_s=1_790.0, vpd_kpa=0.95, air_temp_c=23.5) if n >= 48 else None
        disk.offer(seen.model_copy(update={"ts": first + n * timedelta(minutes=30), "env": env, "means": means}))
    disk.close()
    (case,) = load_cases(str(tmp_path / "data"), time_zone="Europe/Vienna")
    assert case.log.column("vpd_kpa")[2:22] == pytest.approx(0.45), "a recording of before 0.2 has moments only"
    assert case.log.column("vpd_kpa")[-20:] == pytest.approx(0.95)
    assert case.log.column("air_temp_c")[-20:] == pytest.approx(23.5)
