"""Photos for the public: only from cameras that may be shown, encoded anew from their pixels, under plain names.

A file is never copied: whatever a camera, an editor or a person put into it stays behind with the old file.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tomato_host.atomic_file import replace_file
from tomato_host.storage.picture_files import encode_anew

_NAME = re.compile(r"(?P<camera>[A-Za-z0-9_.\-]{1,48})_(?P<time>\d{6})(-[0-9a-f]{12})?\.(jpg|png)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
LARGEST_BYTES = 50_000_000
NO_ENCODER = "photos are encoded anew, which needs OpenCV: pip install 'tomato-host[camera]'"


class PublicImages(NamedTuple):
    """How many photos went out, how many stayed private, and why none could go out."""

    shown: int
    kept_back: int
    note: str = ""


def camera_of(path: Path) -> str:
    """The camera in a photo's name: `camera_main_093000.jpg` is from `camera_main`; empty for any other file."""
    match = _NAME.fullmatch(path.name)
    return match["camera"] if match else ""


def public_name(path: Path) -> str:
    """Camera and time alone: the digest in a private name would identify the original."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return f"{match['camera']}_{match['time']}.jpg"


def export_images(private: Path, public: Path, cameras: frozenset[str]) -> PublicImages:
    """Write the pictures of public cameras anew."""
    can_encode = importlib.util.find_spec("cv2") is not None
    kept_back = 0
    shown: set[Path] = set()
    for path in _photos(private):
        target = public / path.parent.name / public_name(path) if camera_of(path) in cameras and can_encode else None
        if target is None or target in shown or not _write_anew(path, target):
            kept_back += 1
            continue
        shown.add(target)
    for path in public.glob("*/*"):
        if path not in shown:
            path.unlink()
    return PublicImages(len(shown), kept_back, "" if can_encode or not kept_back else NO_ENCODER)


def _photos(private: Path) -> Iterator[Path]:
    for day in sorted(private.glob("*")):
        if _DAY.fullmatch(day.name) and day.is_dir() and not day.is_symlink():
            yield from (path for path in sorted(day.iterdir()) if path.is_file() and not path.is_symlink())


def _write_anew(path: Path, target: Path) -> bool:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            return False
        picture = encode_anew(path.read_bytes())
    except (OSError, ValueError):
        return False
    if not target.exists() or target.read_bytes() != picture:
        replace_file(target, picture, parents=True)
    return True
