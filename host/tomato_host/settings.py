"""One validated TOML file for everything a grower may set; secrets come from the environment, never from the file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host.advisor.settings import AgentSettings
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.brain.guardrails.settings import GuardSettings
from tomato_host.brain.safe_mode.settings import SafeModeSettings
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.errors import TomatoError
from tomato_host.log_file import LogSettings
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.service.settings import ServiceSettings
from tomato_host.storage.settings import StorageSettings
from tomato_host.weather.settings import WeatherSettings


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
    """IANA time zone of the plants, for example `Europe/Vienna`; every local time follows from it."""
    latitude_deg: Annotated[FiniteFloat, Field(ge=-90.0, le=90.0)] = 48.21
    """Latitude, north positive."""
    longitude_deg: Annotated[FiniteFloat, Field(ge=-180.0, le=180.0)] = 16.37
    """Longitude, east positive."""


class BoardSettings(Section):
    """The line to the body."""

    url: str = "sim"
    """`sim`, a device path, `socket://host:port` or `rfc2217://host:port`."""
    telemetry_period_s: Annotated[FiniteFloat, Field(ge=1.0, le=600.0)] = 10.0
    """Time between two samples of the board."""
    lease_renew_s: Annotated[FiniteFloat, Field(ge=0.5, le=2.4)] = 2.4
    """The board drops host-commanded outputs 5 s after the last renewal; 2.4 s forgives one lost frame."""


class Settings(Section):
    """The whole file."""

    site: SiteSettings = SiteSettings()
    board: BoardSettings = BoardSettings()
    storage: StorageSettings = StorageSettings()
    estimator: EstimatorSettings = EstimatorSettings()
    control: ControlSettings = ControlSettings()
    guardrails: GuardSettings = GuardSettings()
    safe_mode: SafeModeSettings = SafeModeSettings()
    world_model: WorldModelSettings = WorldModelSettings()
    weather: WeatherSettings = WeatherSettings()
    agent: AgentSettings = AgentSettings()
    service: ServiceSettings = ServiceSettings()
    notify: NotifySettings = NotifySettings()
    mqtt: MqttSettings = MqttSettings()
    bus: BusSettings = BusSettings()
    logs: LogSettings = LogSettings()


def _first_problem(error: ValidationError) -> str:
    """Name the key, the value and what is allowed, in one line."""
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    value = re.sub(r"//[^/]*@", "//***@", repr(problem["input"]))  # somebody may have put a password into an address
    return f"{key} = {value}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


_ONE_PLACE = (
    (("site", "timezone"), ("estimator", "timezone")),
    (("site", "timezone"), ("control", "time_zone")),
    (("mqtt", "node"), ("bus", "node")),
    (("guardrails", "water_ml_per_day"), ("estimator", "water_ml_budget_today")),
    (("guardrails", "co2_s_per_day"), ("estimator", "co2_seconds_budget_today")),
)
"""A fact is set once: what stands in the first place fills the second unless that is set too."""


def _spread(raw: dict[str, Any]) -> dict[str, Any]:
    """Copy facts that several rooms need to each of them."""
    out = {name: dict(section) if isinstance(section, dict) else section for name, section in raw.items()}
    for (from_section, from_key), (to_section, to_key) in _ONE_PLACE:
        source = out.get(from_section)
        target = out.setdefault(to_section, {})
        if isinstance(source, dict) and from_key in source and isinstance(target, dict):
            target.setdefault(to_key, source[from_key])
    return out


def parse_settings(raw: dict[str, Any], where: str = "settings") -> Settings:
    """Validate a mapping. Raises TomatoError E-CONFIG-INVALID that names key, value and range."""
    try:
        return Settings.model_validate(_spread(raw))
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
