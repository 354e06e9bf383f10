"""Draw the icons of the installed dashboard: PNG files in service/web/icons, from the shapes of icon.svg.

`--check` compares what is there, pixel by pixel. Nothing but numpy and zlib: a pixel is the mean of 16 samples.
"""

from __future__ import annotations

import argparse
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ICONS = Path(__file__).resolve().parents[1] / "host" / "tomato_host" / "service" / "web" / "icons"
PAPER, FRUIT, LEAF, WHITE = (251, 250, 246), (216, 64, 43), (63, 125, 44), (255, 255, 255)
SAMPLES = 4
Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]
SEPALS = ((0.0, 13.0), (-62.0, 17.0), (62.0, 17.0), (-112.0, 15.0), (112.0, 15.0))
"""Turn in degrees (0: up) and length of each leaf of the calyx, in units of a 64-unit picture."""


def fruit(x: Plane, y: Plane) -> Mask:
    """The tomato."""
    found: Mask = ((x - 32.0) / 20.5) ** 2 + ((y - 38.0) / 19.0) ** 2 <= 1.0
    return found


def calyx(x: Plane, y: Plane) -> Mask:
    """Five leaves from one point."""
    found = np.zeros(x.shape, dtype=bool)
    for degrees, length in SEPALS:
        turn = np.radians(degrees)
        along = (x - 32.0) * np.sin(turn) - (y - 21.0) * np.cos(turn)
        across = (x - 32.0) * np.cos(turn) + (y - 21.0) * np.sin(turn)
        share = np.clip(along / length, 0.0, 1.0)
        found |= (along >= 0.0) & (along <= length) & (np.abs(across) <= 4.4 * np.sqrt(share * (1.0 - share)) * 1.25)
    return found


def rounded(radius: float) -> Callable[[Plane, Plane], Mask]:
    """The square of 64 units with round corners."""

    def inside(x: Plane, y: Plane) -> Mask:
        dx = np.maximum(np.abs(x - 32.0) - (32.0 - radius), 0.0)
        dy = np.maximum(np.abs(y - 32.0) - (32.0 - radius), 0.0)
        found: Mask = dx**2 + dy**2 <= radius**2
        return found

    return inside


def picture(pixels: int, corner: float, size: float = 1.0, plain: bool = False) -> NDArray[np.uint8]:
    """RGBA of one icon. `size`: of the fruit, for icons that the system cuts; `plain`: white on nothing."""
    grid = (np.arange(pixels * SAMPLES) + 0.5) / (pixels * SAMPLES) * 64.0
    x, y = np.meshgrid(grid, grid)
    fx, fy = (x - 32.0) / size + 32.0, (y - 34.0) / size + 34.0
    ground = np.zeros(x.shape, dtype=bool) if plain else rounded(corner)(x, y)
    layers = ((ground, PAPER), (fruit(fx, fy), WHITE if plain else FRUIT), (calyx(fx, fy), WHITE if plain else LEAF))
    seen = np.zeros(x.shape, dtype=np.uint8)
    for number, (mask, _) in enumerate(layers, start=1):
        seen[mask] = number
    blocks = seen.reshape(pixels, SAMPLES, pixels, SAMPLES)
    samples = np.stack([np.count_nonzero(blocks == n + 1, axis=(1, 3)) for n in range(len(layers))], axis=-1)
    alpha = 255.0 * samples.sum(axis=-1, keepdims=True) / SAMPLES**2
    colour_sum = samples @ np.array([colour for _, colour in layers], dtype=np.float64) / SAMPLES**2
    colours = np.divide(colour_sum * 255.0, alpha, out=np.zeros_like(colour_sum), where=alpha > 0.0)
    return np.concatenate([colours, alpha], axis=2).round().astype(np.uint8)


def icons() -> dict[str, NDArray[np.uint8]]:
    """File name to pixels."""
    return {
        "icon-192.png": picture(192, 14.0),
        "icon-512.png": picture(512, 14.0),
        "maskable-512.png": picture(512, 0.0, size=0.72),
        "apple-180.png": picture(180, 0.0, size=0.85),
        "badge-96.png": picture(96, 0.0, plain=True),
    }


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The picture as a PNG file; each row is stored as the difference to the row above."""
    height, width, _ = pixels.shape
    above = np.vstack([np.zeros((1, width, 4), np.uint8), pixels[:-1]])
    rows = (pixels.astype(np.int16) - above).astype(np.uint8).reshape(height, width * 4)
    body = zlib.compress(b"".join(b"\2" + row.tobytes() for row in rows), 9)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I4s", len(part), kind) + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in chunks
    )


def read_png(content: bytes) -> NDArray[np.uint8]:
    """The pixels of a file that `png` wrote."""
    place, width, height, body = 8, 0, 0, b""
    while place < len(content):
        (length,), kind = struct.unpack(">I", content[place : place + 4]), content[place + 4 : place + 8]
        part = content[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height = struct.unpack(">II", part[:8])
        body += part if kind == b"IDAT" else b""
        place += length + 12
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * 4)[:, 1:]
    return np.cumsum(rows.reshape(height, width, 4), axis=0, dtype=np.uint8)


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a file is not what this script draws")
    check = parser.parse_args().check
    for name, pixels in icons().items():
        path = ICONS / name
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(pixels))
        elif not path.exists() or not np.array_equal(read_png(path.read_bytes()), pixels):
            print(f"{path} is out of date; run: python tools/make_icons.py", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
