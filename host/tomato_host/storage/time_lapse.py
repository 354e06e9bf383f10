"""A time-lapse of the stored photos: one camera, evenly spaced moments, encoded in a process of its own.

OpenCV (extra [camera]) writes the animation, `mp4.py` the film. They and numpy stay out of the dashboard, so a child
makes it; the result is kept until a newer photo comes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import re
import subprocess
import sys
import threading
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tomato_host.atomic_file import make_directory
from tomato_host.errors import TomatoError
from tomato_host.storage.mp4 import has_encoder, require_encoder, write_mp4

SPANS_D: dict[str, float] = {"week": 7.0, "season": 400.0}
FORMATS = {"webp": "image/webp", "gif": "image/gif", "mp4": "video/mp4"}
MOST_FRAMES = 90
FRAME_MS = 110
LAST_FRAME_MS = 1_600
LONGEST_SIDE_PX = 720
LEAST_SIDE_PX = 16
"""Smaller pictures stand in a grey frame: an encoder of H.264 refuses a side of a pixel or two."""
ENCODING_S = 120.0
_NAME = re.compile(r"(?P<camera>[A-Za-z0-9_.\-]{1,48})_(?P<time>\d{6})(-[0-9a-f]{12})?\.(jpg|png)")
_one_at_a_time = threading.Lock()


class StoredPhoto(NamedTuple):
    """A photo on disk; `taken` is the local time in its name."""

    path: Path
    camera: str
    taken: datetime


def stored_photos(data_dir: Path) -> list[StoredPhoto]:
    """Every photo of the dataset, oldest first."""
    found = []
    for path in (data_dir / "private" / "images").glob("????-??-??/*"):
        match = _NAME.fullmatch(path.name)
        if match is not None and path.is_file() and not path.is_symlink():
            taken = datetime.strptime(f"{path.parent.name} {match['time']}", "%Y-%m-%d %H%M%S")
            found.append(StoredPhoto(path, match["camera"], taken))
    return sorted(found, key=lambda one: one.taken)


def frames(photos: list[StoredPhoto], days: float, camera: str = "", most: int = MOST_FRAMES) -> list[StoredPhoto]:
    """The photos of one camera (that with the most, unless named) in the last `days`, evenly thinned to `most`.

    Over more than two weeks one photo a day is shown, the one nearest to noon, so that the light is the same.
    """
    if not photos:
        return []
    recent = [one for one in photos if one.taken >= photos[-1].taken - timedelta(days=days)]
    chosen = camera or Counter(one.camera for one in recent).most_common(1)[0][0]
    picked = [one for one in recent if one.camera == chosen]
    if picked and picked[-1].taken - picked[0].taken > timedelta(days=14):
        by_day: dict[object, StoredPhoto] = {}
        for one in picked:
            best = by_day.get(one.taken.date())
            if best is None or _from_noon(one) < _from_noon(best):
                by_day[one.taken.date()] = one
        picked = list(by_day.values())
    if len(picked) <= most:
        return picked
    return [picked[round(i * (len(picked) - 1) / (most - 1))] for i in range(most)]


def _from_noon(one: StoredPhoto) -> float:
    return abs((one.taken - one.taken.replace(hour=12, minute=0, second=0)).total_seconds())


def time_lapse(data_dir: Path, days: float, kind: str = "webp", camera: str = "") -> bytes | None:
    """The animation of the last `days` as WebP, GIF or MP4; None with fewer than two photos.

    Raises TomatoError E-EXTRA-CAMERA without OpenCV, E-EXTRA-VIDEO without an encoder of MP4, E-JOURNAL-LAPSE when it
    cannot be encoded.
    """
    picked = frames(stored_photos(data_dir), days, camera)
    if len(picked) < 2:
        return None
    if importlib.util.find_spec("cv2") is None:
        raise TomatoError("E-EXTRA-CAMERA", "A time-lapse needs OpenCV.", "pip install '.[camera]'")
    if kind == "mp4":
        require_encoder()
    names = "\n".join(str(one.path) for one in picked)
    folder = data_dir / "cache" / "time_lapse"
    path = folder / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.{kind}"
    with _one_at_a_time:
        if not path.exists():
            make_directory(folder)
            for old in sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)[:-4]:
                old.unlink()
            _encode(names, path)
        return path.read_bytes()


def formats() -> tuple[str, ...]:
    """The formats that can be made on this machine; none without OpenCV."""
    if importlib.util.find_spec("cv2") is None:
        return ()
    return tuple(kind for kind in FORMATS if kind != "mp4" or has_encoder())


def _encode(names: str, path: Path) -> None:
    failed = TomatoError(
        "E-JOURNAL-LAPSE",
        "The time-lapse cannot be encoded.",
        "WebP and GIF need OpenCV 4.11 or later, an MP4 an encoder of H.264: pip install '.[camera,video]'",
    )
    draft = path.with_name(f".{path.name}{path.suffix}")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tomato_host.storage.time_lapse", str(draft)],
            input=names,
            text=True,
            capture_output=True,
            timeout=ENCODING_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise failed from None
    if done.returncode != 0 or not draft.exists():
        raise failed
    draft.replace(path)


def write_animation(paths: list[Path], target: Path) -> bool:
    """Write the pictures, each fitted into the frame of the first, as one animation; False when there is no encoder."""
    import cv2
    import numpy as np

    found = []
    size: tuple[int, int] | None = None
    for path in paths:
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            continue
        if size is None:
            share = min(1.0, LONGEST_SIDE_PX / max(pixels.shape[:2]))
            width, height = (max(LEAST_SIDE_PX, round(pixels.shape[axis] * share)) for axis in (1, 0))
            size = (width, height)
        found.append(_fitted(cv2, np, pixels, size))
    if len(found) < 2:
        return False
    if target.suffix == ".mp4":
        return write_mp4(found, target, FRAME_MS, LAST_FRAME_MS)
    if not hasattr(cv2, "imwriteanimation"):
        return False
    animation = cv2.Animation()
    animation.frames = found
    animation.durations = [FRAME_MS] * (len(found) - 1) + [LAST_FRAME_MS]
    return bool(cv2.imwriteanimation(str(target), animation, [cv2.IMWRITE_WEBP_QUALITY, 72]))


def _fitted(cv2: Any, np: Any, pixels: Any, size: tuple[int, int]) -> Any:
    """The picture scaled into `size` (width, height), with grey where its shape differs."""
    width, height = size
    share = min(width / pixels.shape[1], height / pixels.shape[0])
    inner = cv2.resize(
        pixels,
        (max(1, round(pixels.shape[1] * share)), max(1, round(pixels.shape[0] * share))),
        interpolation=cv2.INTER_AREA,
    )
    frame = np.full((height, width, 3), 32, np.uint8)
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    frame[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return frame


def main() -> int:
    """The child: paths on standard input, one a line; the animation goes to the file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("target", type=Path)
    target = parser.parse_args().target
    return 0 if write_animation([Path(line) for line in sys.stdin.read().splitlines()], target) else 1


if __name__ == "__main__":
    raise SystemExit(main())
