"""Photos on disk and on the way to the model: the original stays private, a model sees pixels only, without writing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tomato_host.advisor.vision.measure import Pixels

JPEG_QUALITY = 90


def sha256_of(data: bytes) -> str:
    """The name of a photo everywhere."""
    return hashlib.sha256(data).hexdigest()


def stripped_jpeg(pixels: Pixels) -> bytes:
    """Encode anew from pixels: no EXIF, GPS, maker notes or thumbnails can survive that."""
    good, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not good:
        raise ValueError("these pixels cannot be encoded")
    return bytes(encoded.tobytes())


def photo_path(data_dir: Path, taken: datetime, source: str, digest: str, suffix: str) -> Path:
    """`<data>/private/images/YYYY-MM-DD/source_HHMMSS-digest.suffix`, time as in the record.

    The public track is made from these by `tomato-host dataset export`, which drops EXIF and the like.
    """
    name = f"{source}_{taken:%H%M%S}-{digest[:12]}{suffix}"
    return data_dir / "private" / "images" / f"{taken:%Y-%m-%d}" / name


def suffix_of(data: bytes) -> str:
    """By the first bytes; what the camera called it does not matter."""
    return ".png" if data.startswith(b"\x89PNG") else ".jpg"


SCORE_MIN = 0.5
COVER_GREY = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class CoveredPhoto:
    """What was read and the photo without it. `searched` is False when no OCR is installed."""

    searched: bool
    words: tuple[str, ...]
    covered: Pixels


def cover_writing(pixels: Pixels) -> CoveredPhoto:
    """Read the photo; every line of writing is replaced by a grey patch."""
    reader = _reader()
    if reader is None:
        return CoveredPhoto(False, (), pixels)
    found, _ = reader(pixels)
    covered = pixels.copy()
    words: list[str] = []
    for corners, text, score in found or ():
        if float(score) >= SCORE_MIN:
            words.append(str(text)[:80])
            cv2.fillPoly(covered, [np.asarray(corners, np.int32)], COVER_GREY)
    return CoveredPhoto(True, tuple(words), covered)


@lru_cache(maxsize=1)
def _reader() -> Any | None:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        return None
    return RapidOCR()
