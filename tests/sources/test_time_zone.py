"""The site's time zone is a parameter: a tent in New York is simulated, replayed and forecast in New York time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.backtest.tables import load_cases
from tomato_host.cli.recording_span import read_span
from tomato_host.importing.mapping import load_mapping
from tomato_host.importing.reading import read_rows
from tomato_host.sources.synthetic import SyntheticDay, SyntheticSource
from tomato_host.weather.normalise import normalise
from tomato_host.weather.series import WeatherSeries

NEW_YORK = "America/New_York"
HOST = Path(__file__).resolve().parents[2] / "host/tomato_host"
TABLE = "t,T\n" + "".join(f"2026-06-{day:02d} {hour:02d}:00,{hour}.5\n" for day in (1, 2) for hour in range(24))


def _files(folder: Path) -> tuple[Path, Path]:
    (folder / "a.csv").write_text(TABLE)
    (folder / "a.toml").write_text('time_column = "t"\n[columns]\nair_temp_c = "T"\n')
    return folder / "a.csv", folder / "a.toml"


def test_the_synthetic_lamp_follows_the_wall_clock_of_its_zone() -> None:
    source = SyntheticSource(
        1,
        datetime(2026, 6, 1, tzinfo=UTC),
        24.0,
        3_600.0,
        day=SyntheticDay(lights_on=time(6), photoperiod_h=16.0),
        zone=ZoneInfo(NEW_YORK),
    )
    lit = {}
    while (seen := source.next_observation()) is not None:
        assert seen.ts.utcoffset() == timedelta(hours=-4)
        lit[seen.ts.hour] = source.device_status().outputs.light == "ON"
    assert [hour for hour in range(24) if lit[hour]] == list(range(6, 22))


def test_a_mapping_without_a_zone_takes_that_of_the_site(tmp_path: Path) -> None:
    table, mapping = _files(tmp_path)
    first = next(iter(read_rows(table, load_mapping(mapping, NEW_YORK))))
    assert first.ts == datetime(2026, 6, 1, 4, tzinfo=UTC)
    mapping.write_text('time_column = "t"\ntime_zone = "+01:00"\n[columns]\nair_temp_c = "T"\n')
    first = next(iter(read_rows(table, load_mapping(mapping, NEW_YORK))))
    assert first.ts == datetime(2026, 5, 31, 23, tzinfo=UTC)


def test_a_backtest_counts_hours_in_the_zone_of_the_site(tmp_path: Path) -> None:
    table, mapping = _files(tmp_path)
    log = load_cases(str(table), mapping, time_zone=NEW_YORK)[0].log
    assert log.start_hour == int(datetime(2026, 6, 1, 4, tzinfo=UTC).timestamp()) // 3_600


def test_weather_records_carry_the_local_time_of_the_site() -> None:
    now = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    run = now.replace(minute=0)
    columns = {"temp_c": 20.0, "rh_pct": 50.0, "wind_mps": 2.0, "cloud_pct": 10.0}
    times = tuple(run + timedelta(hours=h) for h in range(40))
    series = WeatherSeries("p", "m", run, times, {name: (value,) * 40 for name, value in columns.items()})
    record = normalise(series, now, NEW_YORK, 36)
    assert record.ts.isoformat() == "2026-06-01T08:30:00-04:00"
    assert record.hours[0].ts.isoformat() == "2026-06-01T08:00:00-04:00"


def test_a_moment_without_an_offset_is_local_time_of_the_site() -> None:
    span = read_span("2026-06-01T06:00", "2026-06-01T06:00+00:00", ZoneInfo(NEW_YORK))
    assert span.begin == datetime(2026, 6, 1, 10, tzinfo=UTC) and span.end == datetime(2026, 6, 1, 6, tzinfo=UTC)
    assert read_span("20260601", "17", ZoneInfo(NEW_YORK)).begin == datetime(2026, 6, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize("package", ["sources", "weather", "backtest", "models"])
def test_no_place_is_wired_into_these_packages(package: str) -> None:
    for file in (HOST / package).glob("*.py"):
        lines = file.read_text(encoding="utf-8").splitlines()
        wired = [line for line in lines if "Europe/Vienna" in line and "examples:" not in line]
        assert wired == [], file
