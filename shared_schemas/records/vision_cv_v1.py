"""vision_cv_v1: what a plain, deterministic measurement sees in one photo."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Fraction, Identifier, Record, ShortText


class VisionCvV1(Record):
    """The deterministic measure of the same photo; null where the photo fails a gate.

    Example:
        {"schema_version": "vision_cv_v1", "ts": "2026-02-14T10:00:00+01:00", "source": "camera_main",
         "canopy_fraction": 0.41, "green_fraction": 0.93, "yellow_fraction": 0.04, "solidity": 0.71,
         "sharpness": 182.0, "exposure_mean": 0.46, "usable": true}
    """

    schema_version: Literal["vision_cv_v1"]
    source: Identifier
    canopy_fraction: Fraction | None
    green_fraction: Fraction | None
    yellow_fraction: Fraction | None
    solidity: Fraction | None
    sharpness: Annotated[FiniteFloat, Field(ge=0.0)]
    exposure_mean: Fraction
    usable: bool
    why_unusable: ShortText | None = None
    canopy_height_fraction: Fraction | None = None
    """Height of the canopy's bounding box over the frame's; against the same camera's past it hints at drooping."""
    image_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
