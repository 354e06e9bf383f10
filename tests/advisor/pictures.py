"""Photos for tests: drawn plants, writing on them, black frames, broken files. All drawn here, none borrowed."""

from __future__ import annotations

import cv2
import numpy as np

GREEN, YELLOW, SOIL = (60, 160, 60), (40, 200, 210), (60, 70, 90)


def plant(seed: int = 0, *, leaf: tuple[int, int, int] = GREEN, size: int = 320, words: str = "") -> np.ndarray:
    """A top view of overlapping leaves on speckled soil; `words` are written across it."""
    rng = np.random.default_rng(seed)
    photo = np.full((size, size, 3), SOIL, np.uint8)
    photo = np.clip(photo + rng.normal(0, 18, photo.shape), 0, 255).astype(np.uint8)
    for _ in range(12):
        centre = tuple(int(v) for v in rng.integers(size // 3, 2 * size // 3, 2))
        axes = tuple(int(v) for v in rng.integers(size // 20, size // 6, 2))
        cv2.ellipse(photo, centre, axes, int(rng.integers(0, 180)), 0, 360, leaf, -1, cv2.LINE_AA)
    for line, text in enumerate(words.split("\n")):
        cv2.putText(photo, text, (8, 40 + 34 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2, cv2.LINE_AA)
    return photo


def jpeg(pixels: np.ndarray) -> bytes:
    """Encoded as a camera would."""
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def black(size: int = 320) -> np.ndarray:
    """The lamp is off."""
    return np.zeros((size, size, 3), np.uint8)


def with_exif(data: bytes) -> bytes:
    """The same JPEG with an EXIF block that names a place."""
    payload = b"Exif\x00\x00II*\x00\x08\x00\x00\x00GPS 48.2082N 16.3738E Vienna"
    return data[:2] + b"\xff\xe1" + (len(payload) + 2).to_bytes(2, "big") + payload + data[2:]
