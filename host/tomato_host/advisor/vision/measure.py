"""The deterministic measure of one photo: canopy, green, yellow, solidity, and whether the photo can be used at all.

Canopy: Otsu's threshold (Otsu 1979, IEEE SMC 9:62) on a* of CIE Lab, dark side, as the green-red axis separates
leaves from soil under most light. It cannot count fruit, find pests or tell wilting from one photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PIXELS_MAX = 1_000_000
"""Photos are measured at one megapixel; more costs time and adds nothing to areas."""

DECODED_PIXELS_MAX = 64_000_000

A_NEUTRAL = 128.0
GREEN_MARGIN = 3.0
"""Otsu splits any picture in two; the dark side is a plant only when it is greener than grey by this much."""

SHARPNESS_MIN = 8.0
EXPOSURE_MIN, EXPOSURE_MAX = 0.06, 0.95
"""Mean luminance of 0..1; outside, the photo is black or burnt."""

SPECK_SHARE = 0.1
"""Islands smaller than this share of the largest one are specks, not leaves."""

HUE_GREEN = (35, 95)
HUE_YELLOW = (18, 34)
"""OpenCV hue counts in steps of two degrees: yellow 36..68 degrees, green 70..190."""

Pixels = NDArray[np.uint8]


class UnreadablePhoto(Exception):
    """These bytes cannot be decoded as a picture."""


@dataclass(frozen=True, slots=True)
class PhotoMeasure:
    """All shares are 0..1; canopy shares are None when the photo fails a gate or shows no plant."""

    usable: bool
    why_unusable: str | None
    sharpness: float
    exposure_mean: float
    canopy_fraction: float | None = None
    green_fraction: float | None = None
    yellow_fraction: float | None = None
    solidity: float | None = None
    canopy_height_fraction: float | None = None


def open_photo(data: bytes) -> Pixels:
    """Decode to BGR, upright as EXIF asks, at most one megapixel. Raises UnreadablePhoto."""
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as fault:
        raise UnreadablePhoto("the decoder refused it") from fault
    if decoded is None:
        raise UnreadablePhoto("no picture in these bytes")
    height, width = decoded.shape[:2]
    if height * width > DECODED_PIXELS_MAX or min(height, width) < 16:
        raise UnreadablePhoto(f"{width} x {height} pixels is not an accepted photo size")
    return shrink(np.asarray(decoded, np.uint8))


def shrink(pixels: Pixels, pixels_max: int = PIXELS_MAX) -> Pixels:
    """Scale down by area averaging until at most `pixels_max` remain."""
    height, width = pixels.shape[:2]
    factor = (pixels_max / (height * width)) ** 0.5
    if factor >= 1.0:
        return pixels
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def measure_photo(pixels: Pixels) -> PhotoMeasure:
    """Gate, then measure. Same pixels, same numbers."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    exposure = float(cv2.mean(grey)[0]) / 255.0
    sharpness = _sharpness(grey)
    why = gate(exposure, sharpness)
    if why is not None:
        return PhotoMeasure(False, why, sharpness, exposure)
    mask = canopy_mask(pixels)
    area = cv2.countNonZero(mask)
    if area == 0:
        return PhotoMeasure(True, None, sharpness, exposure, canopy_fraction=0.0)
    green, yellow = _colour_shares(pixels, mask, area)
    return PhotoMeasure(
        usable=True,
        why_unusable=None,
        sharpness=sharpness,
        exposure_mean=exposure,
        canopy_fraction=area / mask.size,
        green_fraction=green,
        yellow_fraction=yellow,
        solidity=_solidity(mask, area),
        canopy_height_fraction=cv2.boundingRect(mask)[3] / mask.shape[0],
    )


def gate(exposure_mean: float, sharpness: float) -> str | None:
    """Why a photo cannot be used, or None."""
    if exposure_mean < EXPOSURE_MIN:
        return "too dark"
    if exposure_mean > EXPOSURE_MAX:
        return "overexposed"
    if sharpness < SHARPNESS_MIN:
        return "blurred or empty"
    return None


def canopy_mask(pixels: Pixels) -> Pixels:
    """255 where the canopy is, else 0."""
    green_red = cv2.GaussianBlur(cv2.extractChannel(cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB), 1), (5, 5), 1.0)
    threshold, _ = cv2.threshold(green_red, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    cut = min(float(threshold), A_NEUTRAL - GREEN_MARGIN)
    _, mask = cv2.threshold(green_red, cut, 255, cv2.THRESH_BINARY_INV)
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _without_specks(np.asarray(opened, np.uint8))


def _without_specks(mask: Pixels) -> Pixels:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count <= 1:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = (areas >= SPECK_SHARE * areas.max()).astype(np.uint8) * 255
    kept[0] = 0
    return np.asarray(kept[labels], np.uint8)


def _sharpness(grey: Any) -> float:
    """Variance of the Laplacian after a light blur, which takes the sensor's noise out of the number."""
    calm = cv2.GaussianBlur(grey, (3, 3), 0)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(calm, cv2.CV_16S))
    return float(deviation[0][0]) ** 2


def _colour_shares(pixels: Pixels, mask: Pixels, area: int) -> tuple[float, float]:
    hsv = cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV)

    def share(hues: tuple[int, int]) -> float:
        band = cv2.inRange(hsv, np.array([hues[0], 40, 40]), np.array([hues[1], 255, 255]))
        return min(1.0, cv2.countNonZero(cv2.bitwise_and(band, mask)) / area)

    return share(HUE_GREEN), share(HUE_YELLOW)


def _solidity(mask: Pixels, area: int) -> float | None:
    """Canopy area over the area of its convex hull: leaves that hang leave more holes in the hull."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return None
    hull_area = float(cv2.contourArea(cv2.convexHull(np.vstack(outlines))))
    return min(1.0, area / hull_area) if hull_area > 0.0 else None
