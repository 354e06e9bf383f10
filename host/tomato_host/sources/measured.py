"""Measured greenhouse data as a source: recorded tables become observations that name what they lack."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from shared_schemas.devices import SENSOR_BY_NAME
from shared_schemas.records import DeviceStatusV1, ObservationV1
from shared_schemas.records.observation_v1 import QUANTITIES
from tomato_host.brain.local_time import stamped
from tomato_host.errors import TomatoError
from tomato_host.importing.imported import open_imported
from tomato_host.importing.inspection import inspect
from tomato_host.importing.mapping import INDOOR, TableMapping
from tomato_host.importing.reading import TableRow, read_rows
from tomato_host.sources.replay import unknown_status

# The clocks of these recordings have no summer time: 2020-03-29 has a 02:30.
_ZONE = "+01:00"
_SLAB = {"soil.P1": "WC_slab1", "soil.P2": "WC_slab2", "soil_temp_c": "t_slab1"}
LUX_PER_UMOL_SUN = 54.0
"""lx per umol m-2 s-1 of sunlight (Thimijan and Heins 1983, HortScience 18(6): 818-822)."""


def _mapping(name: str, columns: dict[str, object], select: dict[str, str] | None = None) -> TableMapping:
    return TableMapping.model_validate(
        {"name": name, "time_column": "time_local", "time_zone": _ZONE, "columns": columns, "select": select or {}}
    )


MAPPINGS: dict[str, TableMapping] = {
    m.name: m
    for m in (
        _mapping("agc2_tomato_slab", dict(_SLAB), {"compartment": "Reference"}),
        _mapping(
            "agc3_lettuce",
            {
                "air_temp_c": "T_Air",
                "rh_pct": "rh_Air",
                "co2_ppm": "co2_Air",
                "leaf_temp_c": "T_Canopy",
                "light_lux": {"column": "par", "factor": LUX_PER_UMOL_SUN},
                "vent_pct": "lee_vent",
                "screen_pct": "thermal_opening",
                "transpiration": "transpiration",
            },
            {"compartment": "Reference"},
        ),
        _mapping(
            "agc2_weather_5min",
            {
                "ext_temp_c": "Tout",
                "ext_rh_pct": "Rhout",
                "ext_wind_mps": "Windsp",
                "ext_solar_wm2": "Iglob",
                "ext_precip_mm": "Rain",
            },
        ),
        _mapping(
            "agc2_weather_hourly",
            {
                "ext_temp_c": "w_Tout",
                "ext_rh_pct": "w_Rhout",
                "ext_wind_mps": "w_Windsp",
                "ext_solar_wm2": "w_Iglob",
                "ext_precip_mm": "w_Rain",
            },
        ),
        _mapping(
            "agc3_weather_hourly",
            {
                "ext_temp_c": "T_Out",
                "ext_rh_pct": "rh_Out",
                "ext_wind_mps": "airflow_Out",
                "ext_solar_wm2": "rad_Out",
            },
        ),
    )
}
"""Mappings of the tables in the measured-data folder; units as in their PROVENANCE file."""


def data_folder() -> Path:
    """Where measured data lies: TOMATO_DATA, else `../shared/data` beside the repository."""
    override = os.environ.get("TOMATO_DATA")
    return Path(override) if override else Path(__file__).resolve().parents[4] / "shared" / "data"


def recognise(path: Path) -> TableMapping:
    """The built-in mapping whose columns the table has. Raises TomatoError E-CSV-UNKNOWN."""
    header = set(inspect(path).header)
    for mapping in MAPPINGS.values():
        if set(mapping.needed) <= header:
            return mapping
    raise TomatoError(
        "E-CSV-UNKNOWN",
        f"No built-in mapping knows the columns of {path.name}: {', '.join(sorted(header))[:200]}.",
        "Write a mapping file (docs/importing.md has one to copy) and give it with --mapping.",
    )


class MeasuredSource:
    """Observations from a table. Every quantity that the table does not have is `not_measured`.

    An empty cell is `timeout`, a number outside the sensor's range `out_of_range`, no number `invalid`. Rows before
    the first value are skipped: nothing was recording yet. Raises TomatoError E-CSV-NOT-INDOOR when the mapping
    has nothing that belongs into an observation, and what `read_rows` raises.
    """

    def __init__(
        self,
        path: Path,
        mapping: TableMapping | None = None,
        *,
        begin: datetime | None = None,
        end: datetime | None = None,
        rows: Iterator[TableRow] | None = None,
    ) -> None:
        self.mapping = mapping or recognise(path)
        self.lacking = lacking(self.mapping)
        if not any(name in INDOOR or name.startswith("soil.") for name in self.mapping.columns):
            raise TomatoError(
                "E-CSV-NOT-INDOOR",
                f"{path.name} holds nothing measured in the tent ({', '.join(self.mapping.columns)}).",
                "Weather tables are for the backtest; replay needs indoor readings.",
            )
        self._zone = self.mapping.zone
        self._rows = _between(read_rows(path, self.mapping) if rows is None else rows, begin, end)
        self._recording = False
        self._last_ts: datetime | None = None

    @classmethod
    def from_import(
        cls, root: Path, place: str | None = None, *, begin: datetime | None = None, end: datetime | None = None
    ) -> MeasuredSource:
        """Replay what `tomato-host import` wrote; `place` names one where the import has several.

        Raises TomatoError E-IMPORT-PLACE, E-IMPORT-DAMAGED.
        """
        with open_imported(root) as reading:
            places, first = reading.places(), reading.mappings[0]
            columns = {name: spec for mapping in reading.mappings for name, spec in mapping.columns.items()}
        if (place is None and len(places) > 1) or (place is not None and place not in places):
            raise TomatoError(
                "E-IMPORT-PLACE",
                f"{root} holds the places {', '.join(places)}.",
                "Name one: --select place=NAME.",
            )
        merged = first.model_copy(update={"columns": columns})
        return cls(root, merged, begin=begin, end=end, rows=_imported_rows(root, place or places[0]))

    def next_observation(self) -> ObservationV1 | None:
        """The next observation, or None at the end of the table."""
        for row in self._rows:
            if not self._recording and all(value is None for value in row.values.values()):
                continue
            self._recording = True
            if self._last_ts is not None and row.ts <= self._last_ts:
                continue
            self._last_ts = row.ts
            return self._observation(row)
        return None

    def device_status(self) -> DeviceStatusV1:
        """Nothing is known about outputs; the recorder is taken to have been connected while it recorded."""
        ts = self._last_ts or datetime.fromisoformat("1970-01-01T00:00:00+00:00")
        return unknown_status(stamped(ts, self._zone)).model_copy(update={"mcu_connected": True})

    def _observation(self, row: TableRow) -> ObservationV1:
        fields: dict[str, object] = {}
        missing: dict[str, str] = {}
        for name in QUANTITIES:
            fields[name], reason = _reading(name, name, row)
            if reason:
                missing[name] = reason
        soil = []
        for probe in self.mapping.probes:
            value, reason = _reading(f"soil.{probe}", "soil_p1_pct", row)
            soil.append({"id": probe, "moisture_pct": value, "missing": reason})
        return ObservationV1.model_validate(
            {
                "schema_version": "observation_v1",
                "ts": stamped(row.ts, self._zone),
                "origin": "replay",
                **fields,
                "soil": soil,
                "missing": missing,
            }
        )


def lacking(mapping: TableMapping) -> frozenset[str]:
    """Quantities of an observation that the mapping has no column for."""
    names = {name for name in QUANTITIES if name not in mapping.columns}
    return frozenset(names if mapping.probes else {*names, "soil"})


def _reading(name: str, sensor: str, row: TableRow) -> tuple[float | None, str | None]:
    """Value and no reason, or no value and the reason."""
    if name not in row.values:
        return None, "not_measured"
    value = row.values[name]
    if value is None:
        return None, "invalid" if name in row.unreadable else "timeout"
    limits = SENSOR_BY_NAME[sensor]
    if not limits.lowest <= value <= limits.highest or math.isnan(value):
        return None, "out_of_range"
    return round(value, 4), None


def _imported_rows(root: Path, place: str) -> Iterator[TableRow]:
    with open_imported(root) as reading:
        yield from reading.iterate(place)


def _between(rows: Iterator[TableRow], begin: datetime | None, end: datetime | None) -> Iterator[TableRow]:
    for row in rows:
        if (begin is None or row.ts >= begin) and (end is None or row.ts < end):
            yield row
