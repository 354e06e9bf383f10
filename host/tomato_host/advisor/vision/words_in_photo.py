"""Finds writing in a photo, when the optional OCR extra is there, and paints it over before a model sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from tomato_host.advisor.vision.measure import Pixels

SCORE_MIN = 0.5
COVER_GREY = (128, 128, 128)


@dataclass(frozen=True, slots=True)
class Writing:
    """What was read and the photo without it. `searched` is False when no OCR is installed."""

    searched: bool
    words: tuple[str, ...]
    covered: Pixels


def cover_writing(pixels: Pixels) -> Writing:
    """Read the photo; every line of writing is replaced by a grey patch."""
    reader = _reader()
    if reader is None:
        return Writing(False, (), pixels)
    found, _ = reader(pixels)
    covered = pixels.copy()
    words: list[str] = []
    for corners, text, score in found or ():
        if float(score) >= SCORE_MIN:
            words.append(str(text)[:80])
            cv2.fillPoly(covered, [np.asarray(corners, np.int32)], COVER_GREY)
    return Writing(True, tuple(words), covered)


@lru_cache(maxsize=1)
def _reader() -> Any | None:
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        return None
    return RapidOCR()
