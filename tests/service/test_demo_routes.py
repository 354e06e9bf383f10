"""The demo's fault menu: there in a demo, with a token; with any other host its paths do not exist."""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.testclient import TestClient
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.installation import Installation
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile
from tomato_host.twin import presses, provoked

CHANGES = {
    "/api/demo/fault": {"fault": "leak", "minutes": 30.0},
    "/api/demo/press": {"input": "estop", "seconds": 5.0},
}


def client(data_dir: Path, demo: bool) -> TestClient:
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    about = Installation(demo=demo)
    return TestClient(create_app(LiveState(), History(data_dir), limits, data_dir, installation=about))


def test_without_a_demo_there_is_no_way_to_make_trouble(tmp_path: Path) -> None:
    key = {"Authorization": f"Bearer {TokenFile(tmp_path).create('ana', 'admin')}"}
    with client(tmp_path, demo=False) as made:
        assert made.get("/api/demo").status_code == 404
        for path, body in CHANGES.items():
            assert made.post(path, json=body, headers=key).status_code == 404
        assert not any("demo" in path for path in made.get("/openapi.json").json()["paths"])
        assert made.get("/api/glance").json()["installation"]["demo"] is False
    assert not (tmp_path / presses.FOLDER).exists()


def test_in_a_demo_a_person_who_is_signed_in_asks_the_tent(tmp_path: Path) -> None:
    key = {"Authorization": f"Bearer {TokenFile(tmp_path).create('ana', 'operate')}"}
    with client(tmp_path, demo=True) as made:
        names = [one["name"] for one in made.get("/api/demo").json()["faults"]]
        assert "leak" in names and "host_kill" not in names
        for path, body in CHANGES.items():
            assert made.post(path, json=body).status_code == 401
            assert made.post(path, json=body, headers=key).status_code == 200
        unknown = {"fault": "host_kill", "minutes": 5.0}
        assert made.post("/api/demo/fault", json=unknown, headers=key).status_code == 422
    board = tmp_path / presses.FOLDER
    assert json.loads((board / provoked.FILE).read_text()) == {"fault": "leak", "minutes": 30.0}
    assert presses.pop(board) == ("estop", 5.0)
