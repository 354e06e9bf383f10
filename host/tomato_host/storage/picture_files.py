"""Pictures without what a camera writes into the file: place, time, maker, thumbnails. Pixels are untouched."""

from __future__ import annotations

_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB")
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


def strip_png(data: bytes) -> bytes:
    """A PNG with the chunks that make its picture and no other."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] in _KEPT_CHUNKS:
            out += data[at:end]
        at = end
    return bytes(out)
