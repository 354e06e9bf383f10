"""Every dialect that growers' devices write is recognised without help, and reads back what was written."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tomato_host.importing.mapping import TableMapping
from tomato_host.importing.proposal import propose
from tomato_host.importing.reading import TableRow, read_tables

from tests.importing.logs import BEGIN, ROWS, celsius, humidity, local, moisture, moments, table, write

Writer = Callable[[Path], Path]


def fahrenheit(k: int) -> float:
    return round(celsius(k) * 1.8 + 32.0, 2)


def comma(number: float) -> str:
    return str(number).replace(".", ",")


def iso(ts: datetime) -> str:
    return ts.strftime("%Y-%m-%dT%H:%M:%SZ")


def _wide(header: str, row: Callable[[int, datetime], str], **more: object) -> Writer:
    return lambda folder: table(folder / "log.csv", header, row, **more)  # type: ignore[arg-type]


def _packed(folder: Path) -> Path:
    plain = table(folder / "log.csv", "time,temp,rh", lambda k, t: f"{iso(t)},{celsius(k)},{humidity(k)}")
    packed = folder / "log.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    return packed


def _workbook(folder: Path) -> Path:
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.append(["Exported by my logger"])
    sheet.append(["Date", "Temperature (°C)", "Humidity (%)"])
    for k, ts in enumerate(moments()):
        sheet.append([datetime.strptime(local(ts, "%Y-%m-%d %H:%M"), "%Y-%m-%d %H:%M"), celsius(k), humidity(k)])
    book.save(folder / "log.xlsx")
    return folder / "log.xlsx"


def _parquet(folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "timestamp": moments(),
        "air_temperature": [celsius(k) for k in range(ROWS)],
        "humidity": [humidity(k) for k in range(ROWS)],
    }
    pq.write_table(pa.table(columns), folder / "log.parquet")
    return folder / "log.parquet"


def _influx(folder: Path) -> Path:
    annotations = ("#group,false,false,true", "#datatype,string,long,dateTime:RFC3339", "#default,_result,,")
    header = ",result,table,_time,_value,_field,_measurement"
    rows = []
    for k, ts in enumerate(moments()):
        rows.append(f",,0,{iso(ts)},{celsius(k)},temperature,tent")
        rows.append(f",,1,{iso(ts)},{humidity(k)},humidity,tent")
    return write(folder / "influx.csv", (*annotations, header, *rows))


DIALECTS: dict[str, Writer] = {
    "plain ISO": _wide("time,T_air,rh", lambda k, t: f"{iso(t)},{celsius(k)},{humidity(k)}"),
    "German": _wide(
        "Zeit;Temperatur [°C];Luftfeuchte [%]",
        lambda k, t: f"{local(t, '%d.%m.%Y %H:%M')};{comma(celsius(k))};{comma(humidity(k))}",
    ),
    "German in Windows-1252": _wide(
        "Zeit;Temperatur [°C];Luftfeuchte [%]",
        lambda k, t: f"{local(t, '%d.%m.%Y %H:%M')};{comma(celsius(k))};{comma(humidity(k))}",
        encoding="cp1252",
    ),
    "UTF-16 with tabs": _wide(
        "Time\tTemperature (°C)\tHumidity (%)",
        lambda k, t: f"{local(t, '%Y-%m-%d %H:%M:%S')}\t{celsius(k)}\t{humidity(k)}",
        encoding="utf-16",
    ),
    "UTF-16 without a mark": _wide(
        "Time,Temperature,Humidity",
        lambda k, t: f"{local(t, '%Y-%m-%d %H:%M:%S')},{celsius(k)},{humidity(k)}",
        encoding="utf-16-le",
    ),
    "byte order mark and CRLF": _wide(
        "Time,Temperature,Humidity",
        lambda k, t: f"{local(t, '%Y-%m-%d %H:%M:%S')},{celsius(k)},{humidity(k)}",
        encoding="utf-8-sig",
        newline="\r\n",
    ),
    "Unix seconds": _wide("ts,temp,rh", lambda k, t: f"{int(t.timestamp())},{celsius(k)},{humidity(k)}"),
    "Unix milliseconds": _wide("ts,temp,rh", lambda k, t: f"{int(t.timestamp()) * 1000},{celsius(k)},{humidity(k)}"),
    "Unix nanoseconds": _wide("time,temp,rh", lambda k, t: f"{int(t.timestamp()) * 10**9},{celsius(k)},{humidity(k)}"),
    "Excel days": _wide(
        "Date,Temp,RH",
        lambda k, t: f"{25569 + (t.timestamp() + 3600) / 86400:.8f},{celsius(k)},{humidity(k)}",
    ),
    "date and time apart": _wide(
        "Date,Time,Temperature,Humidity",
        lambda k, t: f"{local(t, '%d.%m.%Y')},{local(t, '%H:%M:%S')},{celsius(k)},{humidity(k)}",
    ),
    "American, 12 hours, Fahrenheit": _wide(
        "Timestamp,Temperature (°F),Humidity (%)",
        lambda k, t: f"{local(t, '%m/%d/%Y %I:%M %p')},{fahrenheit(k)},{humidity(k)}",
    ),
    "SensorPush": _wide(
        '"Timestamp","Temperature (°F)","Humidity (%)","Dewpoint (°F)","VPD (kPa)"',
        lambda k, t: f'"{local(t, "%Y-%m-%d %H:%M")}","{fahrenheit(k)}","{humidity(k)}","40.1","1.02"',
    ),
    "Govee": _wide(
        "Timestamp for sample frequency every 10 min min,Temperature_Fahrenheit,Relative_Humidity",
        lambda k, t: f"{local(t, '%Y-%m-%d %H:%M:%S')},{fahrenheit(k)},{humidity(k)}",
    ),
    "Inkbird": _wide(
        "Time,Temperature(℃),Humidity(%RH)",
        lambda k, t: f"{local(t, '%Y/%m/%d %H:%M')},{celsius(k)},{humidity(k)}",
    ),
    "AC Infinity": _wide(
        "Time,Temperature(°F),Humidity(%),VPD(kPa)",
        lambda k, t: f"{local(t, '%Y-%m-%d %H:%M:%S')},{fahrenheit(k)},{humidity(k)},1.1",
        before=("Device: CONTROLLER 69", "Export: all", ""),
    ),
    "Mycodo": _wide(
        "Time (UTC),AM2315 Temperature (C),AM2315 Humidity (%)",
        lambda k, t: f"{t.strftime('%Y-%m-%d %H:%M:%S.%f')},{celsius(k)},{humidity(k)}",
    ),
    "Grafana": _wide(
        '"Time","tent temperature","tent humidity"',
        lambda k, t: f'"{local(t, "%Y-%m-%d %H:%M:%S")}","{celsius(k)} °C","{humidity(k)}%"',
        before=("sep=,",),
    ),
    "shares of one and kelvin": _wide(
        "time,temp,rh", lambda k, t: f"{iso(t)},{celsius(k) + 273.15:.2f},{humidity(k) / 100:.3f}"
    ),
    "named months": _wide(
        "Time;Temp;RH",
        lambda k, t: f"{local(t, '%b %d, %Y %I:%M:%S %p')};{celsius(k)};{humidity(k)}",
    ),
    "offset in the time": _wide(
        "time,temp,rh", lambda k, t: f"{local(t, '%Y-%m-%dT%H:%M:%S%z')},{celsius(k)},{humidity(k)}"
    ),
    "gzipped": _packed,
    "Excel": _workbook,
    "Parquet": _parquet,
    "InfluxDB": _influx,
}


def read(path: Path, mapping: TableMapping | None = None) -> list[TableRow]:
    mapping = mapping or propose(path, "Europe/Vienna").mapping
    with read_tables([(path, mapping)]) as reading:
        return list(reading.iterate())


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_recognised_and_reads_back(name: str, tmp_path: Path) -> None:
    rows = read(DIALECTS[name](tmp_path))
    assert len(rows) == ROWS
    assert [row.ts for row in rows] == moments()
    for k, row in enumerate(rows):
        assert row.values["air_temp_c"] == pytest.approx(celsius(k), abs=0.011), (k, row)
        assert row.values["rh_pct"] == pytest.approx(humidity(k), abs=0.06), (k, row)


@pytest.mark.parametrize("name", ["German", "UTF-16 with tabs", "SensorPush", "InfluxDB", "Excel", "AC Infinity"])
def test_the_proposal_as_a_file_reads_the_same(name: str, tmp_path: Path) -> None:
    from tomato_host.importing.mapping import load_mappings

    path = DIALECTS[name](tmp_path)
    proposal = propose(path, "Europe/Vienna")
    (tmp_path / "m.toml").write_text(proposal.toml(), encoding="utf-8")
    (again,) = load_mappings(tmp_path / "m.toml", "Europe/Vienna")
    assert again.columns == proposal.mapping.columns
    assert [row.values for row in read(path, again)] == [row.values for row in read(path)]


_TEXT_TIMES = ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%b %d, %Y %I:%M:%S %p")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    time_format=st.sampled_from(_TEXT_TIMES),
    quoted=st.booleans(),
    preamble=st.integers(0, 3),
    unit=st.sampled_from(["degC", "degF", "K"]),
    share=st.booleans(),
    values=st.lists(st.floats(5.0, 40.0).map(lambda x: round(x, 2)), min_size=25, max_size=40),
)
def test_a_table_in_any_dialect_reads_back_the_same(
    tmp_path: Path,
    delimiter: str,
    decimal: str,
    encoding: str,
    newline: str,
    time_format: str,
    quoted: bool,
    preamble: int,
    unit: str,
    share: bool,
    values: list[float],
) -> None:
    to_file = {"degC": lambda c: c, "degF": lambda c: c * 1.8 + 32.0, "K": lambda c: c + 273.15}[unit]
    name = {"degC": "Temperature (°C)", "degF": "Temperature (°F)", "K": "Temperature (kelvin)"}[unit]

    def cell(text: str) -> str:
        return f'"{text}"' if quoted or delimiter in text else text

    def number(value: float) -> str:
        return cell(f"{value:.4f}".replace(".", decimal))

    lines = [f"Logger 7, made line {k}" if delimiter != "," else f"Logger {k}" for k in range(preamble)]
    lines.append(delimiter.join(map(cell, ("Time", name, "Humidity (%)", "Note"))))
    for k, (ts, value) in enumerate(zip(moments(len(values)), values, strict=True)):
        moist = humidity(k) / (100.0 if share else 1.0)
        cells = (cell(local(ts, time_format)), number(to_file(value)), number(moist), cell("ok"))
        lines.append(delimiter.join(cells))
    path = write(tmp_path / "log.csv", lines, encoding, newline)
    rows = read(path)
    assert [row.ts for row in rows] == moments(len(values))
    for k, (row, value) in enumerate(zip(rows, values, strict=True)):
        assert row.values["air_temp_c"] == pytest.approx(value, abs=0.001)
        assert row.values["rh_pct"] == pytest.approx(humidity(k), abs=0.01)


def test_soil_probes_lamp_and_outside_are_told_apart(tmp_path: Path) -> None:
    header = (
        "time,Tent Temperature,Outdoor Temperature,Soil Moisture 1,Soil Moisture 2,Grow Light,Soil Temperature,CO2,EC"
    )
    path = table(
        tmp_path / "log.csv",
        header,
        lambda k, t: (
            f"{iso(t)},{celsius(k)},{k / 10},{moisture(k)},{moisture(k) + 2},{'on' if k % 2 else 'off'},20,600,1.8"
        ),
    )
    found = propose(path, "UTC").mapping.columns
    assert {name: spec.column for name, spec in found.items()} == {
        "air_temp_c": "Tent Temperature",
        "ext_temp_c": "Outdoor Temperature",
        "soil.P1": "Soil Moisture 1",
        "soil.P2": "Soil Moisture 2",
        "light_on": "Grow Light",
        "soil_temp_c": "Soil Temperature",
        "co2_ppm": "CO2",
        "extra.ec.P2": "EC",
    }
    rows = read(path)
    assert [row.values["light_on"] for row in rows[:4]] == [0.0, 1.0, 0.0, 1.0]
    assert rows[0].ts == BEGIN and rows[0].number == 2
