"""Photos for the public: only from cameras that may be shown, and without the data hidden in the file."""

from __future__ import annotations

from pathlib import Path

from tomato_host.storage.appender import replace_file

_STANDALONE = {0x01, *range(0xD0, 0xDA)}
_DROPPED = {0xFE, *range(0xE1, 0xF0)}
"""Comment and application segments (EXIF with place and device, XMP, vendor data); APP0 is the plain JFIF header."""


def strip_jpeg(data: bytes) -> bytes:
    """The same picture without metadata; pixels are untouched. Raises ValueError when it is no JPEG."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("not a JPEG")
    out = bytearray(data[:2])
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("a JPEG segment does not begin where it should")
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in _STANDALONE:
            out += data[at : at + 2]
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            raise ValueError("a JPEG segment is longer than the file")
        if marker == 0xDA:
            return bytes(out + _to_the_end_of_picture(data[at:]))
        if marker not in _DROPPED:
            out += data[at : at + 2 + length]
        at += 2 + length
    raise ValueError("the JPEG ends before its picture")


def _to_the_end_of_picture(scan: bytes) -> bytes:
    """Coded picture data never holds the end marker, so its first one is the end; some cameras hide more behind."""
    end = scan.find(b"\xff\xd9")
    return scan if end < 0 else scan[: end + 2]


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
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != picture:
            replace_file(target, picture)
        shown.add(target)
    for path in public.glob("*/*.jpg"):
        if path not in shown:
            path.unlink()
    return len(shown), kept_back
