"""Files as they are: each awkward case has the report or the refusal that it must give."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.importing.mapping import TableMapping, load_mapping
from tomato_host.importing.proposal import propose
from tomato_host.importing.reading import TableRow, read_tables
from tomato_host.importing.report import ImportReport

from tests.importing.logs import BEGIN, ROWS, celsius, humidity, local, moisture, moments, table, write

PLAIN = {"air_temp_c": "T", "rh_pct": "RH"}


def iso(ts: datetime) -> str:
    return ts.strftime("%Y-%m-%dT%H:%M:%SZ")


def plain_row(k: int, ts: datetime) -> str:
    return f"{iso(ts)},{celsius(k)},{humidity(k)}"


def mapping(columns: Mapping[str, object], **more: object) -> TableMapping:
    start: dict[str, object] = {"name": "m", "time_column": "time", "time_zone": "Europe/Vienna", "columns": columns}
    return TableMapping.model_validate({**start, **more})


def read(*files: tuple[Path, TableMapping]) -> tuple[list[TableRow], ImportReport]:
    with read_tables(files) as reading:
        return list(reading.iterate()), reading.report


def refused(path: Path, how: TableMapping) -> TomatoError:
    with pytest.raises(TomatoError) as caught:
        read((path, how))
    return caught.value


# --- numbers that are something else -----------------------------------------------------------------------------


def test_fahrenheit_without_a_unit_is_refused_and_says_what_to_write(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{iso(t)},{celsius(k) * 1.8 + 32:.1f},{humidity(k)}")
    error = refused(path, mapping(PLAIN))
    assert error.code == "E-IMPORT-NONSENSE" and "Fahrenheit" in error.message and 'unit = "F"' in str(error)
    rows, _ = read((path, mapping({**PLAIN, "air_temp_c": {"column": "T", "unit": "F"}})))
    assert rows[7].values["air_temp_c"] == pytest.approx(celsius(7), abs=0.05)


@pytest.mark.parametrize(
    ("quantity", "row", "step"),
    [
        ("soil.P1", lambda k: f"{moisture(k) / 100:.4f}", 'unit = "0-1"'),
        ("rh_pct", lambda k: f"{humidity(k) / 100:.4f}", 'unit = "0-1"'),
        ("air_temp_c", lambda k: f"{celsius(k) + 273.15:.2f}", 'unit = "K"'),
        ("soil.P1", lambda k: str(14_000 + 20 * k), "factor and offset"),
        ("vpd_kpa", lambda k: f"{10.0 + k / 50:.3f}", "hPa"),
        ("light_on", lambda k: str(100 * (k % 2)), 'unit = "%"'),
        ("air_temp_c", lambda k: "on" if k % 2 else "off", "light_on"),
        ("air_temp_c", lambda k: str(celsius(k)).replace(".", ",").join('""'), 'decimal = ","'),
        ("rh_pct", lambda k: str(400 + k), "right unit"),
        ("co2_ppm", lambda k: "0.06", "right unit"),
    ],
)
def test_nonsense_is_refused_with_the_next_step(
    quantity: str, row: Callable[[int], str], step: str, tmp_path: Path
) -> None:
    path = table(tmp_path / "a.csv", "time,X", lambda k, t: f"{iso(t)},{row(k)}")
    error = refused(path, mapping({quantity: "X"}))
    assert error.code == "E-IMPORT-NONSENSE" and quantity in error.message and step in str(error)


def test_sentinels_are_no_readings(tmp_path: Path) -> None:
    sentinel = {5: "-127", 6: "-127.00", 9: "-999", 11: "65535"}
    path = table(tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{iso(t)},{sentinel.get(k, celsius(k))},{humidity(k)}")
    rows, report = read((path, mapping(PLAIN)))
    assert [k for k, row in enumerate(rows) if row.values["air_temp_c"] is None] == sorted(sentinel)
    (found,) = [one for one in report.findings if one.kind == "sentinel"]
    assert found.count == 4 and str(found.example) == "a.csv line 7: -127.0"


def test_a_sentinel_in_fahrenheit_is_one_as_well(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{iso(t)},{-196.6 if k == 3 else 70 + k / 10},{humidity(k)}"
    )
    rows, report = read((path, mapping({"air_temp_c": {"column": "T", "unit": "°F"}, "rh_pct": "RH"})))
    assert rows[3].values["air_temp_c"] is None and report.count("sentinel") == 1


def test_a_sentinel_of_ones_own_can_be_named(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{iso(t)},{85.0 if k < 3 else celsius(k)},{humidity(k)}"
    )
    rows, report = read((path, mapping(PLAIN, sentinels=[85.0])))
    assert report.count("sentinel") == 3 and rows[0].values["air_temp_c"] is None


def test_impossible_values_are_counted_and_left_out_of_the_hours(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{iso(t)},{300 if k == 2 else celsius(k)},{humidity(k)}"
    )
    with read_tables([(path, mapping(PLAIN))]) as reading:
        assert reading.report.count("outside_limits") == 1
        first = next(iter(reading.hourly()["air_temp_c"].values()))
    assert first == pytest.approx(sum(celsius(k) for k in (0, 1, 3, 4, 5)) / 5)


# --- cells and rows ----------------------------------------------------------------------------------------------


def test_cells_that_cannot_be_read_do_not_vanish_silently(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv",
        "time,T,soil",
        lambda k, t: f"{iso(t)},{celsius(k)},{'err7' if k % 3 == 0 else moisture(k)}",
    )
    rows, report = read((path, mapping({"air_temp_c": "T", "soil.P1": "soil"})))
    (found,) = [one for one in report.findings if one.kind == "unreadable"]
    assert found.count == 20 and "soil.P1" in found.what and str(found.example) == "a.csv line 2: err7"
    assert rows[0].unreadable == ("soil.P1",) and rows[1].unreadable == ()
    assert any("err7" in line for line in report.lines())


def test_half_the_cells_not_available_are_empty_and_not_unreadable(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,soil", lambda k, t: f"{iso(t)},{'n/a' if k % 2 else moisture(k)}")
    rows, report = read((path, mapping({"soil.P1": "soil"})))
    assert report.count("unreadable") == 0 and report.quantities[0].values == ROWS // 2
    assert rows[1].values["soil.P1"] is None and rows[2].values["soil.P1"] == moisture(2)


def test_a_lamp_that_says_on_and_off_is_a_share(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "time,T,lamp", lambda k, t: f"{iso(t)},{celsius(k)},{'ON' if k % 6 < 2 else 'Off'}"
    )
    with read_tables([(path, mapping({"air_temp_c": "T", "light_on": "lamp"}))]) as reading:
        assert all(share == pytest.approx(1 / 3) for share in reading.hourly()["light_on"].values())


def test_one_bad_last_line_is_skipped_and_reported(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,T,RH", plain_row, after=("2026-02-1",))
    rows, report = read((path, mapping(PLAIN)))
    assert len(rows) == ROWS and report.rows == ROWS + 1
    (found,) = [one for one in report.findings if one.kind == "time"]
    assert found.count == 1 and found.example is not None and found.example.line == ROWS + 2


def test_most_times_unreadable_is_a_refusal(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{local(t, '%d.%m.%Y')},{celsius(k)},{humidity(k)}")
    error = refused(path, mapping(PLAIN))
    assert error.code == "E-CSV-TIME" and "line 2" in error.message and "time_format" in str(error)


def test_short_and_long_rows_are_counted(tmp_path: Path) -> None:
    def row(k: int, ts: datetime) -> str:
        return f"{iso(ts)},{celsius(k)}" if k in (4, 5) else plain_row(k, ts) + (",9,9" if k == 8 else "")

    rows, report = read((table(tmp_path / "a.csv", "time,T,RH", row), mapping(PLAIN)))
    assert len(rows) == ROWS and report.count("short") == 2 and report.count("long") == 1
    assert rows[4].values == {"air_temp_c": celsius(4), "rh_pct": None}


def test_duplicated_rows_count_water_once(tmp_path: Path) -> None:
    lines = [f"{iso(ts)},{celsius(k)},50" for k, ts in enumerate(moments(12)) for _ in range(2)]
    path = write(tmp_path / "a.csv", ["time,T,ml", *lines])
    with read_tables([(path, mapping({"air_temp_c": "T", "water_ml": "ml"}))]) as reading:
        assert list(reading.hourly()["water_ml"].values()) == [300.0, 300.0]
        (found,) = [one for one in reading.report.findings if one.kind == "duplicate"]
    assert found.count == 12 and found.example is not None


def test_rows_of_one_moment_that_fill_different_cells_are_one(tmp_path: Path) -> None:
    lines = [
        line for k, ts in enumerate(moments(30)) for line in (f"{iso(ts)},{celsius(k)},", f"{iso(ts)},,{humidity(k)}")
    ]
    rows, _ = read((write(tmp_path / "a.csv", ["time,T,RH", *lines]), mapping(PLAIN)))
    assert len(rows) == 30 and rows[3].values == {"air_temp_c": celsius(3), "rh_pct": humidity(3)}


def test_rows_out_of_order_are_sorted(tmp_path: Path) -> None:
    lines = [plain_row(k, ts) for k, ts in enumerate(moments())]
    rows, report = read((write(tmp_path / "a.csv", ["time,T,RH", *reversed(lines)]), mapping(PLAIN)))
    assert [row.ts for row in rows] == moments() and report.count("duplicate") == 0


def test_gaps_are_reported(tmp_path: Path) -> None:
    lines = [plain_row(k, ts) for k, ts in enumerate(moments(200)) if not 60 <= k < 90]
    _, report = read((write(tmp_path / "a.csv", ["time,T,RH", *lines]), mapping(PLAIN)))
    (gap,) = [one for one in report.findings if one.kind == "gap"]
    assert gap.count == 1 and "5 h" in gap.what and "2026-02-14 10:00:00" in gap.what


def test_blank_lines_and_a_repeated_header_are_no_rows(tmp_path: Path) -> None:
    lines = [plain_row(k, ts) for k, ts in enumerate(moments())]
    path = write(tmp_path / "a.csv", ["time,T,RH", *lines[:20], "", "time,T,RH", *lines[20:], "", ""])
    rows, report = read((path, mapping(PLAIN)))
    assert len(rows) == ROWS and report.count("time") == 1


def test_a_stray_quotation_mark_does_not_swallow_the_rest(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "time,T,RH,note", lambda k, t: plain_row(k, t) + (',"left door' if k == 10 else ",")
    )
    rows, _ = read((path, mapping(PLAIN)))
    assert len(rows) == ROWS


def test_numbers_with_thousands_units_and_a_real_minus(tmp_path: Path) -> None:
    cells = ["1,234", "1,234.5", "600 ppm", "7e2", "800.0"]
    path = table(tmp_path / "a.csv", "time;co2;T", lambda k, t: f"{iso(t)};{cells[k % 5]};−3.5 °C")
    rows, report = read((path, mapping({"co2_ppm": "co2", "air_temp_c": "T"}, delimiter=";")))
    assert [row.values["co2_ppm"] for row in rows[:5]] == [1234.0, 1234.5, 600.0, 700.0, 800.0]
    assert rows[0].values["air_temp_c"] == -3.5 and report.count("unreadable") == 0


def test_not_a_number_and_infinity_are_no_values(tmp_path: Path) -> None:
    words = {1: "NaN", 2: "inf", 3: "-Infinity"}
    path = table(tmp_path / "a.csv", "time,T,RH", lambda k, t: f"{iso(t)},{words.get(k, celsius(k))},{humidity(k)}")
    rows, report = read((path, mapping(PLAIN)))
    assert [rows[k].values["air_temp_c"] for k in (1, 2, 3)] == [None] * 3 and report.count("unreadable") == 2


# --- headers -----------------------------------------------------------------------------------------------------


def test_a_preamble_is_skipped(tmp_path: Path) -> None:
    before = ("Logger,serial 77", "Firmware,1.2,beta,x", "", "Interval,10 min")
    path = table(tmp_path / "a.csv", "time,T,RH", plain_row, before=before)
    rows, report = read((path, mapping(PLAIN)))
    assert len(rows) == ROWS and report.count("time") == 0
    assert len(read((path, mapping(PLAIN, header_line=5)))[0]) == ROWS


def test_two_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,T,T,RH", lambda k, t: f"{iso(t)},{celsius(k)},{k / 10},{humidity(k)}")
    rows, _ = read((path, mapping({"air_temp_c": "T", "ext_temp_c": "T (2)"})))
    assert (rows[5].values["air_temp_c"], rows[5].values["ext_temp_c"]) == (celsius(5), 0.5)
    assert "T (2)" in propose(path, "UTC").toml()


def test_two_quantities_of_one_column_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('time_column = "t"\n[columns]\nair_temp_c = "T"\nleaf_temp_c = "T"\n')
    with pytest.raises(TomatoError) as caught:
        load_mapping(tmp_path / "m.toml", "UTC")
    assert caught.value.code == "E-MAPPING-FILE" and "both" not in caught.value.message
    assert "air_temp_c, leaf_temp_c all read the column 'T'" in caught.value.message


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ('{ column = "T", unit = "furlong" }', "furlong"),
        ('{ column = "T", unit = "%" }', "degC, degF, K"),
        ('"t"', "time column"),
    ],
)
def test_a_wrong_mapping_says_what_is_allowed(tmp_path: Path, column: str, says: str) -> None:
    (tmp_path / "m.toml").write_text(f'time_column = "t"\n[columns]\nair_temp_c = {column}\n')
    with pytest.raises(TomatoError) as caught:
        load_mapping(tmp_path / "m.toml", "UTC")
    assert caught.value.code == "E-MAPPING-FILE" and says in caught.value.message


def test_a_file_without_names_says_so_and_can_be_mapped_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [plain_row(k, ts) for k, ts in enumerate(moments())])
    with pytest.raises(TomatoError) as caught:
        propose(path, "UTC")
    assert caught.value.code == "E-IMPORT-UNKNOWN" and "header_line = 0" in str(caught.value)
    rows, _ = read((path, mapping({"air_temp_c": "2", "rh_pct": "3"}, time_column="1", header_line=0)))
    assert len(rows) == ROWS and rows[2].values == {"air_temp_c": celsius(2), "rh_pct": humidity(2)}


def test_nothing_recognised_lists_what_there_is(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,foo,bar", plain_row)
    with pytest.raises(TomatoError) as caught:
        propose(path, "UTC")
    assert caught.value.code == "E-IMPORT-UNKNOWN" and "foo, bar" in caught.value.message


# --- times -------------------------------------------------------------------------------------------------------


def test_day_or_month_is_decided_by_the_steps_of_the_log(tmp_path: Path) -> None:
    path = table(
        tmp_path / "a.csv", "Time,Temp,RH", lambda k, t: f"{t:%d/%m/%Y %H:%M},{celsius(k)},{humidity(k)}", count=600
    )
    assert propose(path, "UTC").mapping.time_format == "%d/%m/%Y %H:%M"


def test_day_or_month_that_nothing_decides_is_a_question(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["Time,Temp", *(f"02/02/2026 {h:02d}:00,{celsius(h)}" for h in range(24))])
    with pytest.raises(TomatoError) as caught:
        propose(path, "UTC")
    assert caught.value.code == "E-IMPORT-TIME" and "%d/%m/%Y" in str(caught.value) and "%m/%d/%Y" in str(caught.value)


def test_the_hour_that_the_clock_shows_twice_is_two_hours(tmp_path: Path) -> None:
    begin = datetime(2025, 10, 25, 22, 0, tzinfo=UTC)
    times = [begin + timedelta(minutes=10 * k) for k in range(36)]
    path = write(
        tmp_path / "a.csv", ["time,T", *(f"{local(ts, '%Y-%m-%d %H:%M')},{celsius(k)}" for k, ts in enumerate(times))]
    )
    rows, report = read((path, mapping({"air_temp_c": "T"})))
    assert [row.ts for row in rows] == times and report.count("duplicate") == 0


def test_summer_time_moves_the_offset_at_the_end_of_the_log_not_of_1970(tmp_path: Path) -> None:
    from tomato_host.backtest.tables import load_cases

    begin = datetime(2026, 6, 1, tzinfo=UTC)
    lines = [f"{local(begin + timedelta(hours=h), '%Y-%m-%d %H:%M')},{celsius(h)}" for h in range(72)]
    path = write(tmp_path / "a.csv", ["time,T", *lines])
    (tmp_path / "a.toml").write_text('time_column = "time"\n[columns]\nair_temp_c = "T"\n')
    log = load_cases(str(path), tmp_path / "a.toml", time_zone="Europe/Vienna")[0].log
    assert log.utc_offset_h == 2.0 and log.hours == 72


def test_a_clock_that_was_never_set_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ["time,T", *(f"1970-01-01 {h:02d}:00,{celsius(h)}" for h in range(24))])
    error = refused(path, mapping({"air_temp_c": "T"}))
    assert error.code == "E-CSV-TIME" and "clock" in str(error)


def test_a_few_times_of_1970_are_only_a_gap(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", "time,T,RH", plain_row, after=("2026-02-15T00:00:00Z,20,60",))
    assert len(read((path, mapping(PLAIN)))[0]) == ROWS + 1


# --- long tables and several files ------------------------------------------------------------------------------


def home_assistant(path: Path) -> Path:
    lines = ["entity_id,state,last_changed"]
    for k, ts in enumerate(moments()):
        stamp = ts.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lines.append(f"sensor.tent_temperature,{'unavailable' if k == 30 else celsius(k)},{stamp}")
        lines.append(f"sensor.tent_humidity,{humidity(k)},{stamp}")
        if k in (0, 24):
            lines.append(f"switch.grow_light,{'on' if k == 0 else 'off'},{stamp}")
        lines.append(f"sensor.phone_battery,{k},{stamp}")
    return write(path, lines)


def test_home_assistant_history(tmp_path: Path) -> None:
    path = home_assistant(tmp_path / "history.csv")
    found = propose(path, "Europe/Vienna").mapping
    assert found.layout == "long" and {name: spec.column for name, spec in found.columns.items()} == {
        "air_temp_c": "sensor.tent_temperature",
        "rh_pct": "sensor.tent_humidity",
        "light_on": "switch.grow_light",
    }
    rows, report = read((path, found))
    by_time = {row.ts: row.values for row in rows}
    assert by_time[moments()[7]]["air_temp_c"] == celsius(7)
    assert by_time[moments()[12]]["light_on"] == 1.0, "a lamp stays on until it is switched"
    assert by_time[moments()[40]]["light_on"] == 0.0
    assert by_time[moments()[30]]["air_temp_c"] is None, "unavailable is no value, and ends the one before"
    assert by_time[moments()[7] + timedelta(minutes=5)]["air_temp_c"] == celsius(7), "changes only: a value holds"
    assert report.count("other") == ROWS


def test_home_assistant_statistics(tmp_path: Path) -> None:
    lines = ["statistic_id,start_ts,mean,min,max,state,sum"]
    for h in range(48):
        ts = BEGIN + timedelta(hours=h)
        lines.append(f"sensor.tent_temperature,{ts.timestamp()},{celsius(h)},1,2,,")
        lines.append(f"sensor.tent_humidity,{ts.timestamp()},{humidity(h)},1,2,,")
    path = write(tmp_path / "statistics.csv", lines)
    found = propose(path, "UTC").mapping
    assert found.value_column == "mean"
    with read_tables([(path, found)]) as reading:
        assert list(reading.hourly()["air_temp_c"].values()) == [celsius(h) for h in range(48)]


def test_one_file_for_each_sensor(tmp_path: Path) -> None:
    temp = table(tmp_path / "tent_temp.csv", "time,temperature", lambda k, t: f"{iso(t)},{celsius(k)}")
    later = table(
        tmp_path / "tent_rh.csv", "time,humidity", lambda k, t: f"{iso(t + timedelta(seconds=100))},{humidity(k)}"
    )
    outside = table(tmp_path / "outside.csv", "time,temperature", lambda k, t: f"{iso(t)},{k / 10}")
    rows, report = read(*((path, propose(path, "UTC").mapping) for path in (temp, later, outside)))
    assert len(rows) == ROWS and report.files == ("tent_temp.csv", "tent_rh.csv", "outside.csv")
    assert rows[4].values == {"air_temp_c": celsius(4), "rh_pct": humidity(4), "ext_temp_c": 0.4}


def test_two_months_in_two_files_that_overlap(tmp_path: Path) -> None:
    lines = [plain_row(k, ts) for k, ts in enumerate(moments())]
    first = write(tmp_path / "1.csv", ["time,T,RH", *lines[:40]])
    second = write(tmp_path / "2.csv", ["time,T,RH", *lines[30:]])
    rows, _ = read((first, mapping(PLAIN)), (second, mapping(PLAIN)))
    assert [row.ts for row in rows] == moments() and rows[35].values["air_temp_c"] == celsius(35)


def test_places_of_a_group_column_are_kept_apart(tmp_path: Path) -> None:
    lines = [
        f"{iso(ts)},{house},{celsius(k) + shift}"
        for k, ts in enumerate(moments())
        for house, shift in (("A", 0), ("B", 5))
    ]
    path = write(tmp_path / "a.csv", ["time,house,T", *lines])
    with read_tables([(path, mapping({"air_temp_c": "T"}, group="house"))]) as reading:
        assert reading.places() == ["A", "B"]
        a, b = (next(iter(reading.hourly(place)["air_temp_c"].values())) for place in ("A", "B"))
        assert b - a == pytest.approx(5.0) and reading.report.count("duplicate") == 0


# --- files that are no tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.json", b'{"a": 1}', "JSON"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel"),
        ("a.csv", b"", "empty"),
        ("a.csv", b"\n\n  \n", "empty"),
        ("a.csv.gz", b"not gzip", "cannot be read"),
        ("a.csv", b"time,temperature\n", "no column whose cells are times"),
        ("a.csv", b"hello\nworld\n", "no column whose cells are times"),
    ],
)
def test_what_is_no_table_is_one_clear_line(
    name: str, content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        main(["import", str(tmp_path / name), "--yes", "-o", str(tmp_path / "out")])
    error = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and says in error and "Next:" in error and "\n" not in error


def test_a_zip_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "time,T\n")
    with pytest.raises(TomatoError, match="unpack"):
        propose(tmp_path / "a.zip", "UTC")


# --- the command -------------------------------------------------------------------------------------------------


def season(path: Path, days: int = 12) -> Path:
    return table(
        path, "time,Temperature,Humidity,Soil", lambda k, t: plain_row(k, t) + f",{moisture(k % 300)}", count=days * 144
    )


def test_import_backtest_replay_and_forecast(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = season(tmp_path / "season.csv"), str(tmp_path / "out")
    main_ok(["import", str(path), "--yes", "-o", out])
    shown = capsys.readouterr().out
    assert "1728 rows read, 1728 kept" in shown and 'air_temp_c = { column = "Temperature" }' in shown
    main_ok(["backtest", out, "--no-lightgbm", "--json", "--horizons", "1,24"])
    reported = json.loads(capsys.readouterr().out)
    assert {one["quantity"] for one in reported["reports"]} == {"air_temp_c", "soil_pct", "vpd_kpa"}
    main_ok(["replay", out, "--to", "2026-02-14T12:00", "--json"])
    assert json.loads(capsys.readouterr().out)["observations"] == 66
    main_ok(["forecast", out, "--no-weather"])
    assert "12 days learned" in capsys.readouterr().out


def main_ok(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code in (0, None)


def test_a_proposal_is_written_edited_and_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, toml = season(tmp_path / "s.csv", 1), tmp_path / "m.toml"
    main_ok(["import", str(path), "--propose", str(toml)])
    text = toml.read_text()
    toml.write_text(text.replace('"soil.P1"', '"soil.Left"'))
    capsys.readouterr()
    main_ok(["import", str(path), "--mapping", str(toml), "-o", str(tmp_path / "o"), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert "soil.Left" in {one["quantity"] for one in report["quantities"]} and report["rows_kept"] == 144


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["import", "{csv}", "-o", "{out}"], "E-IMPORT-CONFIRM"),
        (["import", "{csv}", "--yes"], "E-IMPORT-OUTPUT"),
        (["import", "{csv}", "--yes", "-o", "{full}"], "E-IMPORT-OUTPUT"),
        (["import", "{csv}", "--mapping", "{other}", "-o", "{out}"], "E-MAPPING-FILE"),
    ],
)
def test_what_the_command_cannot_do_is_one_clear_line(
    words: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = season(tmp_path / "s.csv", 1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    (tmp_path / "other.toml").write_text('file = "z*"\ntime_column = "time"\n[columns]\nair_temp_c = "Temperature"\n')
    places = {"csv": path, "out": tmp_path / "o", "full": tmp_path / "full", "other": tmp_path / "other.toml"}
    with pytest.raises(SystemExit) as ended:
        main([word.format(**places) for word in words])
    error = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and code in error and "\n" not in error


def test_a_damaged_import_is_not_read(tmp_path: Path) -> None:
    from tomato_host.importing.imported import open_imported

    main_ok(["import", str(season(tmp_path / "s.csv", 1)), "--yes", "-o", str(tmp_path / "o")])
    with (tmp_path / "o" / "table.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(TomatoError) as caught, open_imported(tmp_path / "o"):
        pass
    assert caught.value.code == "E-IMPORT-DAMAGED"


@pytest.mark.parametrize("days", [2, 3, 5])
def test_a_log_of_a_few_days_ends_in_a_sentence(days: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = season(tmp_path / "s.csv", days), str(tmp_path / "o")
    main_ok(["import", str(path), "--yes", "-o", out])
    with pytest.raises(SystemExit) as ended:
        main(["backtest", out, "--no-lightgbm"])
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert ended.value.code == 0 or "E-BACKTEST-SHORT" in error


def test_weather_none_leaves_out_the_own_outside_columns(tmp_path: Path) -> None:
    from tomato_host.backtest.tables import load_cases

    path = table(tmp_path / "a.csv", "time,T,RH,To,RHo", lambda k, t: plain_row(k, t) + f",{k / 10},{70}", count=300)
    (tmp_path / "a.toml").write_text(
        'time_column = "time"\n[columns]\nair_temp_c = "T"\nrh_pct = "RH"\next_temp_c = "To"\next_rh_pct = "RHo"\n'
    )
    known, none = (load_cases(str(path), tmp_path / "a.toml", one, time_zone="UTC")[0] for one in ("auto", "none"))
    assert known.has_weather and not none.has_weather


def test_a_mapped_humidity_alone_can_be_forecast(tmp_path: Path) -> None:
    from tomato_host.backtest.tables import load_cases

    path = table(tmp_path / "a.csv", "time,RH", lambda k, t: f"{iso(t)},{humidity(k)}", count=300)
    (tmp_path / "a.toml").write_text('time_column = "time"\n[columns]\nrh_pct = "RH"\n')
    assert [q.name for q in load_cases(str(path), tmp_path / "a.toml", time_zone="UTC")[0].quantities] == ["rh_pct"]


def test_humidity_can_be_asked_for_and_what_is_missing_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_ok(["import", str(season(tmp_path / "s.csv")), "--yes", "-o", str(tmp_path / "o")])
    capsys.readouterr()
    main_ok(["backtest", str(tmp_path / "o"), "--no-lightgbm", "--json", "--quantity", "rh_pct", "--horizons", "6"])
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["quantity"] == "rh_pct" and 0.0 < report["mae"]["world_model"][0] < 20.0
    with pytest.raises(SystemExit):
        main(["backtest", str(tmp_path / "o"), "--no-lightgbm", "--quantity", "co2_ppm"])
    error = capsys.readouterr().err
    assert "E-BACKTEST-QUANTITY" in error and "it has soil.P1, air_temp_c, vpd_kpa, rh_pct" in error


def test_what_is_measured_beside_the_air_explains_it(tmp_path: Path) -> None:
    from tomato_host.backtest.tables import load_cases

    path = table(
        tmp_path / "a.csv",
        "time,T,RH,co2,vent,screen,lux",
        lambda k, t: plain_row(k, t) + f",{500 + k},{k % 100},{k % 7},{k * 10}",
        count=300,
    )
    columns = 'air_temp_c = "T"\nrh_pct = "RH"\nco2_ppm = "co2"\nvent_pct = "vent"\n'
    columns += 'screen_pct = "screen"\nlight_lux = "lux"\n'
    (tmp_path / "a.toml").write_text(f'time_column = "time"\n[columns]\n{columns}')
    case = load_cases(str(path), tmp_path / "a.toml", time_zone="UTC")[0]
    beside = ("co2_ppm", "light_lux", "vent_pct", "screen_pct")
    assert {q.name: q.companions for q in case.quantities} == {
        "air_temp_c": ("vpd_kpa", *beside),
        "vpd_kpa": ("air_temp_c", *beside),
    }
