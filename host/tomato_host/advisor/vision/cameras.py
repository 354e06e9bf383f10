"""Where photos come from: a folder, an HTTP snapshot, a USB camera, the Raspberry Pi's camera."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from tomato_host.advisor.settings import CameraSettings

PHOTO_BYTES_MAX = 24 * 1024 * 1024
"""A larger file is refused."""

SUFFIXES = (".jpg", ".jpeg", ".png")


class PhotoUnavailable(Exception):
    """This camera gave no photo; the argument says why."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo as the camera gave it, still with everything a camera writes into a file."""

    source: str
    data: bytes


def take_photo(camera: CameraSettings) -> Photo:
    """One photo, or PhotoUnavailable within the camera's timeout."""
    data = _CAPTURE[camera.kind](camera)
    if not data:
        raise PhotoUnavailable(f"{camera.name}: an empty photo")
    if len(data) > PHOTO_BYTES_MAX:
        raise PhotoUnavailable(f"{camera.name}: {len(data)} bytes is more than {PHOTO_BYTES_MAX}")
    return Photo(camera.name, data)


def _from_folder(camera: CameraSettings) -> bytes:
    """The newest picture by change time, then by name."""
    if camera.path is None or not camera.path.is_dir():
        raise PhotoUnavailable(f"{camera.name}: folder {camera.path} is missing")
    found = [p for p in camera.path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    if not found:
        raise PhotoUnavailable(f"{camera.name}: no photo in {camera.path}")
    newest = max(found, key=lambda p: (p.stat().st_mtime_ns, p.name))
    with open(newest, "rb") as file:
        return file.read(PHOTO_BYTES_MAX + 1)


def _from_http(camera: CameraSettings) -> bytes:
    import httpx

    deadline = time.monotonic() + camera.timeout_s
    data = b""
    try:
        with httpx.stream("GET", str(camera.url), timeout=camera.timeout_s, trust_env=False) as response:
            if response.status_code != 200:
                raise PhotoUnavailable(f"{camera.name}: the camera answered {response.status_code}")
            for piece in response.iter_bytes(65_536):
                data += piece
                if len(data) > PHOTO_BYTES_MAX or time.monotonic() > deadline:
                    raise PhotoUnavailable(f"{camera.name}: too large or too slow")
    except (httpx.HTTPError, httpx.InvalidURL) as fault:
        raise PhotoUnavailable(f"{camera.name}: {type(fault).__name__}") from fault
    return data


def _from_usb(camera: CameraSettings) -> bytes:
    """The eighth frame: earlier ones are taken before exposure and white balance have settled."""
    cv2 = _opencv(camera)
    device = cv2.VideoCapture(camera.index)
    try:
        frame = None
        for _ in range(8):
            good, grabbed = device.read()
            frame = grabbed if good else frame
        if frame is None:
            raise PhotoUnavailable(f"{camera.name}: USB camera {camera.index} gives no picture")
        return bytes(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
    finally:
        device.release()


def _from_rpicam(camera: CameraSettings) -> bytes:
    argv = ["rpicam-still", "--camera", str(camera.index), "--nopreview", "--immediate", "--encoding", "jpg", "-o", "-"]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=camera.timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise PhotoUnavailable(f"{camera.name}: rpicam-still: {type(fault).__name__}") from fault
    if done.returncode != 0:
        raise PhotoUnavailable(f"{camera.name}: rpicam-still ended with {done.returncode}")
    return done.stdout


def _opencv(camera: CameraSettings):  # type: ignore[no-untyped-def]  # OpenCV ships no usable types
    try:
        import cv2
    except ImportError as fault:
        raise PhotoUnavailable(f"{camera.name}: OpenCV is missing (pip install '.[camera]')") from fault
    return cv2


_CAPTURE: dict[str, Callable[[CameraSettings], bytes]] = {
    "folder": _from_folder,
    "http": _from_http,
    "usb": _from_usb,
    "rpicam": _from_rpicam,
}
