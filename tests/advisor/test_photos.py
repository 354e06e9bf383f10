"""Cameras, what is kept of their photos, and what is not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError
from tomato_host.advisor.backends.chat import NoBackend
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.pipeline import WakeResources, run_wake
from tomato_host.advisor.settings import AdvisorSettings, CameraSettings
from tomato_host.advisor.vision.cameras import PhotoUnavailable, take_photo
from tomato_host.advisor.vision.measure import open_photo
from tomato_host.advisor.vision.photo_files import photo_path, stripped_jpeg
from tomato_host.storage.public_images import export_images

from tests.advisor.pictures import jpeg, plant, with_exif
from tests.advisor.wakes import TS, context

DATA = with_exif(jpeg(plant(1)))


@pytest.fixture
def snapshot_url() -> Iterator[str]:
    """A camera on loopback that serves one photo, and refuses every other path."""

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/snapshot" else 404)
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Camera)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_folder_gives_its_newest_photo(tmp_path: Path) -> None:
    camera = CameraSettings(name="cam", kind="folder", path=tmp_path)
    with pytest.raises(PhotoUnavailable, match="no photo in"):
        take_photo(camera)
    for number, name in enumerate(("b.jpg", "a.png", "c.txt")):
        (tmp_path / name).write_bytes(name.encode())
        os.utime(tmp_path / name, ns=(number * 10**9, number * 10**9))
    assert take_photo(camera).data == b"a.png"
    with pytest.raises(PhotoUnavailable, match="missing"):
        take_photo(CameraSettings(name="cam", kind="folder", path=tmp_path / "gone"))


def test_a_snapshot_comes_over_http(snapshot_url: str) -> None:
    assert take_photo(CameraSettings(kind="http", url=f"{snapshot_url}/snapshot")).data == DATA
    with pytest.raises(PhotoUnavailable, match="answered 404"):
        take_photo(CameraSettings(kind="http", url=f"{snapshot_url}/other"))
    with pytest.raises(PhotoUnavailable, match="ConnectError"):
        take_photo(CameraSettings(kind="http", url="http://127.0.0.1:9", timeout_s=1.0))


def test_a_camera_that_is_not_there_says_so() -> None:
    with pytest.raises(PhotoUnavailable, match="USB camera 63"):
        take_photo(CameraSettings(kind="usb", index=63))


def test_the_raspberry_pi_program_is_used_and_its_absence_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PhotoUnavailable, match="FileNotFoundError"):
        take_photo(CameraSettings(kind="rpicam"))
    program = tmp_path / "rpicam-still"
    program.write_text("#!/bin/sh\nprintf photo\n")
    program.chmod(0o755)
    assert take_photo(CameraSettings(kind="rpicam")).data == b"photo"


@pytest.mark.parametrize("raw", [{"kind": "folder"}, {"kind": "http"}, {"kind": "usb", "name": "../x"}])
def test_incomplete_cameras_are_refused(raw: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        CameraSettings.model_validate(raw)


def test_the_private_photo_is_untouched_and_neither_model_nor_public_sees_its_metadata(tmp_path: Path) -> None:
    """The model gets pixels encoded anew; the public track is made by the dataset export."""
    shots = tmp_path / "shots"
    shots.mkdir()
    (shots / "a.jpg").write_bytes(DATA)
    settings = AdvisorSettings(cameras=(CameraSettings(name="cam", kind="folder", path=shots),))
    records = list(
        run_wake(context(tasks=("vision",)), WakeResources(settings, tmp_path, NoBackend(), MemoryStore(None)))
    )
    digest = records[0].image_sha256  # type: ignore[attr-defined]
    private = photo_path(tmp_path, datetime.fromisoformat(TS), "cam", digest, ".jpg")
    assert private.read_bytes() == DATA and b"GPS" in DATA
    assert b"GPS" not in stripped_jpeg(open_photo(DATA))
    assert export_images(tmp_path / "private/images", tmp_path / "public/images", frozenset({"cam"})) == (1, 0, "")
    (public,) = (tmp_path / "public/images").rglob("*.jpg")
    assert b"GPS" not in public.read_bytes() and b"Exif" not in public.read_bytes()
    assert not list(tmp_path.rglob("*.part"))


def test_a_missing_photo_is_told_and_the_words_go_on(tmp_path: Path) -> None:
    settings = AdvisorSettings(cameras=(CameraSettings(name="cam", kind="folder", path=tmp_path),))
    records = list(
        run_wake(context(tasks=("vision", "summary")), WakeResources(settings, None, NoBackend(), MemoryStore(None)))
    )
    assert [r.name for r in records] == ["photo_missing", "summary"]  # type: ignore[attr-defined]


def test_the_chronicle_is_written_whole_and_says_who_wrote_it(tmp_path: Path) -> None:
    resources = WakeResources(AdvisorSettings(), tmp_path, NoBackend(), MemoryStore(None))
    (event,) = run_wake(context(tasks=("chronicle",)), resources)
    page = (tmp_path / "public" / "chronicle" / "2026-02-14.md").read_text()
    assert event.text in page and "a template" in page  # type: ignore[attr-defined]
