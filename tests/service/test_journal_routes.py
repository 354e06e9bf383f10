"""The journal over HTTP: who may write, what comes back, photos beyond the usual body, and the season as a page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tomato_host.commands.inbox import Inbox, Reply
from tomato_host.service.bus.serve import _record
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.season_report import report_page, season_figures
from tomato_host.service.security import LARGEST_BODY, PHOTO_PATH
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile
from tomato_host.storage.journal_photos import LARGEST_UPLOAD
from tomato_host.storage.time_lapse import formats

from tests.service.test_api import example
from tests.storage.test_journal import photo

NOW = datetime(2026, 7, 4, 12, 0, tzinfo=UTC)


class RecordingHost(threading.Thread):
    """Records entries as the deciding loop does: what it has recorded comes back by the feed."""

    def __init__(self, data_dir: Path, history: History) -> None:
        super().__init__(daemon=True)
        self._inbox, self._history, self._over = Inbox(data_dir), history, threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.002):
            for request in self._inbox.pop_requests():
                assert request.journal is not None
                self._history.add(json.loads(request.journal.to_json()))
                self._inbox.reply(Reply(id=request.id, ok=True, text=f"recorded as {request.journal.id}"))

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    live, history = LiveState(), History(tmp_path, {"light": 90.0})
    live.connected = True
    live.update(json.dumps({"status": {"now": NOW.isoformat(), "link": "up", "mode": "NORMAL"}}).encode())
    live.update(json.dumps({"record": example("targets_v1")}).encode())
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    host = RecordingHost(tmp_path, history)
    host.start()
    with TestClient(create_app(live, history, limits, tmp_path)) as made:
        yield made
    host.stop()


@pytest.fixture
def key(tmp_path: Path) -> dict[str, str]:
    return {"Authorization": f"Bearer {TokenFile(tmp_path).create('ana', 'operate')}"}


def ago(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def test_an_entry_is_written_corrected_and_withdrawn(client: TestClient, key: dict[str, str]) -> None:
    planted = {"kind": "task", "task": "planted", "ts": ago(30)}
    assert client.post("/api/journal", json=planted).status_code == 401, "nobody is signed in"
    assert client.post("/api/journal", json=planted, headers=key).status_code == 200
    added = client.post("/api/journal", json={"kind": "harvest", "harvest_g": 50.0, "ts": ago(1)}, headers=key).json()
    fixed = {"kind": "harvest", "harvest_g": 55.5, "fruit_count": 2, "ts": ago(1), "corrects": added["id"]}
    assert client.post("/api/journal", json=fixed, headers=key).json()["id"] == added["id"]
    told = client.get("/api/journal").json()
    assert told["lapse_formats"] == list(formats())
    assert [(one["kind"], one["by"]) for one in told["entries"]] == [("task", "ana"), ("harvest", "ana")]
    assert (told["day"], told["harvest_g"], told["stage"]) == (31, 55.5, "flowering")
    marks = client.get("/api/history", params={"since": 0, "until": 4e9}).json()["journal"]
    assert [one["task"] for one in marks] == ["planted", None], "and the charts mark both"
    assert client.delete(f"/api/journal/{added['id']}", headers=key).status_code == 200
    assert client.get("/api/journal").json()["harvests"] == 0
    assert client.delete(f"/api/journal/{added['id']}", headers=key).status_code == 404
    assert client.post("/api/journal", json={**fixed, "corrects": "j-none"}, headers=key).status_code == 404


@pytest.mark.parametrize(
    ("entry", "status", "told"),
    [
        ({"kind": "harvest"}, 409, "needs its weight"),
        ({"kind": "note", "text": "x", "ph": 6.0}, 409, "does not belong"),
        ({"kind": "measurement", "ph": 13.0}, 422, "less than or equal to 12"),
        ({"kind": "measurement", "ec_ms_cm": "2"}, 422, "number"),
        ({"kind": "note", "text": "x", "ts": "2027-01-01T00:00:00+00:00"}, 409, "future"),
        ({"kind": "note", "text": "x", "ts": "2026-07-04"}, 422, "timezone"),
        ({"kind": "note", "text": "x", "by": "somebody"}, 422, "Extra"),
    ],
)
def test_what_is_wrong_is_said(
    client: TestClient, key: dict[str, str], entry: dict[str, Any], status: int, told: str
) -> None:
    answer = client.post("/api/journal", json=entry, headers=key)
    assert answer.status_code == status and told in answer.text, answer.text
    assert client.get("/api/journal").json()["entries"] == []


def test_a_photo_may_be_larger_than_other_bodies_and_nothing_else_may(client: TestClient, key: dict[str, str]) -> None:
    data = photo(900, 700) + b"\0" * 2 * LARGEST_BODY
    assert client.post(PHOTO_PATH, content=data).status_code == 401, "before it is read"
    answer = client.post(PHOTO_PATH, content=data, headers=key)
    assert answer.status_code == 200, answer.text
    digest = answer.json()["sha256"]
    entry = {"kind": "note", "photo_sha256": digest}
    assert client.post("/api/journal", json=entry, headers=key).status_code == 200
    shown = client.get(f"/api/photo/{digest}")
    assert shown.status_code == 200 and shown.headers["content-type"] == "image/jpeg" and b"Exif" not in shown.content
    assert client.post(PHOTO_PATH, content=b"no picture", headers=key).status_code == 415
    declared = {**key, "Content-Length": str(LARGEST_UPLOAD + 1)}
    assert client.post(PHOTO_PATH, content=b"x", headers=declared).status_code == 413
    large = json.dumps({"kind": "note", "text": "x" * LARGEST_BODY})
    assert client.post("/api/journal", content=large, headers=key).status_code == 413
    assert client.get("/api/journal/timelapse").status_code == 404, "one photo does not move"


def test_the_season_on_a_page_says_what_is_unknown_and_runs_no_script_of_an_entry(
    client: TestClient, key: dict[str, str]
) -> None:
    page = client.get("/report").text
    assert "Yield per litre" in page and "no harvest was written down" in page and "light 90 (measured)" in page
    assert "water pump 12 (typical)" in page
    evil = {"kind": "harvest", "harvest_g": 10.0, "text": "<script>alert(1)</script>", "plant": '"><img>'}
    assert client.post("/api/journal", json=evil, headers=key).status_code == 200
    page = client.get("/report", params={"language": "de"}).text
    assert "Ertrag je Liter" in page and "<script>alert" not in page and "<img>" not in page


def test_yields_are_ratios_of_what_was_recorded() -> None:
    days = [
        {"day": "2026-07-01", "water_ml": 1_500.0, "energy_kwh": 1.0, "light_h": 16.0, "dli_mol_m2": 20.0},
        {"day": "2026-07-08", "water_ml": 1_000.0, "energy_kwh": 1.5, "light_h": 16.0, "dli_mol_m2": None},
    ]
    base = {"task": None, "plant": "", "text": "", "fruit_count": None}
    entries = [
        {**base, "kind": "harvest", "harvest_g": 600.0, "ts": "2026-07-08T10:00:00+02:00"},
        {**base, "kind": "measurement", "feed_ml": 500.0, "ts": "2026-07-01T10:00:00+02:00"},
    ]
    found = season_figures(days, entries, NOW.date())
    assert found.water_l == pytest.approx(3.0) and found.g_per_l == pytest.approx(200.0)
    assert found.g_per_kwh == pytest.approx(240.0) and found.mean_dli == 20.0 and len(found.weeks) == 2
    idle = season_figures([], [], NOW.date())
    assert idle.g_per_l is None and idle.g_per_kwh is None and idle.first is None
    assert "unknown" in report_page(History(Path("nowhere")), [], NOW)


def test_the_journal_goes_to_no_broker() -> None:
    entry = example("journal_v1")
    assert _record(json.dumps({"record": entry}).encode()) is None
    assert _record(json.dumps({"record": example("plan_v1")}).encode()) is not None
