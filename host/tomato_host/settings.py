"""One validated TOML file for everything a grower may set; secrets come from the environment, never from the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from shared_schemas.devices import OUTPUT_BY_NAME
from tomato_host.errors import TomatoError


class Section(BaseModel):
    """A table of the file: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; an example is 'Europe/Vienna'") from None
    return name


class SiteSettings(Section):
    """Where the plants stand. The position is for weather and sun; it is never published."""

    timezone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Vienna"
    latitude_deg: Annotated[FiniteFloat, Field(ge=-90.0, le=90.0)] = 48.21
    longitude_deg: Annotated[FiniteFloat, Field(ge=-180.0, le=180.0)] = 16.37


class BoardSettings(Section):
    """The line to the body."""

    url: str = "sim"
    """`sim`, a device path, `socket://host:port` or `rfc2217://host:port`."""
    telemetry_period_s: Annotated[FiniteFloat, Field(ge=1.0, le=600.0)] = 10.0
    lease_renew_s: Annotated[FiniteFloat, Field(ge=0.5, le=2.4)] = 2.4
    """The board drops host-commanded outputs 5 s after the last renewal; 2.4 s forgives one lost frame."""


class StorageSettings(Section):
    """The dataset on disk."""

    data_dir: str = "data"
    fsync: Literal["always", "interval", "never"] = "interval"
    rotate: Literal["month", "day", "size"] = "month"


class PlantSettings(Section):
    """What grows here."""

    count: Annotated[int, Field(ge=1, le=4)] = 2
    stage: Literal["seedling", "vegetative", "flowering", "fruiting"] = "vegetative"


class DaySettings(Section):
    """The day's frame and budgets; budgets may be tighter than the board's, never wider."""

    controller: Literal["rules", "mpc", "fixed_timer"] = "rules"
    cycle_minutes: Annotated[int, Field(ge=5, le=240)] = 120
    state_minutes: Annotated[int, Field(ge=1, le=120)] = 30
    photoperiod_h: Annotated[FiniteFloat, Field(ge=0.0, le=18.0)] = 16.0
    lights_on_hour: Annotated[FiniteFloat, Field(ge=0.0, lt=24.0)] = 6.0
    water_ml_per_day: Annotated[
        FiniteFloat, Field(ge=0.0, le=float(OUTPUT_BY_NAME["water_pump"].day_budget))
    ] = 2_200.0
    co2_seconds_per_day: Annotated[
        FiniteFloat, Field(ge=0.0, le=float(OUTPUT_BY_NAME["co2_solenoid"].day_budget))
    ] = 600.0


class Settings(Section):
    """The whole file."""

    site: SiteSettings = SiteSettings()
    board: BoardSettings = BoardSettings()
    storage: StorageSettings = StorageSettings()
    plant: PlantSettings = PlantSettings()
    day: DaySettings = DaySettings()


def _first_problem(error: ValidationError) -> str:
    """Name the key, the value and what is allowed, in one line."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    return f"{key} = {problem['input']!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


def parse_settings(raw: dict[str, Any], where: str = "settings") -> Settings:
    """Validate a mapping. Raises TomatoError E-CONFIG-INVALID that names key, value and range."""
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise TomatoError(
            "E-CONFIG-INVALID",
            f"{where}: {_first_problem(error)}.",
            "correct that line; `docs/configuration.md` lists every key with its range",
        ) from None


def load_settings(path: Path | None) -> Settings:
    """Read the TOML file, or take the defaults when there is none.

    Raises TomatoError: E-CONFIG-MISSING, E-CONFIG-UNREADABLE, E-CONFIG-SYNTAX, E-CONFIG-INVALID.
    """
    if path is None:
        return Settings()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TomatoError("E-CONFIG-MISSING", f"{path} does not exist.", "check --config, or leave it out") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TomatoError(
            "E-CONFIG-UNREADABLE", f"{path} cannot be read: {error}.", "check that it is a text file you may read"
        ) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomatoError("E-CONFIG-SYNTAX", f"{path} is not valid TOML: {error}.", "correct that line") from None
    return parse_settings(raw, str(path))
