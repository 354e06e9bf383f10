"""A grower's photo for the journal: decoded in a process of its own, stored as pixels alone.

What comes from a phone is somebody's file: it carries a place, and it may be made to break a decoder. So neither the
deciding loop nor the dashboard decodes it: a child with bounded memory and time does, and only its JPEG is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import resource
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError

CAMERA = "journal"
"""Stands where the name of a camera stands in the files of other photos."""
LARGEST_UPLOAD = 12_000_000
LONGEST_SIDE_PX = 2_000
"""A larger photo is scaled down: a screen shows no more, and a season of them has to fit a small disk."""
DECODING_S = 20.0
MEMORY_BYTES = 2_000_000_000


def stored_photo(data_dir: Path, data: bytes, taken: datetime) -> str:
    """Store the picture of `data` (JPEG or PNG) anew from its pixels; returns the SHA-256 (hex) of what is stored.

    `taken` (aware) names day and time of the file. Raises TomatoError E-JOURNAL-PHOTO for what is no picture or too
    large, E-EXTRA-CAMERA where OpenCV is not installed, E-STORAGE-WRITE.
    """
    if len(data) > LARGEST_UPLOAD:
        raise TomatoError(
            "E-JOURNAL-PHOTO", f"The photo is larger than {LARGEST_UPLOAD // 1_000_000} MB.", "send a smaller one"
        )
    picture = _encoded(data)
    digest = hashlib.sha256(picture).hexdigest()
    folder = data_dir / "private" / "images" / f"{taken:%Y-%m-%d}"
    try:
        replace_file(folder / f"{CAMERA}_{taken:%H%M%S}-{digest[:12]}.jpg", picture, parents=True)
    except OSError as error:
        text = f"The photo cannot be stored: {error.strerror or error}."
        raise TomatoError("E-STORAGE-WRITE", text, "make room on that disk, or allow writing there") from error
    return digest


def _encoded(data: bytes) -> bytes:
    if importlib.util.find_spec("cv2") is None:
        raise TomatoError("E-EXTRA-CAMERA", "Photos need OpenCV, which is not installed.", "pip install '.[camera]'")
    refused = TomatoError("E-JOURNAL-PHOTO", "This is no JPEG or PNG that can be read.", "send a JPEG or a PNG")
    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise refused
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tomato_host.storage.journal_photos"],
            input=data,
            capture_output=True,
            timeout=DECODING_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TomatoError(
            "E-JOURNAL-PHOTO",
            f"The photo could not be decoded within {DECODING_S:.0f} s: this machine is busy, or it is no photo.",
            "send it again, or a smaller one",
        ) from None
    if done.returncode != 0 or not done.stdout.startswith(b"\xff\xd8\xff"):
        raise refused
    return done.stdout


def main() -> int:
    """The child: a picture on standard input, the JPEG on standard output; exit code 1 for what is none."""
    from tomato_host.storage.picture_files import encode_anew

    with contextlib.suppress(ValueError, OSError):  # not every system bounds it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        picture = encode_anew(sys.stdin.buffer.read(), LONGEST_SIDE_PX)
    except (ValueError, MemoryError):
        return 1
    sys.stdout.buffer.write(picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
