"""The catalogue of 50 blueprints: read, checked, and asked for one; every question and answer is logged."""

from __future__ import annotations

import logging
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from tomato_host.errors import TomatoError

FILE = Path(__file__).with_name("blueprints.toml")
CONSERVATIVE_POOL = range(1, 11)
COUNT = 50

Tier = Literal["production", "experimental", "adversarial"]
Size = Literal["small", "medium", "large"]
BlueprintKind = Literal["trees", "network", "module", "hostile"]

TIER_OF_ID: tuple[tuple[range, Tier], ...] = (
    (range(1, 36), "production"),
    (range(36, 43), "experimental"),
    (range(43, 51), "adversarial"),
)


@dataclass(frozen=True, slots=True)
class ParameterRange:
    """Default and limits of one parameter."""

    default: float
    least: float
    most: float

    def holds(self, value: float) -> bool:
        """Whether a value is finite and inside."""
        return math.isfinite(value) and self.least <= value <= self.most


@dataclass(frozen=True)
class Blueprint:
    """What a block may be."""

    id: int
    name: str
    tier: Tier
    size: Size
    kind: BlueprintKind
    approved: bool
    """Whether a block of it may reach the forecast."""
    purpose: str
    parameters: Mapping[str, ParameterRange] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """As records have it: BP001."""
        return f"BP{self.id:03d}"

    def filled(self, wanted: Mapping[str, float] | None = None) -> dict[str, float]:
        """All parameters, the wanted ones over the defaults. Raises TomatoError E-LEARN-BLUEPRINT outside a range."""
        found = {name: one.default for name, one in self.parameters.items()}
        for name, value in (wanted or {}).items():
            if name not in self.parameters or not self.parameters[name].holds(value):
                raise _refused(f"{self.code} allows no {name} = {value!r}.")
            found[name] = float(value)
        return found

    @property
    def nodes(self) -> int:
        """Parameters of the block, to bound its size: nodes of trees, or weights."""
        p = {name: one.default for name, one in self.parameters.items()}
        return int(p["trees"] * 2 ** p["depth"]) if self.kind == "trees" else int(p.get("width", 0)) * 24


def _refused(message: str) -> TomatoError:
    return TomatoError("E-LEARN-BLUEPRINT", message, "`tomato-host learn blueprints` lists them with their ranges")


def parse_blueprints(text: str) -> dict[int, Blueprint]:
    """The catalogue of a TOML text, checked as a whole. Raises TomatoError E-LEARN-BLUEPRINT."""
    try:
        rows = tomllib.loads(text)["blueprint"]
        found = {int(row["id"]): _blueprint(row) for row in rows}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise _refused(f"The catalogue of blueprints cannot be read: {error}.") from None
    if sorted(found) != list(range(1, COUNT + 1)) or len(rows) != COUNT:
        raise _refused(f"The catalogue holds {len(rows)} blueprints, needed are BP001 to BP{COUNT:03d}, each once.")
    return found


def _blueprint(row: Mapping[str, Any]) -> Blueprint:
    ranges = {name: ParameterRange(*map(float, values)) for name, values in row.get("parameters", {}).items()}
    for name, one in ranges.items():
        if not one.holds(one.default):
            raise ValueError(f"BP{row['id']:03d}: the default of {name} is outside its range")
    tier = next((tier for ids, tier in TIER_OF_ID if row["id"] in ids), None)
    if row["tier"] != tier or row["kind"] not in get_args(BlueprintKind) or row["size"] not in get_args(Size):
        raise ValueError(f"BP{row['id']:03d}: tier, kind or size")
    if row["approved"] is not (tier == "production"):
        raise ValueError(f"BP{row['id']:03d}: only production blueprints are approved, and all of them")
    plain = {key: row[key] for key in ("id", "name", "tier", "size", "kind", "approved", "purpose")}
    return Blueprint(**plain, parameters=ranges)


@cache
def catalogue_of_blueprints() -> dict[int, Blueprint]:
    """The 50 blueprints by number."""
    return parse_blueprints(FILE.read_text(encoding="utf-8"))


def query(
    *, kind: str | None = None, tier: Tier = "production", size: Size | None = None, conservative: bool = False
) -> list[Blueprint]:
    """Blueprints that fit, in order of their numbers; the same question has the same answer. Never adversarial ones."""
    if tier == "adversarial":
        raise _refused("Adversarial blueprints are in quarantine: `tomato-host learn compile --quarantine` runs them.")
    found = [
        one
        for one in catalogue_of_blueprints().values()
        if one.tier == tier
        and kind in (None, one.kind)
        and size in (None, one.size)
        and (not conservative or one.id in CONSERVATIVE_POOL)
    ]
    _log_query(kind, tier, size, conservative, found)
    return found


def _log_query(kind: str | None, tier: str, size: str | None, conservative: bool, found: list[Blueprint]) -> None:
    codes = [one.code for one in found]
    log = logging.getLogger("tomato.learn.blueprints")
    log.info("query kind=%s tier=%s size=%s conservative=%s -> %s", kind, tier, size, conservative, codes)


def blueprint(number: int) -> Blueprint:
    """One blueprint. Raises TomatoError E-LEARN-BLUEPRINT for a number that is none."""
    found = catalogue_of_blueprints().get(number)
    if found is None:
        raise _refused(f"There is no blueprint {number}.")
    return found
