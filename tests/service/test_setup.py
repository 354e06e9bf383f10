"""The routes of the set-up pages: the owner alone, the loader's judgement, no key that could run or reach anything."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tomato_host.commands.inbox import Inbox, Reply
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

CHANGES = ("/api/setup/check", "/api/setup/save", "/api/setup/restart", "/api/setup/board", "/api/setup/notify-test")


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(LiveState(), History(tmp_path), ServiceSettings(writes_per_minute=100_000), tmp_path))


def key(tmp_path: Path, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TokenFile(tmp_path).create(role, role)}"}


def test_only_the_owner_reads_and_changes_settings(client: TestClient, tmp_path: Path) -> None:
    operator = key(tmp_path, "operate")
    for path in ("/api/setup", "/api/setup/ports"):
        assert client.get(path).status_code == 401, "not even from this machine: it says where the plants stand"
        assert client.get(path, headers=operator).status_code == 403
    for path in CHANGES:
        assert client.post(path, json={}).status_code == 401
        body = {"changes": {}, "sha256": "0" * 64} if path.endswith(("check", "save")) else {"port": "x"}
        assert client.post(path, json=body, headers=operator).status_code == 403, path
    owner = TokenFile(tmp_path).create("owner", "admin")
    session = client.post("/api/session", json={}, headers={"Authorization": f"Bearer {owner}"}).json()
    assert client.post("/api/setup/restart").status_code == 403, "a session needs its CSRF value"
    assert client.get("/api/setup/ports", headers={"X-Tomato-CSRF": session["csrf"]}).status_code == 200


def test_settings_are_read_checked_and_saved(client: TestClient, tmp_path: Path) -> None:
    owner = key(tmp_path, "admin")
    found = client.get("/api/setup", headers=owner).json()
    assert not found["exists"] and found["writable"] and found["values"]["control"]["stage"] == "vegetative"
    assert found["stages"]["fruiting"]["photoperiod_h"] == 14.0

    def ask(path: str, changes: dict[str, Any]) -> dict[str, Any]:
        answer = client.post(path, json={"changes": changes, "sha256": found["sha256"]}, headers=owner)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    wrong = ask("/api/setup/save", {"site.latitude_deg": 99})
    assert not wrong["ok"] and wrong["keys"] == ["site.latitude_deg"] and "at most 90" in wrong["message"]
    good = {"site.latitude_deg": 47.4, "control.stage": "fruiting"}
    assert "+latitude_deg = 47.4" in ask("/api/setup/check", good)["diff"]
    assert not (tmp_path / "tomato.toml").exists()
    assert ask("/api/setup/save", good)["written"]
    assert 'stage = "fruiting"' in (tmp_path / "tomato.toml").read_text()
    assert ask("/api/setup/save", {"control.stage": "seedling"})["code"] == "E-CONFIG-CHANGED"


@pytest.mark.parametrize(
    "name", ["service.host", "storage.mb_total", "advisor.enabled", "mqtt.host", "notify.link", "board.lease_renew_s"]
)
def test_no_other_key_is_changed_by_a_page(client: TestClient, tmp_path: Path, name: str) -> None:
    body = {"changes": {name: 1}, "sha256": "0" * 64}
    answer = client.post("/api/setup/save", json=body, headers=key(tmp_path, "admin"))
    assert answer.status_code == 409 and name in answer.json()["detail"]


def test_a_restart_is_asked_of_the_host(client: TestClient, tmp_path: Path) -> None:
    inbox, owner = Inbox(tmp_path), key(tmp_path, "admin")
    answers = iter([(True, "restarting"), (False, "water is running")])

    def answer() -> None:
        for ok, text in answers:
            while not (found := list(inbox.pop_requests())):
                pass
            assert found[0].kind == "restart" and "admin" in found[0].reason
            inbox.reply(Reply(id=found[0].id, ok=ok, text=text))

    host = threading.Thread(target=answer, daemon=True)
    host.start()
    assert client.post("/api/setup/restart", headers=owner).json()["text"] == "restarting"
    refused = client.post("/api/setup/restart", headers=owner)
    assert refused.status_code == 409 and refused.json()["detail"] == "water is running"
    host.join(5)


def test_a_board_is_flashed_on_the_first_run_only(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/api/setup/board", json={"port": "/dev/null"}, headers=key(tmp_path, "admin"))
    assert answer.status_code == 409 and "holds its board" in answer.json()["detail"]
