"""One validated TOML file for everything a grower may set; secrets come from the environment, never from the file."""

from __future__ import annotations

import json
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tomato_host.addresses import BoardAddress
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
from tomato_host.service.settings import PlantSettings, ServiceSettings, TentSettings
from tomato_host.settings_relations import contradictions
from tomato_host.storage.settings import StorageSettings
from tomato_host.toml_file import NEXT_STEP, check_values, plain_key, read_toml, shown
from tomato_host.weather.settings import WeatherSettings


class Section(BaseModel):
    """A table of the file: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class BoardSettings(Section):
    """Section `[board]`: the serial line to the board."""

    url: BoardAddress = "sim"
    """`sim`, a device path, `socket://host:port` or `rfc2217://host:port`."""
    telemetry_period_s: Annotated[FiniteFloat, Field(ge=1.0, le=600.0)] = 10.0
    """Time between two samples of the board."""
    lease_renew_s: Annotated[FiniteFloat, Field(ge=0.5, le=2.4)] = 2.4
    """The board drops host-commanded outputs 5 s after the last renewal; 2.4 s forgives one lost frame."""


class Settings(Section):
    """The whole file."""

    site: SiteSettings = SiteSettings()
    tent: TentSettings = TentSettings()
    budgets: BudgetSettings = BudgetSettings()
    board: BoardSettings = BoardSettings()
    storage: StorageSettings = StorageSettings()
    estimator: EstimatorSettings = EstimatorSettings()
    control: ControlSettings = ControlSettings()
    guardrails: GuardSettings = GuardSettings()
    safe_mode: SafeModeSettings = SafeModeSettings()
    world_model: WorldModelSettings = WorldModelSettings()
    weather: WeatherSettings = WeatherSettings()
    advisor: AdvisorSettings = AdvisorSettings()
    service: ServiceSettings = ServiceSettings()
    notify: NotifySettings = NotifySettings()
    mqtt: MqttSettings = MqttSettings()
    bus: BusSettings = BusSettings()
    logs: LogSettings = LogSettings()
    learn: LearnSettings = LearnSettings()


Key = tuple[str, str]
"""Section and key."""


def _problems(error: ValidationError, spelled: dict[Key, Key]) -> str:
    """The first problem in full, and the names of the next few, in one line."""
    problems = error.errors()
    first = _described(problems[0], spelled)
    _, *others = dict.fromkeys(_written(problem, spelled) for problem in problems)
    if not others:
        return first
    more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    return f"{first}. Wrong as well: {', '.join(others[:MOST_NAMED])}{more}"


MOST_NAMED = 5
"""Further wrong keys that a message names."""


def _written(problem: ErrorDetails, spelled: dict[Key, Key]) -> str:
    """The key of a problem as the file has it, with dots."""
    place = tuple(str(part) for part in problem["loc"])
    written = spelled.get((place[0], place[-1]), (spelled.get((place[0], WHOLE), place)[0], *place[1:]))
    return ".".join(plain_key(part) for part in written)


def _described(problem: ErrorDetails, spelled: dict[Key, Key]) -> str:
    """The key as the file has it, the value and what is allowed, in one line."""
    place, key = tuple(str(part) for part in problem["loc"]), _written(problem, spelled)
    if place and place[-1].endswith(NAMES_A_VARIABLE):  # what stands there by mistake is the secret itself
        return f"{key} must be the name of an environment variable in capitals; the value is not repeated here"
    if problem["type"] == "extra_forbidden":
        return f"{key} is not a known key{_meant(place)}"
    message = shown(problem["msg"].removeprefix("Value error, ").rstrip("."), quoted=False, longest=300)
    allowed = _allowed(place) if problem["type"] not in _NAMES_THE_BOUND else ""
    return f"{key} = {shown(problem['input'])}: {message[0].lower()}{message[1:]}{allowed}"


def _meant(place: tuple[str, ...]) -> str:
    """The known key of the same table that is spelled most like an unknown one; empty where none is."""
    table = _field(place[:-1])
    known = Settings if len(place) == 1 else table.annotation if table is not None else None
    near = get_close_matches(place[-1], _fields_of(known), n=1, cutoff=0.7)
    return f" (did you mean {near[0]}?)" if near else ""


def _fields_of(model: Any) -> dict[str, FieldInfo]:
    """The fields of a table's model; none where something else than a table stands."""
    return model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}


def _field(place: tuple[str, ...]) -> FieldInfo | None:
    """The field of the settings at that place; None where there is none."""
    model, field = Settings, None
    for part in place:
        field = _fields_of(model).get(part)
        model = field.annotation if field is not None else None  # type: ignore[assignment]  # any annotation
    return field


_NAMES_THE_BOUND = frozenset({"value_error", "literal_error", "missing"})
NAMES_A_VARIABLE = ("password_from", "urls_from", "url_from", "key_from", "_key_env")
"""Ends of the keys that name an environment variable with a secret."""
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def _allowed(place: tuple[str, ...]) -> str:
    """The range of a numeric key for the message; empty where it has none."""
    field = _field(place)
    rules = [] if field is None else field.metadata
    found = [(word, getattr(rule, name, None)) for rule in rules for name, word in _BOUNDS.items()]
    bounds = [f"{word} {bound:.10g}" for word, bound in found if isinstance(bound, int | float)]
    return f" (allowed: {', '.join(bounds)})" if bounds else ""


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
    (("bus", "card_every_s"), ("bus", "summary_every_s")),
)
"""Keys of 0.1 and where their fact lives now. Accepted until 0.4 (docs/stability.md)."""
WHOLE = ""
"""In place of a key: the whole table."""
MOVED_TABLES: tuple[tuple[str, str], ...] = (("agent", "advisor"),)
"""Tables of 0.1 and their names now, with everything in them. Accepted until 0.4."""

_log = Log("settings")


def _name(key: Key) -> str:
    return f"[{key[0]}] {key[1]}"


def _same(one: Any, other: Any) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    return bool(one == other) if numbers else type(one) is type(other) and bool(one == other)


def _move_old_tables(raw: dict[str, Any], where: str, warn: bool) -> dict[str, Any]:
    """The mapping with every old table under its new name.

    Raises TomatoError E-CONFIG-INVALID, naming both, where old and new disagree about a key.
    """
    out = {name: dict(section) if isinstance(section, dict) else section for name, section in raw.items()}
    for old, new in MOVED_TABLES:
        if old not in out:
            continue
        section, target = out.pop(old), out.get(new, {})
        if not isinstance(section, dict) or not isinstance(target, dict):
            raise _invalid(f"{where}: [{old}] is a table of 0.1 that is called [{new}] now; it is no table.")
        for key, value in section.items():
            if key in target and target[key] != value:
                first, second = _name((new, key)), _name((old, key))
                what = f"{first} = {shown(target[key])} and {second} = {shown(value)} disagree about one fact."
                raise _invalid(f"{where}: {what}", f"keep only [{new}]")
        out[new] = {**section, **target}
        if warn:
            _log.warning("settings_key_moved", file=where, old=f"[{old}]", new=f"[{new}]")
    return out


def _move_old_keys(raw: dict[str, Any], where: str, warn: bool) -> tuple[dict[str, Any], dict[Key, Key]]:
    """The mapping with every old key under its new name, and which old key set which new one.

    Raises TomatoError E-CONFIG-INVALID, naming both keys, where two of them disagree about the same fact.
    """
    out = _move_old_tables(raw, where, warn)
    spelled: dict[Key, Key] = {(new, WHOLE): (old, WHOLE) for old, new in MOVED_TABLES if old in raw and new not in raw}
    """New key to the key that has set it."""
    for old, new in MOVED:
        section, target = out.get(old[0]), out.setdefault(new[0], {})
        if not isinstance(section, dict) or old[1] not in section or not isinstance(target, dict):
            continue
        value = section.pop(old[1])
        if new[1] in target and not _same(target[new[1]], value):
            first = spelled.get(new, new)
            held = f"{_name(first)} = {shown(target[new[1]])} and {_name(old)} = {shown(value)}"
            raise _invalid(f"{where}: {held} disagree about one fact.", f"keep only {_name(new)}")
        target[new[1]] = int(value) if isinstance(value, float) and value.is_integer() else value
        spelled.setdefault(new, old)
        if warn:
            _log.warning("settings_key_moved", file=where, old=_name(old), new=_name(new))
    return out, spelled


def _spread(raw: dict[str, Any]) -> dict[str, Any]:
    """Values that follow from another key unless they are given.

    The bus shows the node name of MQTT; a board that reports faster than usual is expected to; 10 ml for each litre
    of substrate raise all pots by one percent.
    """
    mqtt, bus = raw.get("mqtt"), raw.setdefault("bus", {})
    if isinstance(mqtt, dict) and "node" in mqtt and isinstance(bus, dict):
        bus.setdefault("node", mqtt["node"])
    board, estimator = raw.get("board"), raw.setdefault("estimator", {})
    period = board.get("telemetry_period_s") if isinstance(board, dict) else None
    usual = EstimatorSettings().sample_period_s
    is_number = isinstance(period, int | float) and not isinstance(period, bool)
    if isinstance(estimator, dict) and is_number and 1.0 <= float(period or 0.0) < usual:
        estimator.setdefault("sample_period_s", period)
    tent, control = raw.get("tent"), raw.setdefault("control", {})
    litres = _litres(tent.get("plants")) if isinstance(tent, dict) else 0.0
    if litres and isinstance(control, dict):
        control.setdefault("soil_ml_per_pct", min(500.0, 10.0 * litres))
    return raw


def _litres(plants: Any) -> float:
    """Substrate of all pots; 0 when a pot has no valid size, which validation then reports."""
    usual = PlantSettings(name="-").pot_l
    sizes = (
        [plant.get("pot_l", usual) for plant in plants if isinstance(plant, dict)] if isinstance(plants, list) else []
    )
    is_number = all(isinstance(size, int | float) and not isinstance(size, bool) for size in sizes)
    return float(sum(sizes)) if is_number else 0.0


def parse_recorded_settings(raw: dict[str, Any], where: str) -> Settings:
    """Settings as a dataset's metadata holds them. Those of 0.1 name every key; the smallest budget of a fact ruled.

    Relations between keys are not checked: what was recorded has happened, and must replay.
    """
    tidy = {name: dict(section) if isinstance(section, dict) else section for name, section in raw.items()}
    for new in dict.fromkeys(new for _, new in MOVED):
        held = [(old, tidy[old[0]][old[1]]) for old, to in MOVED if to == new and old[1] in tidy.get(old[0], {})]
        numbers = [value for _, value in held if isinstance(value, int | float)]
        for old, _ in held:
            if numbers:
                tidy[old[0]][old[1]] = int(min(numbers))
    return _validated(tidy, where, warn=False)[0]  # nobody can edit a recording


def parse_settings(raw: dict[str, Any], where: str = "settings") -> Settings:
    """Validate a mapping; keys of 0.1 are accepted with a warning.

    Raises TomatoError E-CONFIG-INVALID that names key, value and range, or both keys of two that contradict each other.
    """
    settings, given = _validated(raw, where, warn=True)
    for problem in contradictions(settings, given):
        raise _invalid(f"{where}: {problem}.", "change one of the two; `docs/configuration.md` lists every key")
    return settings


def _validated(raw: dict[str, Any], where: str, warn: bool) -> tuple[Settings, frozenset[str]]:
    """The settings, and the keys that the mapping names.

    Validated as strict JSON: `true` and "5" are no numbers; an array may stand for a tuple, text for a path.
    """
    check_values(raw, where)
    moved, spelled = _move_old_keys(raw, where, warn)
    given = frozenset(f"{table}.{key}" for table, keys in moved.items() if isinstance(keys, dict) for key in keys)
    try:
        return Settings.model_validate_json(
            json.dumps(_whole_numbers(_spread(moved)), default=os.fspath), strict=True
        ), given
    except ValidationError as error:
        raise _invalid(f"{where}: {_problems(error, spelled)}.") from None


def _whole_numbers(value: Any) -> Any:
    """2200.0 as 2200 everywhere: files of 0.1 hold whole numbers with a point."""
    if isinstance(value, dict):
        return {key: _whole_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole_numbers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _invalid(what: str, next_step: str = NEXT_STEP) -> TomatoError:
    return TomatoError("E-CONFIG-INVALID", what, next_step)


def load_settings(path: Path | None) -> Settings:
    """Read the TOML file, or take the defaults when there is none.

    Raises TomatoError: E-CONFIG-MISSING, E-CONFIG-UNREADABLE, E-CONFIG-SYNTAX, E-CONFIG-INVALID.
    """
    return Settings() if path is None else parse_settings(read_toml(path), str(path))
