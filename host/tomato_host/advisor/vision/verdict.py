"""The model's answer about one photo: grammar, then types, then sense. What does not pass is 'unknown'."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host.advisor.vision.measure import Measure

REPLY_CHARS_MAX = 2_000
CANOPY_MIN = 0.005
"""Below half a percent of the frame there is no plant to judge."""

_NOTE_FORBIDDEN = re.compile(r"[^A-Za-z ,.'-]+")

Share = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0, le=99)]


class Said(BaseModel):
    """The model's half of vision_v1, as the grammar allows it. `confidence` is what it claims; nobody believes it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    leaf_color: Literal["green", "yellowing", "spots", "unknown"]
    wilting: bool | None
    pest_signs: Literal["none", "possible", "likely", "unknown"]
    fruit_count_est: Count | None
    flower_count_est: Count | None
    stress_score: Share | None
    notes: Annotated[str, Field(max_length=120)]
    confidence: Share


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may go into a record: only fields that passed. `flags` name every doubt."""

    leaf_color: Literal["green", "yellowing", "spots", "unknown"] = "unknown"
    wilting: bool | None = None
    pest_signs: Literal["none", "possible", "likely", "unknown"] = "unknown"
    fruit_count_est: int | None = None
    flower_count_est: int | None = None
    stress_score: float | None = None
    notes: str = ""
    claimed_confidence: float | None = None
    flags: tuple[str, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """True when nothing was learned."""
        return replace(self, notes="", claimed_confidence=None, flags=()) == Verdict()


def unknown(*flags: str) -> Verdict:
    """The closed gate."""
    return Verdict(flags=flags)


def read_reply(text: str) -> Said | None:
    """The typed answer, or None when form or type is wrong. Cheap on any input: the length is looked at first."""
    if len(text) > REPLY_CHARS_MAX:
        return None
    try:
        # Numbers like "1.0" and "1" both stand for a share; strict mode wants a float.
        return Said.model_validate(_floats(json.loads(text)))
    except (ValueError, ValidationError, RecursionError):
        return None


def judge(said: Said, measure: Measure) -> Verdict:
    """Apply every rule of sense; a rule that fires takes its fields back to unknown and leaves its name as a flag."""
    verdict = Verdict(
        leaf_color=said.leaf_color,
        wilting=said.wilting,
        pest_signs=said.pest_signs,
        fruit_count_est=said.fruit_count_est,
        flower_count_est=said.flower_count_est,
        stress_score=said.stress_score,
        notes=" ".join(_NOTE_FORBIDDEN.sub(" ", said.notes).split()),
        claimed_confidence=said.confidence,
    )
    for flag, fires, take_back in RULES:
        if fires(verdict, measure):
            verdict = replace(take_back(verdict), flags=(*verdict.flags, flag))
    return verdict


def _nothing(verdict: Verdict) -> Verdict:
    return replace(Verdict(), claimed_confidence=verdict.claimed_confidence, flags=verdict.flags)


def _no_stress(verdict: Verdict) -> Verdict:
    return replace(verdict, stress_score=None)


def _no_counts(verdict: Verdict) -> Verdict:
    return replace(verdict, fruit_count_est=None, flower_count_est=None)


Rule = tuple[str, Callable[[Verdict, Measure], bool], Callable[[Verdict], Verdict]]

RULES: tuple[Rule, ...] = (
    ("photo_unusable", lambda v, m: not m.usable, _nothing),
    ("no_plant_in_view", lambda v, m: m.usable and (m.canopy_fraction or 0.0) < CANOPY_MIN, _nothing),
    (
        "calm_but_ill",
        lambda v, m: (
            v.stress_score is not None
            and v.stress_score < 0.2
            and (v.wilting is True or v.pest_signs == "likely" or v.leaf_color in ("yellowing", "spots"))
        ),
        _no_stress,
    ),
    (
        "stressed_but_well",
        lambda v, m: (
            v.stress_score is not None
            and v.stress_score > 0.6
            and v.wilting is False
            and v.pest_signs == "none"
            and v.leaf_color == "green"
        ),
        _no_stress,
    ),
    (
        "more_fruit_than_canopy",
        lambda v, m: (v.fruit_count_est or 0) + (v.flower_count_est or 0) > 20 and (m.canopy_fraction or 0.0) < 0.05,
        _no_counts,
    ),
)
"""Name, when it fires, what it takes back."""


def _floats(raw: object) -> object:
    if isinstance(raw, dict):
        shares = ("stress_score", "confidence")
        return {k: float(v) if k in shares and type(v) is int and v in (0, 1) else v for k, v in raw.items()}
    return raw
