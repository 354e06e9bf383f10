"""The model's answer about one photo: grammar, then types, then plausibility. What does not pass is 'unknown'."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from tomato_host.advisor.vision.measure import PhotoMeasure

REPLY_CHARS_MAX = 2_000
CANOPY_MIN = 0.005
"""Below half a percent of the frame there is no plant to judge."""

_NOTE_FORBIDDEN = re.compile(r"[^A-Za-z ,.'-]+")

Share = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0, le=99)]


class VisionReply(BaseModel):
    """The model's half of vision_v1, as the grammar allows it. `confidence` is only recorded."""

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
class PhotoVerdict:
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
        return replace(self, notes="", claimed_confidence=None, flags=()) == PhotoVerdict()


def unknown(*flags: str) -> PhotoVerdict:
    """The verdict when nothing could be learned."""
    return PhotoVerdict(flags=flags)


def read_reply(text: str) -> VisionReply | None:
    """The typed answer, or None when form or type is wrong. Cheap on any input: the length is looked at first."""
    if len(text) > REPLY_CHARS_MAX:
        return None
    try:
        # Numbers like "1.0" and "1" both stand for a share; strict mode wants a float.
        return VisionReply.model_validate(_floats(json.loads(text)))
    except (ValueError, ValidationError, RecursionError):
        return None


def judge(reply: VisionReply, measure: PhotoMeasure) -> PhotoVerdict:
    """Apply every plausibility rule; a rule that fires resets its fields to unknown and adds its name as a flag."""
    verdict = PhotoVerdict(
        leaf_color=reply.leaf_color,
        wilting=reply.wilting,
        pest_signs=reply.pest_signs,
        fruit_count_est=reply.fruit_count_est,
        flower_count_est=reply.flower_count_est,
        stress_score=reply.stress_score,
        notes=" ".join(_NOTE_FORBIDDEN.sub(" ", reply.notes).split()),
        claimed_confidence=reply.confidence,
    )
    for flag, fires, correct in RULES:
        if fires(verdict, measure):
            verdict = replace(correct(verdict), flags=(*verdict.flags, flag))
    return verdict


def _all_unknown(verdict: PhotoVerdict) -> PhotoVerdict:
    return replace(PhotoVerdict(), claimed_confidence=verdict.claimed_confidence, flags=verdict.flags)


def _without_stress(verdict: PhotoVerdict) -> PhotoVerdict:
    return replace(verdict, stress_score=None)


def _without_counts(verdict: PhotoVerdict) -> PhotoVerdict:
    return replace(verdict, fruit_count_est=None, flower_count_est=None)


Rule = tuple[str, Callable[[PhotoVerdict, PhotoMeasure], bool], Callable[[PhotoVerdict], PhotoVerdict]]

RULES: tuple[Rule, ...] = (
    ("photo_unusable", lambda v, m: not m.usable, _all_unknown),
    ("no_plant_in_view", lambda v, m: m.usable and (m.canopy_fraction or 0.0) < CANOPY_MIN, _all_unknown),
    (
        "calm_but_ill",
        lambda v, m: (
            v.stress_score is not None
            and v.stress_score < 0.2
            and (v.wilting is True or v.pest_signs == "likely" or v.leaf_color in ("yellowing", "spots"))
        ),
        _without_stress,
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
        _without_stress,
    ),
    (
        "more_fruit_than_canopy",
        lambda v, m: (v.fruit_count_est or 0) + (v.flower_count_est or 0) > 20 and (m.canopy_fraction or 0.0) < 0.05,
        _without_counts,
    ),
)
"""Name, condition, correction."""


def _floats(raw: object) -> object:
    if isinstance(raw, dict):
        shares = ("stress_score", "confidence")
        return {k: float(v) if k in shares and type(v) is int and v in (0, 1) else v for k, v in raw.items()}
    return raw
