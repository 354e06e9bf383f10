"""How a table becomes measurements: the mapping of its columns, built in or a grower's own small TOML file."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared_schemas.devices import SENSOR_BY_NAME
from shared_schemas.records.observation_v1 import QUANTITIES
from tomato_host.errors import TomatoError
from tomato_host.importing.units import CONVERSIONS, canonical_unit, dimension_of
from tomato_host.toml_file import bounded_text

INDOOR = tuple(name for name in QUANTITIES if SENSOR_BY_NAME[name].unit != "bool")
"""Quantities that become part of an observation; soil probes are named `soil.P1`, `soil.P2`, ..."""

OUTDOOR = ("ext_temp_c", "ext_rh_pct", "ext_wind_mps", "ext_solar_wm2", "ext_precip_mm", "ext_cloud_cover_pct")
"""Quantities of the weather outside, named as in forecast_36h_v1."""

CONTROL = ("vent_pct", "screen_pct", "transpiration", "water_ml", "light_on", "fan_on")
"""What was done meanwhile; for models, not for observations."""

SWITCHES = ("light_on", "fan_on")
"""Quantities whose cells may say on and off."""

DERIVED = ("vpd_kpa", "leaf_vpd_kpa")
"""Quantities that some loggers compute themselves; for models, not for observations."""

EXTRA = "extra."
"""Prefix of columns that may explain others: `extra.ec.P1` belongs to probe P1, `extra.anything` to all."""

EMPTY_CELLS = ("", "NaN", "nan", "NA", "N/A", "n/a", "null", "NULL", "None", "-", "--", "unknown", "unavailable")
SENTINELS = (-127.0, -999.0, -999.9, -9999.0, 999.9, 9999.0, 65535.0, 32767.0, -32768.0, -196.6)
"""Numbers that a logger writes for `no reading`, in the file's own unit: DS18B20 -127 degC (-196.6 degF), overflows."""


class MappedColumn(BaseModel):
    """One column: value = number in the file * factor + offset; `unit` is a name for both (`F`, `0-1`, `hPa`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Annotated[str, Field(min_length=1)]
    factor: float = 1.0
    offset: float = 0.0
    unit: str | None = None

    def scale_for(self, quantity: str) -> tuple[float, float]:
        """Factor and offset into the quantity's own unit."""
        dimension = dimension_of(quantity)
        if self.unit is None or dimension is None:
            return self.factor, self.offset
        factor, offset = CONVERSIONS[dimension][canonical_unit(self.unit, dimension) or ""]
        return self.factor * factor, self.offset + offset


def _plain_name_is_a_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _one_name_is_a_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class TableMapping(BaseModel):
    """How a table becomes measurements. In TOML a column is its name, or `{ column = "RH", factor = 100 }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=64)]
    file: str = "*"
    """Pattern of the file names that this mapping is for, where several files are imported at once."""
    time_column: Annotated[tuple[str, ...], BeforeValidator(_one_name_is_a_list), Field(min_length=1, max_length=2)]
    """The column of the time; or two, of the date and of the time of day."""
    time_zone: str
    """Zone of times without an offset: an IANA name, or a fixed one such as "+01:00" for clocks without summer time."""
    time_format: Annotated[str, Field(min_length=1)] = "iso"
    """`iso`, `unix` (seconds, milli-, micro- or nanoseconds), `excel`, or a pattern such as "%d.%m.%Y %H:%M"."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Annotated[str, Field(pattern=r"^[.,]$")] = "."
    encoding: str = "auto"
    header_line: Annotated[int, Field(ge=0)] | None = None
    """Line of the column names, from 1; left out it is searched; 0: the file has none, columns are `1`, `2`, ..."""
    empty: tuple[str, ...] = EMPTY_CELLS
    sentinels: tuple[float, ...] = SENTINELS
    """Numbers in the file that mean `no reading`."""
    select: dict[str, str] = Field(default_factory=dict)
    """Only rows whose column holds this text, for files that hold several places."""
    group: str | None = None
    """Column that names places; each is a case of its own."""
    layout: Literal["wide", "long"] = "wide"
    """`long`: one value a row, as Home Assistant exports; `columns` then name the sensors, not the columns."""
    name_column: str = "entity_id"
    """In the long layout: the column that names the sensor."""
    value_column: str = "state"
    """In the long layout: the column of the value."""
    every_min: Annotated[int, Field(ge=1, le=60)] = 5
    """Minutes of a row where sensors report at times of their own: the long layout, several files."""
    hold_min: Annotated[int, Field(ge=0, le=1_440)] = 0
    """In the long layout: minutes that a value counts when nothing is written, for exporters that write changes only;
    a switch counts until it changes."""
    columns: dict[str, Annotated[MappedColumn, BeforeValidator(_plain_name_is_a_column)]] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _known_quantities(cls, columns: dict[str, MappedColumn]) -> dict[str, MappedColumn]:
        known = {*INDOOR, *OUTDOOR, *CONTROL, *DERIVED}
        for name, spec in columns.items():
            free = name.startswith(("soil.", EXTRA)) and not name.endswith(".")
            if name not in known and not free:
                listed = ", ".join(sorted(known))
                raise ValueError(f"quantity {name!r} is unknown; known are {listed}, soil.<probe> and extra.<name>")
            _check_unit(name, spec)
        return columns

    @field_validator("columns")
    @classmethod
    def _one_quantity_a_column(cls, columns: dict[str, MappedColumn]) -> dict[str, MappedColumn]:
        used = Counter(spec.column for spec in columns.values())
        for column, count in used.items():
            if count > 1:
                names = ", ".join(name for name, spec in columns.items() if spec.column == column)
                raise ValueError(f"{names} all read the column {column!r}; a column is one quantity")
        return columns

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        zone_named(name)
        return name

    @model_validator(mode="after")
    def _time_is_no_quantity(self) -> TableMapping:
        for name, spec in self.columns.items():
            if self.layout == "wide" and spec.column in self.time_column:
                raise ValueError(f"{name} reads the time column {spec.column!r}")
        return self

    @property
    def zone(self) -> tzinfo:
        """The zone of the time column."""
        return zone_named(self.time_zone)

    @property
    def probes(self) -> tuple[str, ...]:
        """Ids of the mapped soil probes, in order."""
        return tuple(name.removeprefix("soil.") for name in self.columns if name.startswith("soil."))

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns of the file without which it cannot be read, in order."""
        long = (self.name_column, self.value_column) if self.layout == "long" else ()
        wide = tuple(spec.column for spec in self.columns.values()) if self.layout == "wide" else ()
        group = (self.group,) if self.group else ()
        return tuple(dict.fromkeys((*self.time_column, *long, *wide, *self.select, *group)))

    def selecting(self, wanted: dict[str, str]) -> TableMapping:
        """The same mapping with other rows selected."""
        return self.model_copy(update={"select": {**self.select, **wanted}})


def _check_unit(name: str, spec: MappedColumn) -> None:
    dimension = dimension_of(name)
    if spec.unit is None:
        return
    if dimension is None:
        raise ValueError(f"{name} has no units; write a factor")
    if canonical_unit(spec.unit, dimension) not in CONVERSIONS[dimension]:
        listed = ", ".join(CONVERSIONS[dimension])
        raise ValueError(f"unit {spec.unit!r} of {name} is unknown; known are {listed}")


def load_mapping(path: Path, time_zone: str) -> TableMapping:
    """The mapping of one table; `time_zone`, that of the site, holds where the file has none.

    Raises TomatoError E-MAPPING-FILE that names the key.
    """
    return load_mappings(path, time_zone)[0]


def load_mappings(path: Path, time_zone: str) -> tuple[TableMapping, ...]:
    """All mappings of a file: one, or one for each `[[table]]`, whose `file` says which files it is for.

    Raises TomatoError E-MAPPING-FILE that names the key.
    """
    try:
        raw = tomllib.loads(bounded_text(path))
        several = raw.get("table")
        tables = several if isinstance(several, list) and several else [raw]
        start = {"name": path.stem[:64], "time_zone": time_zone}
        return tuple(TableMapping.model_validate({**start, **table}) for table in tables)
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror or error}."
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}."
    except (ValueError, RecursionError, TypeError) as error:
        what = f"{path} is no TOML: {error}."
    raise TomatoError("E-MAPPING-FILE", what, "See docs/importing.md for a mapping that works.")


def zone_named(name: str) -> tzinfo:
    """The zone of an IANA name or a fixed offset. Raises ValueError."""
    if name[:1] in "+-":
        offset = datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        assert offset is not None
        return offset
    try:
        return ZoneInfo(name)
    except (KeyError, OSError):
        raise ValueError(f"time zone {name!r} is unknown; examples: Europe/Vienna, +01:00") from None
