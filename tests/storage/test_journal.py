"""The journal in the dataset: the last version counts, private unless asked for; photos as pixels alone, and moving."""

from __future__ import annotations

import importlib.util
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tomato_host.errors import TomatoError
from tomato_host.storage import journal_photos
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.journal_entries import read_entries, totals
from tomato_host.storage.journal_photos import stored_photo
from tomato_host.storage.public import export_public
from tomato_host.storage.time_lapse import (
    FRAME_MS,
    LAST_FRAME_MS,
    StoredPhoto,
    formats,
    frames,
    stored_photos,
    time_lapse,
    write_animation,
)
from tomato_host.storage.verify import verify

from shared_schemas.records import JournalV1

BEGIN = datetime(2026, 5, 1, 9, 0, tzinfo=UTC)


def entry(number: int, days: float = 0.0, **fields: Any) -> JournalV1:
    base = {"schema_version": "journal_v1", "ts": BEGIN + timedelta(days=days), "id": f"j-{number}", "by": "ana"}
    return JournalV1.model_validate({**base, "kind": "note", **fields})


@pytest.fixture
def written(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path / "data") as dataset:
        for record in (
            entry(1, kind="task", task="planted"),
            entry(2, 40, kind="harvest", harvest_g=300.0, fruit_count=4, plant="left"),
            entry(3, 41, kind="harvest", harvest_g=999.0),
            entry(4, 20, text="Ana lives in the Example Street 5"),
            entry(3, 41, kind="harvest", harvest_g=200.0, fruit_count=3),
            entry(5, 30, kind="task", task="fed", feed_ml=500.0),
            entry(4, 20, withdrawn=True),
            entry(6, 42, text="Sweet."),
        ):
            dataset.append(record)
    return tmp_path / "data"


def test_the_last_version_of_an_entry_counts_and_the_dataset_stays_in_order(written: Path) -> None:
    rows = read_entries(written).rows()
    assert [one["id"] for one in rows] == ["j-1", "j-5", "j-2", "j-3", "j-6"], "by time, without what was withdrawn"
    found = totals(rows, date(2026, 6, 12))
    assert (found.harvest_g, found.fruit_count, found.harvests, found.feed_ml) == (500.0, 7, 2, 500.0)
    assert (found.begun, found.day, found.tasks) == (date(2026, 5, 1), 43, {"planted": 1, "fed": 1})
    assert totals(rows, date(2026, 4, 30)).day is None, "before it was planted there is no day"
    checked = verify(written)
    assert checked.ok and checked.records == 8


def test_the_journal_is_published_by_choice_alone(written: Path) -> None:
    def published() -> list[dict[str, Any]]:
        files = sorted((written / "public").glob("journal_public_*.jsonl"))
        return [json.loads(line)["record"] for path in files for line in path.read_text().splitlines()]

    export_public(written)
    assert published() == []
    export_public(written, journal=True)
    shown = published()
    assert [one["harvest_g"] for one in shown if one["kind"] == "harvest"] == [300.0, 999.0, 200.0]
    text = json.dumps(shown)
    assert "Example Street" not in text and "ana" not in text and "left" not in text
    export_public(written)
    assert published() == [], "a later export without it takes it back"


def photo(width: int = 60, height: int = 40, shade: int = 120) -> bytes:
    """A JPEG with a place in it, as a phone writes it."""
    cv2 = pytest.importorskip("cv2", reason="pip install '.[camera]'")
    np = pytest.importorskip("numpy")
    plain = cv2.imencode(".jpg", np.full((height, width, 3), shade, np.uint8))[1].tobytes()
    body = b"Exif\0\0GPSLatitude 48.2082"
    return bytes(plain[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:])


def test_a_photo_is_stored_as_pixels_alone_and_no_larger_than_a_screen_shows(tmp_path: Path) -> None:
    import cv2

    data = photo(4_000, 1_000)
    assert b"GPSLatitude" in data
    digest = stored_photo(tmp_path, data, BEGIN)
    (path,) = (tmp_path / "private" / "images" / "2026-05-01").iterdir()
    assert path.name == f"journal_090000-{digest[:12]}.jpg"
    assert b"GPSLatitude" not in path.read_bytes() and b"Exif" not in path.read_bytes()
    pixels = cv2.imread(str(path))
    assert pixels is not None and pixels.shape[:2] == (500, 2_000)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff\xe0rubbish", b"\x89PNG\r\n\x1a\n" + b"\0" * 64])
def test_what_is_no_picture_is_refused_and_leaves_nothing(tmp_path: Path, data: bytes) -> None:
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    with pytest.raises(TomatoError) as refused:
        stored_photo(tmp_path, data, BEGIN)
    assert refused.value.code == "E-JOURNAL-PHOTO" and not list(tmp_path.rglob("*.jpg"))


def test_a_photo_that_is_too_large_is_not_decoded_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_photos, "LARGEST_UPLOAD", 100)
    with pytest.raises(TomatoError, match="larger than"):
        stored_photo(tmp_path, b"\xff\xd8\xff" + b"\0" * 100, BEGIN)


def time_lapse_photos(data_dir: Path, width: int, height: int, count: int) -> None:
    for number in range(count):
        stored_photo(data_dir, photo(width, height, 40 + 20 * number), BEGIN + timedelta(hours=number))


def boxes(data: bytes) -> dict[bytes, bytes]:
    """The outer boxes of an MP4 (ISO/IEC 14496-12) in their order."""
    found, at = {}, 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found[data[at + 4 : at + 8]] = data[at : at + size]
        at += size
    return found


def hide_av(monkeypatch: pytest.MonkeyPatch) -> None:
    has = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else has(name))


ENCODERS = ("av", "ffmpeg")


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_time_lapse_is_a_film_that_phones_play(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2 = pytest.importorskip("cv2", reason="pip install '.[camera]'")
    if encoder == "av":
        pytest.importorskip("av", reason="pip install '.[video]'")
    elif shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not here (apt install ffmpeg)")
    else:
        hide_av(monkeypatch)
    time_lapse_photos(tmp_path, 61, 41, 6)
    paths = [one.path for one in stored_photos(tmp_path)]
    target = tmp_path / "film.mp4"
    assert write_animation(paths, target)
    parts = boxes(target.read_bytes())
    order = list(parts)
    assert order[0] == b"ftyp" and order.index(b"moov") < order.index(b"mdat"), "it plays as it loads"
    assert b"avc1" in parts[b"moov"], "H.264"
    film = cv2.VideoCapture(str(target))
    shades = []
    while True:
        going_on, frame = film.read()
        if not going_on:
            break
        assert frame.shape[:2] == (40, 60), "odd sides are cut"
        shades.append(int(frame.mean()))
    held = round(LAST_FRAME_MS / FRAME_MS)
    assert shades[:6] == pytest.approx([40, 60, 80, 100, 120, 140], abs=6) and len(shades) == 5 + held
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(1000 / FRAME_MS, rel=0.01)


@pytest.mark.parametrize("kind", ["mp4", "gif", "webp"])
def test_pictures_of_one_pixel_are_a_film_as_well(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    if kind == "mp4" and importlib.util.find_spec("av") is None and shutil.which("ffmpeg") is None:
        pytest.skip("no encoder of MP4 is here")
    time_lapse_photos(tmp_path, 1, 1, 2)
    assert time_lapse(tmp_path, 7.0, kind)


def test_without_an_encoder_the_error_names_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    time_lapse_photos(tmp_path, 60, 40, 2)
    hide_av(monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(TomatoError, match="E-EXTRA-VIDEO") as refused:
        time_lapse(tmp_path, 7.0, "mp4")
    assert "ffmpeg" in str(refused.value) and ".[video]" in str(refused.value)
    assert formats() == ("webp", "gif"), "the page offers what can be made"
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert formats() == ("webp", "gif", "mp4")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert formats() == ()


def taken(camera: str, day: int, hour: int) -> StoredPhoto:
    return StoredPhoto(Path(f"{camera}-{day}-{hour}"), camera, datetime(2026, 5, 1) + timedelta(days=day, hours=hour))


def test_frames_are_of_one_camera_and_over_weeks_one_a_day_nearest_to_noon() -> None:
    every = [taken("main", day, hour) for day in range(40) for hour in (6, 11, 20)]
    every += [taken("journal", day, 9) for day in range(40)]
    every.sort(key=lambda one: one.taken)
    season = frames(every, 400.0)
    assert {one.camera for one in season} == {"main"} and [one.taken.hour for one in season] == [11] * 40
    week = frames(every, 7.0)
    assert len(week) == 3 * 7 + 1 and week[-1].taken.day == every[-1].taken.day
    assert {one.camera for one in frames(every, 400.0, "journal")} == {"journal"}
    few = frames(every, 400.0, most=5)
    assert len(few) == 5 and (few[0], few[-1]) == (season[0], season[-1]), "thinned evenly, both ends kept"
    assert frames([], 7.0) == []


def test_photos_become_a_moving_picture_that_is_kept(tmp_path: Path) -> None:
    import cv2

    if not hasattr(cv2, "imwriteanimation"):
        pytest.skip("OpenCV 4.11 or later writes animations")
    assert time_lapse(tmp_path, 7.0) is None, "nothing to show"
    for number, shade in enumerate((20, 120, 230)):
        stored_photo(tmp_path, photo(60, 40 + number, shade), BEGIN + timedelta(days=number))
    assert len(stored_photos(tmp_path)) == 3
    moving = time_lapse(tmp_path, 7.0)
    assert moving is not None and moving[:4] == b"RIFF" and moving[8:12] == b"WEBP" and moving.count(b"ANMF") == 3
    gif = time_lapse(tmp_path, 7.0, "gif")
    assert gif is not None and gif.startswith(b"GIF8")
    (kept,) = (tmp_path / "cache" / "time_lapse").glob("*.webp")
    before = kept.stat().st_mtime_ns
    assert time_lapse(tmp_path, 7.0) == moving and kept.stat().st_mtime_ns == before
