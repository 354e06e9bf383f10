"""vision_v1: what a vision-language model says of one photo."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Fraction, Identifier, Listed, Part, Record, ShortText


class ModelProvenance(Part):
    """Which model, prompt and grammar wrote a text or judgement, and what it cost."""

    model_hash: Identifier
    prompt_hash: Identifier
    grammar_hash: Identifier | None = None
    runtime: ShortText = ""
    seed: int | None = None
    prompt_tokens: Annotated[int, Field(ge=0)] | None = None
    completion_tokens: Annotated[int, Field(ge=0)] | None = None
    duration_s: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    first_token_s: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    prompt: ShortText = ""
    """Name and version of the prompt file, such as `vision@1`."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 1


class VisionV1(Record):
    """The model's word on one photo. Null means: a picture may not tell. `confidence` is ours, from history.

    Example:
        {"schema_version": "vision_v1", "ts": "2026-02-14T10:00:00+01:00", "leaf_color": "green",
         "wilting": false, "pest_signs": "none", "fruit_count_est": 3, "flower_count_est": null,
         "stress_score": 0.1, "notes": "dense canopy", "confidence": 0.4}
    """

    schema_version: Literal["vision_v1"]
    leaf_color: Literal["green", "yellowing", "spots", "unknown"]
    wilting: bool | None
    pest_signs: Literal["none", "possible", "likely", "unknown"]
    fruit_count_est: Annotated[int, Field(ge=0, le=500)] | None
    flower_count_est: Annotated[int, Field(ge=0, le=500)] | None
    stress_score: Fraction | None
    notes: ShortText
    confidence: Fraction
    source: Identifier | None = None
    image_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    model_confidence: Fraction | None = None
    """What the model claims of itself; kept for evaluation, used for nothing."""
    flags: Annotated[tuple[str, ...], Listed] = ()
    provenance: ModelProvenance | None = None
