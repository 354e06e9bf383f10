"""One validated TOML file for everything a grower may set; secrets come from the environment, never from the file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.brain.guardrails.settings import GuardSettings
from tomato_host.brain.safe_mode.settings import SafeModeSettings
from tomato_host.brain.settings import BudgetSettings, SiteSettings
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.errors import TomatoError
from tomato_host.learn.settings import LearnSettings
from tomato_host.log_file import LogSettings
from tomato_host.logs import Log
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.service.settings import ServiceSettings
from tomato_host.storage.settings import StorageSettings
from tomato_host.weather.settings import WeatherSettings


class Section(BaseModel):
    """A table of the file: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class BoardSettings(Section):
    """Section `[board]`: the serial line to the board."""

    url: str = "sim"
    """`sim`, a device path, `socket://host:port` or `rfc2217://host:port`."""
    telemetry_period_s: Annotated[FiniteFloat, Field(ge=1.0, le=600.0)] = 10.0
    """Time between two samples of the board."""
    lease_renew_s: Annotated[FiniteFloat, Field(ge=0.5, le=2.4)] = 2.4
    """The board drops host-commanded outputs 5 s after the last renewal; 2.4 s forgives one lost frame."""


class Settings(Section):
    """The whole file."""

    site: SiteSettings = SiteSettings()
    budgets: BudgetSettings = BudgetSettings()
    board: BoardSettings = BoardSettings()
    storage: StorageSettings = StorageSettings()
    estimator: EstimatorSettings = EstimatorSettings()
    control: ControlSettings = ControlSettings()
    guardrails: GuardSettings = GuardSettings()
    safe_mode: SafeModeSettings = SafeModeSettings()
    world_model: WorldModelSettings = WorldModelSettings()
    weather: WeatherSettings = WeatherSettings()
    agent: AdvisorSettings = AdvisorSettings()
    service: ServiceSettings = ServiceSettings()
    notify: NotifySettings = NotifySettings()
    mqtt: MqttSettings = MqttSettings()
    bus: BusSettings = BusSettings()
    logs: LogSettings = LogSettings()
    learn: LearnSettings = LearnSettings()


Key = tuple[str, str]
"""Section and key."""


def _first_problem(error: ValidationError, spelled: dict[Key, Key]) -> str:
    """Name the key as the file has it, the value and what is allowed, in one line."""
    problem = error.errors()[0]
    place = tuple(str(part) for part in problem["loc"])
    key = ".".join(spelled.get((place[0], place[-1]), place))
    if problem["type"] == "extra_forbidden":
        return f"{key} is not a known key"
    value = re.sub(r"//[^/]*@", "//***@", repr(problem["input"]))  # an address may hold a password
    return f"{key} = {value}: {problem['msg'][0].lower()}{problem['msg'][1:]}"


MOVED: tuple[tuple[Key, Key], ...] = (
    (("estimator", "timezone"), ("site", "timezone")),
    (("control", "time_zone"), ("site", "timezone")),
    (("guardrails", "water_ml_per_day"), ("budgets", "water_ml_per_day")),
    (("control", "water_ml_per_day"), ("budgets", "water_ml_per_day")),
    (("estimator", "water_ml_budget_today"), ("budgets", "water_ml_per_day")),
    (("guardrails", "co2_s_per_day"), ("budgets", "co2_s_per_day")),
    (("control", "co2_s_per_day"), ("budgets", "co2_s_per_day")),
    (("estimator", "co2_seconds_budget_today"), ("budgets", "co2_s_per_day")),
    (("guardrails", "light_s_per_day"), ("budgets", "light_s_per_day")),
    (("guardrails", "humidifier_s_per_day"), ("budgets", "humidifier_s_per_day")),
    (("guardrails", "heater_s_per_day"), ("budgets", "heater_s_per_day")),
)
"""Keys of 0.1 and where their fact lives now. Accepted until 0.4 (docs/stability.md)."""

_log = Log("settings")


def _name(key: Key) -> str:
    return f"[{key[0]}] {key[1]}"


def _same(one: Any, other: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return bool(one == other) if numbers else type(one) is type(other) and bool(one == other)


def _move_old_keys(raw: dict[str, Any], where: str, warn: bool) -> tuple[dict[str, Any], dict[Key, Key]]:
    """The mapping with every old key under its new name, and which old key set which new one.

    Raises TomatoError E-CONFIG-INVALID, naming both keys, where two of them disagree about the same fact.
    """
    out = {name: dict(section) if isinstance(section, dict) else section for name, section in raw.items()}
    spelled: dict[Key, Key] = {}
    """New key to the key that has set it."""
    for old, new in MOVED:
        section, target = out.get(old[0]), out.setdefault(new[0], {})
        if not isinstance(section, dict) or old[1] not in section or not isinstance(target, dict):
            continue
        value = section.pop(old[1])
        if new[1] in target and not _same(target[new[1]], value):
            first = spelled.get(new, new)
            raise TomatoError(
                "E-CONFIG-INVALID",
                f"{where}: {_name(first)} = {target[new[1]]!r} and {_name(old)} = {value!r} disagree about one fact.",
                f"keep only {_name(new)}",
            )
        target[new[1]] = int(value) if isinstance(value, float) and value.is_integer() else value
        spelled.setdefault(new, old)
        if warn:
            _log.warning("settings_key_moved", file=where, old=_name(old), new=_name(new))
    return out, spelled


def _spread(raw: dict[str, Any]) -> dict[str, Any]:
    """The bus shows the node name of MQTT unless it is given one of its own."""
    mqtt, bus = raw.get("mqtt"), raw.setdefault("bus", {})
    if isinstance(mqtt, dict) and "node" in mqtt and isinstance(bus, dict):
        bus.setdefault("node", mqtt["node"])
    return raw


def parse_recorded_settings(raw: dict[str, Any], where: str) -> Settings:
    """Settings as a dataset's metadata holds them. Those of 0.1 name every key; the smallest budget of a fact ruled."""
    tidy = {name: dict(section) if isinstance(section, dict) else section for name, section in raw.items()}
    for new in dict.fromkeys(new for _, new in MOVED):
        held = [(old, tidy[old[0]][old[1]]) for old, to in MOVED if to == new and old[1] in tidy.get(old[0], {})]
        numbers = [value for _, value in held if isinstance(value, int | float)]
        for old, _ in held:
            if numbers:
                tidy[old[0]][old[1]] = int(min(numbers))
    return _validated(tidy, where, warn=False)  # nobody can edit a recording


def parse_settings(raw: dict[str, Any], where: str = "settings") -> Settings:
    """Validate a mapping; keys of 0.1 are accepted with a warning.

    Raises TomatoError E-CONFIG-INVALID that names key, value and range.
    """
    return _validated(raw, where, warn=True)


def _validated(raw: dict[str, Any], where: str, warn: bool) -> Settings:
    moved, spelled = _move_old_keys(raw, where, warn)
    try:
        return Settings.model_validate(_spread(moved))
    except ValidationError as error:
        raise TomatoError(
            "E-CONFIG-INVALID",
            f"{where}: {_first_problem(error, spelled)}.",
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
