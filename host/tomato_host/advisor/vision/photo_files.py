"""Photos on disk and on the way to the model: the original stays private, what is shown to a model is pixels only."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import cv2

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
