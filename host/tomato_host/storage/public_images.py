"""Photos for the public: only from cameras that may be shown, and without the data hidden in the file."""

from __future__ import annotations

from pathlib import Path

from tomato_host.atomic_file import replace_file
from tomato_host.storage.picture_files import strip_jpeg


def camera_of(path: Path) -> str:
    """The camera in a photo's name: `camera_main_093000.jpg` is from `camera_main`."""
    return path.stem.rsplit("_", 1)[0]


def export_images(private: Path, public: Path, cameras: frozenset[str]) -> tuple[int, int]:
    """Copy stripped photos of public cameras; returns how many went out and how many stayed private."""
    kept_back = 0
    shown: set[Path] = set()
    for path in sorted(private.glob("*/*.jpg")):
        try:
            if camera_of(path) not in cameras:
                raise ValueError("not a public camera")
            picture = strip_jpeg(path.read_bytes())
        except ValueError:
            kept_back += 1
            continue
        target = public / path.parent.name / path.name
        if not target.exists() or target.read_bytes() != picture:
            replace_file(target, picture, parents=True)
        shown.add(target)
    for path in public.glob("*/*.jpg"):
        if path not in shown:
            path.unlink()
    return len(shown), kept_back
