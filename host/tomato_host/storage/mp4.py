"""Pictures to an MP4 (H.264), which every phone plays: by PyAV (extra [video]), else by the system's ffmpeg."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from tomato_host.errors import TomatoError

CODEC = "libx264"
QUALITY = "23"
"""Constant rate factor of x264; smaller is better and larger."""
LONGEST_S = 110.0


def has_encoder() -> bool:
    """Whether one of them is there."""
    return importlib.util.find_spec("av") is not None or shutil.which("ffmpeg") is not None


def require_encoder() -> None:
    """Raises TomatoError E-EXTRA-VIDEO where neither is there."""
    if not has_encoder():
        raise TomatoError(
            "E-EXTRA-VIDEO",
            "An MP4 needs an encoder, and neither PyAV nor ffmpeg is here.",
            "pip install '.[video]', or apt install ffmpeg; --out season.gif needs neither",
        )


def write_mp4(frames: Sequence[Any], target: Path, frame_ms: int, last_ms: int) -> bool:
    """Write the pictures (arrays of height, width, 3; blue first) each `frame_ms` long; False when it did not work.

    H.264 has even sides: an odd last row or column is cut off. The last picture is repeated for `last_ms`.
    """
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    held = max(1, round(last_ms / frame_ms))
    shown = [frame[:height, :width] for frame in (*frames[:-1], *[frames[-1]] * held)]
    if importlib.util.find_spec("av") is not None:
        return _by_av(shown, target, Fraction(1000, frame_ms))
    return _by_ffmpeg(shown, target, Fraction(1000, frame_ms))


def _by_av(frames: Sequence[Any], target: Path, rate: Fraction) -> bool:
    import av

    if CODEC not in av.codecs_available:
        return False
    height, width = frames[0].shape[:2]
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream(CODEC, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"crf": QUALITY}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(_contiguous(frame), format="bgr24")))
        file.mux(stream.encode(None))
    return True


def _contiguous(frame: Any) -> Any:
    import numpy as np

    return np.ascontiguousarray(frame)


def _by_ffmpeg(frames: Sequence[Any], target: Path, rate: Fraction) -> bool:
    program = shutil.which("ffmpeg")
    if program is None:
        return False
    height, width = frames[0].shape[:2]
    raw = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "-"]
    made = ["-c:v", CODEC, "-crf", QUALITY, "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-f", "mp4"]
    pixels = b"".join(_contiguous(frame).tobytes() for frame in frames)
    done = subprocess.run(
        [program, "-loglevel", "error", "-y", *raw, *made, str(target)],
        input=pixels, capture_output=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    return done.returncode == 0
