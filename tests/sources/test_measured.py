"""Measured tables as observations: real greenhouse data, a grower's own CSV, and every way a table can be wrong."""

from __future__ import annotations

import gzip
import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.importing.mapping import TableMapping, load_mapping
from tomato_host.importing.reading import read_rows
from tomato_host.sources.measured import MAPPINGS, MeasuredSource, recognise

OWN_TOML = """
name = "my tent"
time_column = "Zeit"
time_zone = "Europe/Vienna"
time_format = "%d.%m.%Y %H:%M"
delimiter = ";"
decimal = ","
[columns]
air_temp_c = "Temperatur"
rh_pct = { column = "Feuchte", factor = 100.0 }
"soil.A" = "Topf A"
"""

OWN_CSV = """Zeit;Temperatur;Feuchte;Topf A
14.02.2026 08:00;;;
14.02.2026 08:10;21,5;0,61;33,4
14.02.2026 08:20;x;0,62;133,4
14.02.2026 08:20;22,0;0,62;33,0
14.02.2026 08:30;99,0;;33,1
"""


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, TableMapping]:
    (tmp_path / "own.toml").write_text(OWN_TOML)
    (tmp_path / "own.csv").write_text(OWN_CSV)
    return tmp_path / "own.csv", load_mapping(tmp_path / "own.toml", "Europe/Vienna")


def code_of(error: pytest.ExceptionInfo[TomatoError]) -> str:
    return error.value.code


def test_tomato_slab_week(measured_data: Path) -> None:
    begin, end = datetime(2020, 2, 1, tzinfo=UTC), datetime(2020, 2, 8, tzinfo=UTC)
    source = MeasuredSource(measured_data / "agc2_tomato_slab_5min.csv.gz", begin=begin, end=end)
    seen = []
    while (observation := source.next_observation()) is not None:
        seen.append(observation)
    assert len(seen) == 7 * 288
    assert source.lacking == {
        "air_temp_c",
        "rh_pct",
        "co2_ppm",
        "leaf_temp_c",
        "light_lux",
        "flow_ml",
        "reservoir_ok",
        "leak",
        "door_open",
    }
    assert all(o.missing[name] == "not_measured" for o in seen for name in source.lacking)
    assert all(30.0 < (p.moisture_pct or 50.0) <= 100.0 for o in seen for p in o.soil)
    assert sum(o.soil_temp_c is not None for o in seen) > 0.95 * len(seen)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("agc2_tomato_slab_5min", "agc2_tomato_slab"),
        ("agc2_tomato_slab_hourly", "agc2_tomato_slab"),
        ("agc3_lettuce_exp2_hourly", "agc3_lettuce"),
        ("agc2_weather_5min", "agc2_weather_5min"),
        ("agc2_weather_hourly", "agc2_weather_hourly"),
        ("agc3_exp2_weather_hourly", "agc3_weather_hourly"),
    ],
)
def test_the_measured_tables_are_recognised(measured_data: Path, file: str, name: str) -> None:
    path = measured_data / f"{file}.csv.gz"
    mapping = recognise(path)
    assert mapping.name == name
    rows = [row for _, row in zip(range(500), read_rows(path, mapping), strict=False)]
    assert len(rows) == 500 and all(a.ts < b.ts for a, b in itertools.pairwise(rows))
    assert not any(row.unreadable for row in rows)


def test_another_compartment_can_be_selected(measured_data: Path) -> None:
    path = measured_data / "agc3_lettuce_exp2_hourly.csv.gz"
    koala = MeasuredSource(path, MAPPINGS["agc3_lettuce"].selecting({"compartment": "Koala"}))
    first = koala.next_observation()
    assert first is not None and first.soil == () and "soil" in koala.lacking
    assert first.air_temp_c == pytest.approx(16.0917) and first.missing["soil_temp_c"] == "not_measured"


def test_false_zeros_of_digilog_arrive_as_they_were_recorded(measured_data: Path) -> None:
    # Judging them is the estimator's part; a source does not tidy up.
    mapping = MAPPINGS["agc2_tomato_slab"].selecting({"compartment": "Digilog"})
    begin, end = datetime(2020, 1, 16, tzinfo=UTC), datetime(2020, 1, 17, tzinfo=UTC)
    source = MeasuredSource(measured_data / "agc2_tomato_slab_5min.csv.gz", mapping, begin=begin, end=end)
    zeros = 0
    while (observation := source.next_observation()) is not None:
        zeros += any(probe.moisture_pct == 0.0 for probe in observation.soil)
    assert zeros == 24


def test_weather_is_no_observation(measured_data: Path) -> None:
    with pytest.raises(TomatoError) as caught:
        MeasuredSource(measured_data / "agc2_weather_hourly.csv.gz")
    assert code_of(caught) == "E-CSV-NOT-INDOOR"


def test_a_growers_own_table(own: tuple[Path, TableMapping]) -> None:
    source = MeasuredSource(*own)
    first, second, third = (source.next_observation() for _ in range(3))
    assert first is not None and second is not None and third is not None
    assert source.next_observation() is None
    # The leading empty row is not an observation, and the doubled 08:20 is taken once.
    assert first.ts == datetime(2026, 2, 14, 7, 10, tzinfo=UTC)
    assert (first.air_temp_c, first.rh_pct, first.soil[0].moisture_pct) == (21.5, 61.0, 33.4)
    assert second.missing["air_temp_c"] == "invalid" and second.soil[0].missing == "out_of_range"
    assert third.missing["air_temp_c"] == "out_of_range" and third.missing["rh_pct"] == "timeout"
    assert first.missing["co2_ppm"] == "not_measured" and source.lacking >= {"co2_ppm", "leaf_temp_c"}
    assert source.device_status().board_state == "UNKNOWN"


def test_a_gzipped_table_with_a_byte_order_mark(own: tuple[Path, TableMapping], tmp_path: Path) -> None:
    plain, mapping = own
    packed = tmp_path / "own.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    assert [row.values for row in read_rows(packed, mapping)] == [row.values for row in read_rows(plain, mapping)]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("name = 1 =", "no TOML"),
        ('time_column = "t"\n[columns]\nair_temp_c = "a"\ncolour = "b"', "colour"),
        ('time_column = "t"\ntime_zone = "Vienna"\n[columns]\nair_temp_c = "a"', "time_zone"),
        ('[columns]\nair_temp_c = "a"', "time_column"),
        ('time_column = "t"\ndecimal = "x"\n[columns]\nair_temp_c = "a"', "decimal"),
        ('time_column = "t"\n[columns]\n', "columns"),
    ],
)
def test_a_wrong_mapping_names_the_key(tmp_path: Path, toml: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(toml)
    with pytest.raises(TomatoError) as caught:
        load_mapping(path, "Europe/Vienna")
    assert code_of(caught) == "E-MAPPING-FILE" and says in caught.value.message


def test_wrong_tables_are_clear_errors(own: tuple[Path, TableMapping], tmp_path: Path) -> None:
    path, mapping = own
    with pytest.raises(TomatoError) as caught:
        recognise(path)
    assert code_of(caught) == "E-CSV-UNKNOWN"
    with pytest.raises(TomatoError) as caught:
        list(read_rows(tmp_path / "nothing.csv", mapping))
    assert code_of(caught) == "E-CSV-FILE"
    (tmp_path / "broken.csv.gz").write_bytes(b"not gzip at all")
    with pytest.raises(TomatoError) as caught:
        recognise(tmp_path / "broken.csv.gz")
    assert code_of(caught) == "E-CSV-FILE"
    (tmp_path / "other.csv").write_text("Zeit;Temperatur\n")
    with pytest.raises(TomatoError) as caught:
        list(read_rows(tmp_path / "other.csv", mapping))
    assert code_of(caught) == "E-CSV-COLUMNS" and "Feuchte, Topf A" in caught.value.message
    (tmp_path / "time.csv").write_text(OWN_CSV.replace("14.02.2026 08:", "yesterday "))
    with pytest.raises(TomatoError) as caught:
        list(read_rows(tmp_path / "time.csv", mapping))
    assert code_of(caught) == "E-CSV-TIME" and "line 2" in caught.value.message


def test_a_fixed_offset_knows_no_summer_time(tmp_path: Path) -> None:
    path = tmp_path / "night.csv"
    path.write_text("t,x\n2020-03-29 01:30,1\n2020-03-29 02:30,2\n2020-03-29 03:30,3\n")
    mapping = TableMapping.model_validate(
        {"name": "n", "time_column": "t", "time_zone": "+01:00", "columns": {"air_temp_c": "x"}}
    )
    assert [row.ts.hour for row in read_rows(path, mapping)] == [0, 1, 2]
