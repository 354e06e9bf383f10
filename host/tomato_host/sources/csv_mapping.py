"""Read a table of measurements by a mapping of its columns: built-in ones, or a grower's own small TOML file."""

from __future__ import annotations

import csv
import gzip
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, TextIO
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from shared_schemas.devices import SENSOR_BY_NAME
from shared_schemas.records.observation_v1 import QUANTITIES
from tomato_host.errors import TomatoError

INDOOR = tuple(name for name in QUANTITIES if SENSOR_BY_NAME[name].unit != "bool")
"""Quantities that become part of an observation; soil probes are named `soil.P1`, `soil.P2`, ..."""

OUTDOOR = ("ext_temp_c", "ext_rh_pct", "ext_wind_mps", "ext_solar_wm2", "ext_precip_mm", "ext_cloud_cover_pct")
"""Quantities of the weather outside, named as in forecast_36h_v1."""

CONTROL = ("vent_pct", "screen_pct", "transpiration", "water_ml", "light_on", "fan_on")
"""What was done meanwhile; for models, not for observations."""


DERIVED = ("vpd_kpa", "leaf_vpd_kpa")
"""Quantities that some loggers compute themselves; for models, not for observations."""

EXTRA = "extra."
"""Prefix of columns that may explain others: `extra.ec.P1` belongs to probe P1, `extra.anything` to all."""


class CsvColumn(BaseModel):
    """One column: value = number in the file * factor + offset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Annotated[str, Field(min_length=1)]
    factor: float = 1.0
    offset: float = 0.0


def _plain_name_is_a_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class CsvMapping(BaseModel):
    """How a table becomes measurements. In TOML a column is its name, or `{ column = "RH", factor = 100 }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=64)]
    time_column: str
    time_zone: str
    """Zone of times without an offset: an IANA name, or a fixed one such as "+01:00" for clocks without summer time."""
    time_format: str = "iso"
    """`iso`, or a strptime pattern such as "%d.%m.%Y %H:%M"."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Annotated[str, Field(pattern=r"^[.,]$")] = "."
    empty: tuple[str, ...] = ("", "NaN", "nan", "NA", "null", "-")
    select: dict[str, str] = Field(default_factory=dict)
    """Take only rows whose column holds this text, for files that hold several places."""
    columns: dict[str, Annotated[CsvColumn, BeforeValidator(_plain_name_is_a_column)]] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _known_quantities(cls, columns: dict[str, CsvColumn]) -> dict[str, CsvColumn]:
        known = {*INDOOR, *OUTDOOR, *CONTROL, *DERIVED}
        for name in columns:
            free = name.startswith(("soil.", EXTRA)) and not name.endswith(".")
            if name not in known and not free:
                listed = ", ".join(sorted(known))
                raise ValueError(f"quantity {name!r} is unknown; known are {listed}, soil.<probe> and extra.<name>")
        return columns

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        _zone(name)
        return name

    @property
    def zone(self) -> tzinfo:
        """The zone of the time column."""
        return _zone(self.time_zone)

    @property
    def probes(self) -> tuple[str, ...]:
        """Ids of the mapped soil probes, in order."""
        return tuple(name.removeprefix("soil.") for name in self.columns if name.startswith("soil."))

    def selecting(self, wanted: dict[str, str]) -> CsvMapping:
        """The same mapping with other rows selected."""
        return self.model_copy(update={"select": {**self.select, **wanted}})


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One line of the table: values by quantity, None for an empty cell; names in `unreadable` were no numbers."""

    number: int
    ts: datetime
    values: dict[str, float | None]
    unreadable: tuple[str, ...] = ()


def load_mapping(path: Path, time_zone: str) -> CsvMapping:
    """Read a mapping file; `time_zone`, that of the site, holds where the file has none.

    Raises TomatoError E-MAPPING-FILE that names the key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return CsvMapping.model_validate({"name": path.stem, "time_zone": time_zone, **raw})
    except OSError as error:
        what = f"{path} cannot be read: {error.strerror or error}."
    except ValidationError as error:
        first = error.errors()[0]
        what = f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}."
    except (ValueError, RecursionError) as error:
        what = f"{path} is no TOML: {error}."
    raise TomatoError("E-MAPPING-FILE", what, "See docs/dataset.md for a mapping that works.")


def open_table(path: Path) -> TextIO:
    """Open a CSV, gzipped or plain. Raises TomatoError E-CSV-FILE."""
    try:
        if path.suffix == ".gz":
            return TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8-sig", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise TomatoError(
            "E-CSV-FILE", f"{path} cannot be read: {error.strerror or error}.", "Check the path and the permissions."
        ) from error


def header_of(path: Path, delimiter: str = ",") -> list[str]:
    """The column names of a table. Raises TomatoError E-CSV-FILE."""
    with open_table(path) as file:
        try:
            return next(csv.reader(file, delimiter=delimiter), [])
        except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
            what = f"{path} is no table: {error}."
            raise TomatoError("E-CSV-FILE", what, "Give a CSV file, gzipped or plain.") from error


def read_rows(path: Path, mapping: CsvMapping) -> Iterator[CsvRow]:
    """Selected rows in the order of the file, times in UTC.

    Raises TomatoError E-CSV-FILE, E-CSV-COLUMNS (names the missing ones), E-CSV-TIME (names the line).
    """
    header = header_of(path, mapping.delimiter)
    wanted = {mapping.time_column, *mapping.select, *(spec.column for spec in mapping.columns.values())}
    if missing := sorted(wanted - set(header)):
        raise TomatoError(
            "E-CSV-COLUMNS",
            f"{path.name} has no column {', '.join(missing)}; it has {', '.join(header)}.",
            "Name the columns in a mapping file and give it with --mapping.",
        )
    places = {name: (header.index(spec.column), spec) for name, spec in mapping.columns.items()}
    select = [(header.index(column), text) for column, text in mapping.select.items()]
    time_place = header.index(mapping.time_column)
    zone = mapping.zone
    with open_table(path) as file:
        lines = csv.reader(file, delimiter=mapping.delimiter)
        next(lines)
        for cells in lines:
            if len(cells) < len(header) or any(cells[place] != text for place, text in select):
                continue
            ts = _moment(cells[time_place], mapping, zone, path, lines.line_num)
            yield _row(lines.line_num, ts, cells, places, mapping)


def _row(
    number: int, ts: datetime, cells: list[str], places: dict[str, tuple[int, CsvColumn]], mapping: CsvMapping
) -> CsvRow:
    values: dict[str, float | None] = {}
    unreadable: list[str] = []
    for name, (place, spec) in places.items():
        text = cells[place].strip()
        values[name] = None
        if text in mapping.empty:
            continue
        try:
            number_read = float(text if mapping.decimal == "." else text.replace(mapping.decimal, "."))
        except ValueError:
            unreadable.append(name)
            continue
        if math.isfinite(number_read):
            values[name] = number_read * spec.factor + spec.offset
        else:
            unreadable.append(name)
    return CsvRow(number, ts, values, tuple(unreadable))


def _moment(text: str, mapping: CsvMapping, zone: tzinfo, path: Path, line: int) -> datetime:
    try:
        if mapping.time_format == "iso":
            moment = datetime.fromisoformat(text.strip())
        else:
            moment = datetime.strptime(text.strip(), mapping.time_format)
    except ValueError:
        raise TomatoError(
            "E-CSV-TIME",
            f"{path.name} line {line}: {text!r} is no time in the format {mapping.time_format!r}.",
            "Set time_format in the mapping file.",
        ) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)


def _zone(name: str) -> tzinfo:
    if name[:1] in "+-":
        offset = datetime.fromisoformat(f"2000-01-01T00:00:00{name}").tzinfo
        assert offset is not None
        return offset
    try:
        return ZoneInfo(name)
    except (KeyError, OSError):
        raise ValueError(f"time zone {name!r} is unknown; examples: Europe/Vienna, +01:00") from None
