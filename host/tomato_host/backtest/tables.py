"""From files to hourly logs: built-in tables, a grower's own with its mapping, an import, or a dataset folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from shared_schemas.devices import LAMP, PLAN_COLUMNS, PUMP, VENT
from shared_schemas.records import Forecast36hV1, StateV1
from tomato_host.brain.psychrometric_arrays import leaf_vpd_array_kpa, vapour_array_kpa, vpd_array_kpa
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.data import OUTSIDE_COLUMNS, HourlyLog, Kind, Quantity
from tomato_host.brain.world_model.hourly_history import HourlyHistory, hour_start
from tomato_host.errors import TomatoError
from tomato_host.importing.imported import is_imported, open_imported
from tomato_host.importing.inspection import inspect
from tomato_host.importing.mapping import EXTRA, TableMapping, load_mapping
from tomato_host.importing.reading import TableReading, read_tables
from tomato_host.sources.measured import MAPPINGS, data_folder

_LONGEST_FILL_H = 6
_TARGETS: tuple[tuple[str, Kind], ...] = (
    ("air_temp_c", "air_temp"),
    ("vpd_kpa", "vpd"),
    ("leaf_vpd_kpa", "leaf_vpd"),
    ("soil_temp_c", "other"),
    ("rh_pct", "other"),  # where there is no temperature to derive a deficit from
)
_COMPANIONS = ("air_temp_c", "soil_temp_c", "co2_ppm", "light_lux", "transpiration", "vent_pct", "screen_pct")
_PLANNED = {"water_ml": PUMP.column, "light_on": LAMP.column, "fan_on": VENT.column}
"""Columns of a grower's table that say what was done, and the plan columns they are."""
_BESIDE_AIR = ("co2_ppm", "light_lux", "vent_pct", "screen_pct", "transpiration")
"""What else a greenhouse measures and may explain its air."""


@dataclass(frozen=True)
class BacktestCase:
    """One place of a table: its log, and what is forecast from it."""

    name: str
    log: HourlyLog
    quantities: tuple[Quantity, ...]
    plan: tuple[str, ...]

    @property
    def has_weather(self) -> bool:
        """Whether the weather outside is known."""
        return self.log.has("out_temp_c")


@dataclass(frozen=True)
class BuiltIn:
    """A table that is known by its columns: its mapping, the column that names places, and its weather."""

    mapping: TableMapping
    group: str
    weather_file: str
    weather: TableMapping


def _built_in(name: str, columns: dict[str, str], weather_file: str, weather: str) -> BuiltIn:
    mapping = TableMapping.model_validate(
        {"name": name, "time_column": "time_local", "time_zone": "+01:00", "columns": columns}
    )
    return BuiltIn(mapping, "compartment", weather_file, MAPPINGS[weather])


BUILT_IN: dict[str, BuiltIn] = {
    "agc2": _built_in(
        "agc2_tomato_slab_hourly",
        {
            "soil.P1": "WC_slab1",
            "soil.P2": "WC_slab2",
            "extra.ec.P1": "EC_slab1",
            "extra.ec.P2": "EC_slab2",
            "extra.temp.P1": "t_slab1",
            "extra.temp.P2": "t_slab2",
            "extra.rise.P1": "rise1",
            "extra.rise.P2": "rise2",
        },
        "agc2_weather_hourly.csv.gz",
        "agc2_weather_hourly",
    ),
    "agc3": _built_in(
        "agc3_lettuce_exp2_hourly",
        {"air_temp_c": "T_Air", "rh_pct": "rh_Air", "vpd_kpa": "vpd_kpa"},
        "agc3_exp2_weather_hourly.csv.gz",
        "agc3_weather_hourly",
    ),
}
"""Tables of the measured-data folder by short name."""


def load_cases(
    data: str, mapping_file: Path | None = None, weather: str = "auto", group: str | None = None, *, time_zone: str
) -> list[BacktestCase]:
    """All places of `data`: a short name, a table, an import, or a dataset folder.

    `weather` is a table, "none", or "auto" for the table's own; `time_zone`, that of the site, holds where a mapping
    file names none. Raises TomatoError E-CSV-UNKNOWN, E-CSV-EMPTY,
    E-CSV-COLUMNS or E-BACKTEST-EMPTY, and what `read_tables` raises.
    """
    path = Path(data)
    if is_imported(path):
        cases = _from_import(path, _weather_table(weather))
    elif path.is_dir():
        cases = [_from_dataset(path)]
    else:
        cases = _from_table(path, data, mapping_file, weather, group, time_zone)
    return [without_weather(case) for case in cases] if weather == "none" else cases


def _from_table(
    path: Path, data: str, mapping_file: Path | None, weather: str, group: str | None, time_zone: str
) -> list[BacktestCase]:
    known = BUILT_IN.get(data)
    if known is not None:
        path = data_folder() / f"{known.mapping.name}.csv.gz"
    known = known or _recognised(path, mapping_file)
    mapping = known.mapping if known else load_mapping(mapping_file, time_zone) if mapping_file else None
    if mapping is None:
        raise TomatoError(
            "E-CSV-UNKNOWN",
            f"No built-in mapping knows the columns of {path.name}.",
            "Import it (tomato-host import), or write a mapping (docs/importing.md) and give it with --mapping.",
        )
    column = group or mapping.group or (known.group if known else None)
    outside = _weather_table(weather)
    if weather == "auto" and known is not None and (path.parent / known.weather_file).exists():
        outside = _hourly(path.parent / known.weather_file, known.weather)
    with read_tables([(path, mapping.model_copy(update={"group": column}))]) as reading:
        return _cases_of(reading, path.name.split(".")[0], outside)


def _from_import(root: Path, outside: dict[str, dict[int, float]]) -> list[BacktestCase]:
    with open_imported(root) as reading:
        return _cases_of(reading, root.name, outside)


def _cases_of(reading: TableReading, name: str, outside: dict[str, dict[int, float]]) -> list[BacktestCase]:
    """One case a place, on the hours that all places span."""
    tables = {place or name: reading.hourly(place) for place in reading.places()}
    hours = [hour for table in tables.values() for column in table.values() for hour in column]
    if not hours:
        raise TomatoError("E-CSV-EMPTY", f"{name} has no readable values.", "Check the mapping.")
    span = (min(hours), max(hours) - min(hours) + 1)
    offset_h = _offset_h(reading.mappings[0], max(hours))
    return [_case(one, table, offset_h, outside, span) for one, table in tables.items()]


def _offset_h(mapping: TableMapping, hour: int) -> float:
    """Local time minus UTC at that hour: the end of the log, as a live log has it."""
    offset = hour_start(hour).astimezone(mapping.zone).utcoffset()
    return offset.total_seconds() / 3_600.0 if offset else 0.0


def _recognised(path: Path, mapping_file: Path | None) -> BuiltIn | None:
    if mapping_file is not None:
        return None
    header = set(inspect(path).header)
    for one in BUILT_IN.values():
        if {one.group, *one.mapping.needed} <= header:
            return one
    return None


def _weather_table(wanted: str) -> dict[str, dict[int, float]]:
    """Hourly means of an own weather table by quantity; empty for "auto" and "none"."""
    if wanted in ("auto", "none"):
        return {}
    if is_imported(Path(wanted)):
        with open_imported(Path(wanted)) as reading:
            return {name: column for name, column in reading.hourly().items() if name.startswith("ext_")}
    found = next((m for m in MAPPINGS.values() if _fits(Path(wanted), m)), None)
    if found is None:
        raise TomatoError(
            "E-CSV-UNKNOWN",
            f"No built-in mapping knows the weather table {wanted}.",
            "Import it (tomato-host import), and give the import's folder with --weather.",
        )
    return _hourly(Path(wanted), found)


def _fits(path: Path, mapping: TableMapping) -> bool:
    header = set(inspect(path).header)
    names = {spec.column for spec in mapping.columns.values()}
    return "ext_temp_c" in mapping.columns and names <= header


def _hourly(path: Path, mapping: TableMapping) -> dict[str, dict[int, float]]:
    """Means (sums for water) by quantity and hour."""
    with read_tables([(path, mapping)]) as reading:
        return reading.hourly()


def _case(
    name: str,
    table: dict[str, dict[int, float]],
    offset_h: float,
    weather: dict[str, dict[int, float]],
    span: tuple[int, int],
) -> BacktestCase:
    """One place on the hours that all places of its table span, so that all are scored on the same days."""
    start, count = span
    measured = {key: _column(column, start, count) for key, column in table.items()}
    outside = {key: column for key, column in measured.items() if key.startswith("ext_")}
    outside |= {key: _column(column, start, count) for key, column in weather.items()}
    values = _named(measured) | _outside({key: _filled(column) for key, column in outside.items()})
    log = HourlyLog(start, offset_h, values)
    return BacktestCase(name, log, _quantities(values), tuple(c for c in PLAN_COLUMNS if c in values))


def _column(by_hour: dict[int, float], start: int, count: int) -> Array:
    out = np.full(count, np.nan)
    for hour, value in by_hour.items():
        if 0 <= hour - start < count:
            out[hour - start] = value
    return out


def _filled(column: Array) -> Array:
    """Short gaps of the weather keep the last known hour."""
    out, run = column.copy(), 0
    for i in range(1, len(out)):
        run = run + 1 if np.isnan(column[i]) else 0
        if 0 < run <= _LONGEST_FILL_H:
            out[i] = out[i - 1]
    return out


def _named(measured: dict[str, Array]) -> dict[str, Array]:
    out = {name: column for name, column in measured.items() if not name.startswith("ext_") and name not in _PLANNED}
    out |= {_PLANNED[name]: column for name, column in measured.items() if name in _PLANNED}
    if "vpd_kpa" not in out and {"air_temp_c", "rh_pct"} <= set(out):
        out["vpd_kpa"] = vpd_array_kpa(out["air_temp_c"], out["rh_pct"])
    if "leaf_vpd_kpa" not in out and {"leaf_temp_c", "air_temp_c", "rh_pct"} <= set(out):
        out["leaf_vpd_kpa"] = leaf_vpd_array_kpa(out["leaf_temp_c"], out["air_temp_c"], out["rh_pct"])
    return out


def _outside(ext: dict[str, Array]) -> dict[str, Array]:
    if not {"ext_temp_c", "ext_rh_pct"} <= set(ext):
        return {}
    temp, rh = ext["ext_temp_c"], ext["ext_rh_pct"]
    calm = np.where(np.isfinite(temp), 0.0, np.nan)
    values = (
        temp,
        vapour_array_kpa(temp, rh),
        vpd_array_kpa(temp, rh),
        ext.get("ext_solar_wm2", calm),
        ext.get("ext_wind_mps", calm),
    )
    return dict(zip(OUTSIDE_COLUMNS, values, strict=True))


def _quantities(values: dict[str, Array]) -> tuple[Quantity, ...]:
    """What can be forecast, each with the columns measured beside it that may explain it."""
    found = []
    extras = [name for name in values if name.startswith(EXTRA)]
    for name in sorted(values):
        if name.startswith("soil."):
            probe = name.removeprefix("soil.")
            own = tuple(e for e in extras if e.endswith(f".{probe}") or e.count(".") == 1)
            shared = ("soil_temp_c",) if "soil_temp_c" in values else ()
            found.append(Quantity(name, "soil", (*own, *shared)))
    for name, kind in _TARGETS:
        if name in values and not (name == "rh_pct" and "air_temp_c" in values):
            other = {"air_temp_c": "vpd_kpa", "vpd_kpa": "air_temp_c"}.get(name)
            beside = (other, *_BESIDE_AIR) if other else ()
            found.append(Quantity(name, kind, tuple(column for column in beside if column in values)))
    return tuple(found)


def _from_dataset(root: Path) -> BacktestCase:
    """A dataset of this project: hours from states, weather from forecasts, water from the day's counter."""
    from tomato_host.storage.reader import read_records, require_dataset

    require_dataset(root)
    history = HourlyHistory(keep_hours=10**6)
    last = _replay(history, read_records(root, {"states", "forecasts", "weather"}))
    if last is None:
        raise TomatoError("E-BACKTEST-EMPTY", f"{root} holds no state.", "Let the brain run for some weeks first.")
    log = history.log(last)
    quantities = _quantities(dict(log.values))
    return BacktestCase(root.name, log, quantities, tuple(c for c in PLAN_COLUMNS if log.has(c)))


def _replay(history: HourlyHistory, records: Iterable[object]) -> datetime | None:
    last: StateV1 | None = None
    for record in records:
        if isinstance(record, Forecast36hV1):
            history.add_weather(record)
        elif isinstance(record, StateV1):
            history.add_state(_by_its_means(record))
            before = last.budgets.water_ml_used_today if last else 0.0
            given = record.budgets.water_ml_used_today - before
            if last is not None and given > 0.0:
                history.add_water(record.ts, given)
            last = record
    return last.ts if last is not None else None


def _by_its_means(state: StateV1) -> StateV1:
    """The state with the air of its half hour in the place of its moment's: states are too few for a mean of theirs."""
    means = state.means
    if means is None or means.air_temp_c is None or means.vpd_kpa is None:
        return state
    env = state.env.model_copy(update={"air_temp_c": means.air_temp_c, "vpd_kpa": means.vpd_kpa})
    return state.model_copy(update={"env": env})


def without_weather(case: BacktestCase) -> BacktestCase:
    """The same case with the outside unknown."""
    values = {name: column for name, column in case.log.values.items() if name not in OUTSIDE_COLUMNS}
    return replace(case, log=replace(case.log, values=values))
