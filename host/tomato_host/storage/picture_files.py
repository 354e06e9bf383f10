"""Pictures without what a camera, an editor or a person put into the file.

For the public a picture is encoded anew from its pixels: a list of segments to drop is never complete (comments
between progressive scans, thumbnails in APP0 extensions, a second picture behind the end, bytes in unused tables). The
dashboard, whose readers are the grower's own, works without OpenCV: there the known segments are dropped.
"""

from __future__ import annotations

_KEPT_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"sRGB")
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_DROPPED = {0xFE, *range(0xE0, 0xF0)}
"""Comment and application segments (EXIF with place and device, XMP, thumbnails, vendor data)."""
_PLAIN_JFIF = 14
"""Bytes of a JFIF header without a thumbnail."""
JPEG_QUALITY = 92
_MOST_PIXELS = 50_000_000


def encode_anew(data: bytes, longest_side_px: int | None = None) -> bytes:
    """The same picture as a JPEG made from its pixels alone, upright. Raises ValueError when it is no JPEG or PNG.

    With `longest_side_px` a larger one is scaled down.
    Needs OpenCV (extra [camera]). Where a PNG is transparent, the colour below goes out as black.
    """
    import cv2
    import numpy as np

    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise ValueError("neither a JPEG nor a PNG")
    try:
        if data.startswith(b"\x89PNG"):
            data = strip_png(data)
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _reading(cv2, data))
        if pixels is None or pixels.shape[0] * pixels.shape[1] > _MOST_PIXELS:
            raise ValueError("no picture in these bytes")
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            hidden = pixels[:, :, 3] == 0
            pixels = pixels[:, :, :3].copy()
            pixels[hidden] = 0
        if longest_side_px is not None and max(pixels.shape[:2]) > longest_side_px:
            share = longest_side_px / max(pixels.shape[:2])
            pixels = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        good, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except cv2.error as error:
        raise ValueError("the decoder refused these bytes") from error
    if not good:
        raise ValueError("these pixels cannot be encoded")
    return bytes(encoded.tobytes())


def _reading(cv2: object, data: bytes) -> int:
    """Colour, upright as EXIF asks; of a PNG with transparency the alpha too."""
    has_alpha = data.startswith(b"\x89PNG") and len(data) > 25 and data[24] == 8 and data[25] in (4, 6)
    name = "IMREAD_UNCHANGED" if has_alpha else "IMREAD_COLOR"
    return int(getattr(cv2, name))


def strip_jpeg(data: bytes) -> bytes:
    """The same picture without metadata; pixels are untouched. Raises ValueError when it is no JPEG.

    Every segment is looked at up to the end of the picture, those between the scans of a progressive one as well.
    """
    if data[:2] != b"\xff\xd8":
        raise ValueError("not a JPEG")
    out = bytearray(data[:2])
    at, scans, has_header = 2, 0, False
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            raise ValueError("a JPEG segment does not begin where it should")
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == 0xD9 and scans:
            return bytes(out + b"\xff\xd9")
        if marker in _STANDALONE:
            at += 2
            continue
        end = _segment_end(data, at)
        if marker == 0xDA:
            scans += 1
            end = _scan_end(data, end)
        is_header = not (scans or has_header) and _is_plain_header(data[at:end])
        if marker not in _DROPPED or is_header:
            out += data[at:end]
            has_header = has_header or is_header
        at = end
    if not scans:
        raise ValueError("the JPEG ends before its picture")
    return bytes(out)


def _segment_end(data: bytes, at: int) -> int:
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    if length < 2 or at + 2 + length > len(data):
        raise ValueError("a JPEG segment is longer than the file")
    return at + 2 + length


def _scan_end(data: bytes, at: int) -> int:
    """Behind coded picture data: the next marker that is neither a stuffed byte nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            return len(data)
        if data[at + 1] != 0 and data[at + 1] not in _STANDALONE:
            return at
        at += 2


def _is_plain_header(segment: bytes) -> bool:
    """The JFIF header, without a thumbnail; only the first one is kept."""
    body = segment[4:]
    return segment[1] == 0xE0 and body.startswith(b"JFIF\0") and len(body) <= _PLAIN_JFIF


def strip_png(data: bytes) -> bytes:
    """A PNG with the chunks that make its picture and no other."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind in _KEPT_CHUNKS:
            out += data[at:end]
        at = end
        if kind == b"IEND":
            break
    return bytes(out)
