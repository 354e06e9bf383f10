"""The whitelist of publication: the public fields of each kind of record. What is not named here stays private."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

from shared_schemas.records.plan_v1 import PlanV1
from shared_schemas.records.state_v1 import StateV1
from tomato_host.storage.own_words import is_own_name, is_own_text


class FieldRule(Enum):
    """How one value goes out."""

    KEEP = "numbers, flags and times as they are; an identifier that somebody chose is replaced by a number"
    TEXT = "a text that this program composes: as it is when every word is its own, else as FREE"
    FREE = "written by a person, a model or another program: withheld, unless free text was asked for"
    NUMBERS = "a mapping: flags, numbers of named quantities, and single words of a fixed vocabulary of keys"


KEEP, TEXT, FREE, NUMBERS = FieldRule.KEEP, FieldRule.TEXT, FieldRule.FREE, FieldRule.NUMBERS
Tree = Mapping[str, Any]
"""Field name to FieldRule or to the Tree of its part; a list's items follow the tree of the list."""


def _all(names: str, **more: Any) -> dict[str, Any]:
    return {**dict.fromkeys(names.split(), KEEP), **more}


def _types(annotation: Any) -> Iterator[Any]:
    """The plain types of a field: what a union, a list and an annotated type are made of."""
    if get_origin(annotation) is Annotated:
        yield from _types(get_args(annotation)[0])
    elif get_origin(annotation) is Literal or not get_args(annotation):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from _types(inner)


_CLOSED = (float, int, bool, NoneType, datetime, AwareDatetime)


def _measured(part: type[BaseModel]) -> dict[str, Any]:
    """The fields of a part that hold numbers, flags, times or words of a fixed list; free text never is among them.

    So a new sensor or output that the records carry is published as well, and nothing that somebody wrote is.
    """
    found = {name: list(_types(field.annotation)) for name, field in part.model_fields.items()}
    return {
        name: KEEP
        for name, types in found.items()
        if all(one in _CLOSED or get_origin(one) is Literal for one in types)
    }


def _part(record: type[BaseModel], name: str) -> type[BaseModel]:
    """The model of a record's field that is a part, or a list of parts."""
    types = _types(record.model_fields[name].annotation)
    return next(one for one in types if isinstance(one, type) and issubclass(one, BaseModel))


_RANGE = _all("low high")
_BANDS = "vpd_day_kpa vpd_night_kpa air_temp_day_c air_temp_night_c soil_moisture_pct co2_day_ppm"
_TARGETS = {
    **dict.fromkeys(_BANDS.split(), _RANGE),
    **_all("photoperiod_h lights_on_hour water_ml_budget co2_seconds_budget"),
}
_JOURNAL = "schema_version ts id kind task harvest_g fruit_count ec_ms_cm ph feed_ml sample photo_sha256 withdrawn"
"""Without the names of people and plants."""
_SCORE = _all("j yield_proxy stress resource_use action_churn")


def public_fields(state: type[BaseModel] = StateV1, plan: type[BaseModel] = PlanV1) -> dict[str, Tree]:
    """The whitelist; what sensors and outputs add to a state and to a plan's steps follows from those records."""
    return {
        "state_v1": {
            **_all("schema_version ts confidence quantity_confidence mode"),
            "reason": TEXT,
            "env": _measured(_part(state, "env")),
            "means": _all("over_s air_temp_c rh_pct co2_ppm vpd_kpa"),
            "plant": {
                **_measured(_part(state, "plant")),
                "vision": _all("source stress_score fruit_count_est confidence", summary=FREE),
            },
            "soil": {**_measured(_part(state, "soil")), "probes": _all("id moisture_pct confidence")},
            "devices": _measured(_part(state, "devices")),
            "budgets": _measured(_part(state, "budgets")),
        },
        "action_v1": {
            **_all("schema_version ts type id origin not_after decision_id"),
            "params": _all("ml pulses seconds state period_s"),
            "why": _all("state_ts", rules_fired=TEXT, objective_hint=TEXT, text=TEXT),
            "safety": {
                **_all("validated guardrails refused_by clipped_by"),
                "checks": _all("rule ok value limit", text=TEXT),
            },
            "outcome": _all("status delivered_ml delivered_s finished_ts", reason=TEXT),
        },
        "anomaly_v1": {
            **_all("schema_version ts severity type expected_effects required_response subject phase id"),
            "signals": NUMBERS,
            "detail": TEXT,
        },
        "plan_v1": {
            **_all("schema_version ts id controller state_ts horizon_h"),
            "steps": _measured(_part(plan, "steps")),
            **dict.fromkeys(("rules_fired", "not_done", "tasks", "explanation"), TEXT),
            "score": _SCORE,
            "rejected": {"summary": TEXT, "why": TEXT, "score": _SCORE},
            "crop_costs": {"name": TEXT, **_all("weight cost decided")},
        },
        "targets_v1": {
            **_all("schema_version ts valid_from valid_to growth_stage scenarios"),
            "base": _TARGETS,
            "adapted": _TARGETS,
        },
        "sensor_health_v1": {
            **_all("schema_version ts"),
            "sensors": _all("id status confidence faults last_good_ts", detail=TEXT),
        },
        "vision_v1": {
            **_all(
                "schema_version ts leaf_color wilting pest_signs fruit_count_est flower_count_est stress_score "
                "confidence source"
            ),
            "notes": FREE,
        },
        "event_v1": {**_all("schema_version ts level kind name"), "text": TEXT, "data": NUMBERS},
        "journal_v1": {**_all(_JOURNAL), "text": FREE},
    }


PUBLIC: dict[str, Tree] = public_fields()
"""Kinds that are published. Raw samples, weather (it reveals the place), agents, link and model internals are not."""

BY_CHOICE = frozenset({"journal_v1"})
"""Kinds that are published only when somebody asked for them: what a person wrote down is that person's."""

OWN_ORIGINS = frozenset({"controller", "safe_mode"})
"""Origins of actions whose reasons this program composes."""
_FOREIGN_ACTION: Tree = {
    **PUBLIC["action_v1"],
    "why": {"state_ts": KEEP, "rules_fired": FREE, "objective_hint": FREE, "text": FREE},
}
_FOREIGN_EVENT: Tree = {**PUBLIC["event_v1"], "text": FREE}


def tree_of(record: Mapping[str, Any]) -> Tree:
    """The tree of this record: stricter where somebody else wrote its texts."""
    version = record["schema_version"]
    if version == "action_v1" and record.get("origin", "controller") not in OWN_ORIGINS:
        return _FOREIGN_ACTION
    if version == "event_v1" and record["kind"] == "agent":
        return _FOREIGN_EVENT
    return PUBLIC[version]


PRIVATE_EVENTS = frozenset({"notification", "person", "message"})
"""Kinds of event that name people or their devices, or repeat what agents say to each other."""

LEDGER_EVENTS = ("ledger_", "books_")
"""Events whose names begin so let a replay repeat the guardrails' ledger; the actions they belong to are public.

`books_` until 0.1. Such events are neither exported nor published on the bus.
"""

_UNIT = re.compile(r"_(c|pct|ppm|kpa|mps|ml|lux|s|ms|min|h|wm2|count|mol_m2|g_m3|per_h|ml_h)$")
_COUNTS = frozenset(
    {"attempt", "count", "faults", "missed", "boot_id", "seconds", "ml", "value", "last_value", "limit", "threshold"}
)
_WORDS = frozenset({"fault", "reason", "cause", "reset_cause", "sensor", "probe", "output", "status", "mode"})
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,31}")
WITHHELD = "[withheld]"

_SECRETS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?i)\b[a-z][a-z0-9+.\-]*://\S+",
        r"[\w.+\-]+@[\w\-]+(\.[\w\-]+)+",
        r"(?i)\b(api[ _\-]?key|key|token|secret|password|passwd|passphrase|pwd|pin|code|bearer|authorization|ssid"
        r"|wi-?fi|wlan|network|login|user(name)?)\b(\s+(is|was|named|called|name|key|password|to|the|bearer|basic)\b)*\s*[:=]?"
        r"\s*((bearer|basic)\s+)?\S+",
        r"\b(sk|pk|ghp|gho|xox[abp]|AKIA|glpat)[\-_A-Za-z0-9]{10,}",
        r"\b(?=[A-Za-z0-9_\-]*\d)(?=[A-Za-z0-9_\-]*[A-Za-z])[A-Za-z0-9_\-]{28,}\b",
        r"\beyJ[A-Za-z0-9_\-]{5,}(\.[A-Za-z0-9_\-]*)*",
        r"\b\d{1,3}(\.\d{1,3}){3}\b",
        r"(?i)\b([0-9a-f]{2}[:\-]){5}[0-9a-f]{2}\b",
        r"(?i)\b([0-9a-f]{1,4}:){4,7}[0-9a-f]{0,4}|([0-9a-f]{1,4}:)*[0-9a-f]{0,4}::[0-9a-f:]*",
        r"-?\d{1,3}\.\d{2,}\s*°?\s*[NS]?\s*[,;/ ]\s*-?\d{1,3}\.\d{2,}\s*°?\s*[EW]?",
        r"\d{1,3}\s*°\s*\d{1,2}(\.\d+)?(\s*['′’]\s*(\d{1,2}(\.\d+)?\s*[\"″”]*)?)?\s*[NSEWO]?\b",
        r"(?i)\b(lat|latitude|lon|lng|longitude)\b\W{0,3}-?\d+(\.\d+)?",
        r"(?i)\b\w+(straße|strasse|str\.|gasse|platz|allee|weg|kai|gürtel)\s*\d+\w*(\s*/\s*\d+)*",
        r"\b\d{1,5}[a-z]?\s+([A-Z][\w.]+\s+){1,3}(Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Square|Way|Court|Place)\b",
        r"\b([A-Z]\w+\s+){1,2}(Street|Road|Avenue|Lane|Drive|Square)(\s+\d+\w*)?",
        r"\b\d{4,5}\s+[A-ZÄÖÜ]\w+",
        r"\+\d[\d /\-()]{6,}\d",
        r"(?<![\w.])\(?0\d{1,4}\)?[ /\-]+\d[\d /\-]{3,}\d",
        r"(/home/|/Users/|/dev/|/etc/|/var/|[A-Z]:\\)\S+",
    )
)


def clean_text(text: str, withhold: tuple[str, ...]) -> str:
    """The text without secrets, addresses, places and the phrases of `withhold`."""
    for phrase in withhold:
        if phrase:
            text = re.sub(re.escape(phrase), WITHHELD, text, flags=re.IGNORECASE)
    for pattern in _SECRETS:
        text = pattern.sub(WITHHELD, text)
    return text


class Publisher:
    """What of a record goes out, by its tree. One object publishes a whole dataset, so that names stay the same in it.

    Without `free_text` a text goes out only when this program composed it (`own_words.py`) and it holds none of the
    phrases of `withhold`; what persons, models and other programs wrote is withheld as a whole. With it such texts go
    out as well, searched for secrets.
    """

    def __init__(
        self, withhold: Sequence[str] = (), free_text: bool = False, chosen_names: frozenset[str] = frozenset()
    ) -> None:
        """`chosen_names`: names that were chosen for publication, those of cameras."""
        self._withhold = tuple(phrase.lower() for phrase in withhold if phrase)
        self._phrases = tuple(withhold)
        self._free_text = free_text
        self._names: dict[str, str] = {}
        self._chosen = chosen_names
        self.texts_withheld = 0
        """Texts that did not go out, or not whole."""

    @property
    def names_replaced(self) -> int:
        """Names that somebody chose, such as those of probes; `name-1`, `name-2`, ... stand for them."""
        return len(self._names)

    def publish(self, value: Any, tree: Tree | FieldRule) -> Any:
        """What of a JSON value goes out by its tree."""
        if isinstance(value, list):
            return [self.publish(item, tree) for item in value]
        if isinstance(tree, FieldRule):
            return self._leaf(value, tree)
        if not isinstance(value, dict):
            return value if value is None else WITHHELD
        return {name: self.publish(value[name], tree[name]) for name in value if name in tree}

    def text(self, text: str) -> str:
        """A text that this program should have composed."""
        if self._is_own(text):
            return text
        return self.free(text)

    def free(self, text: str) -> str:
        """A text that somebody else wrote."""
        shown = clean_text(text, self._phrases) if self._free_text and text else text and WITHHELD
        self.texts_withheld += WITHHELD in shown
        return shown

    def name(self, name: str) -> str:
        """An identifier: as it is when this program made it, else a number that stands for it everywhere."""
        if not name or ((name in self._chosen or is_own_name(name)) and not self._is_withheld(name)):
            return name
        if "." in name:  # soil.P1 is the probe P1
            return ".".join(self.name(part) for part in name.split("."))
        return self._names.setdefault(name, f"name-{len(self._names) + 1}")

    # -- inside ------------------------------------------------------------------------------------------------

    def _is_own(self, text: str) -> bool:
        return not self._is_withheld(text) and clean_text(text, ()) == text and is_own_text(text)

    def _is_withheld(self, text: str) -> bool:
        return any(phrase in text.lower() for phrase in self._withhold)

    def _leaf(self, value: Any, leaf: FieldRule) -> Any:
        if leaf is NUMBERS:
            entries = value.items() if isinstance(value, dict) else ()
            return {key: item for key, item in entries if self._is_public_item(key, item)}
        if isinstance(value, dict):  # numbers by sensor, such as quantity_confidence
            return {self.name(key): self._leaf(item, leaf) for key, item in value.items()}
        if isinstance(value, list):
            return [self._leaf(item, leaf) for item in value]
        if isinstance(value, str):
            return {KEEP: self.name, TEXT: self.text, FREE: self.free}[leaf](value)
        return value

    def _is_public_item(self, key: str, value: Any) -> bool:
        if not (_WORD.fullmatch(key) and (key in _COUNTS | _WORDS or is_own_name(key))):
            return False
        if isinstance(value, bool):
            return True
        if isinstance(value, str):
            return key in _WORDS and bool(_WORD.fullmatch(value)) and self._is_own(value)
        return isinstance(value, int | float) and bool(_UNIT.search(key) or key in _COUNTS)
