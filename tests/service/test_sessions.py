"""Sign-in once per device: a cookie that no script reads and no foreign page can use, ended when somebody says so."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.sessions import COOKIE, LASTS, MOST_SESSIONS, SessionFile
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

HURRIED = ServiceSettings(writes_per_minute=100_000)
BODY = {"mode": "PAUSED", "hours": 0.5, "reason": "test"}


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(create_app(LiveState(), History(tmp_path), HURRIED, tmp_path))


def sign_in(client: TestClient, tmp_path: Path, role: str = "operate", name: str = "ana") -> dict[str, str]:
    secret = TokenFile(tmp_path).create(name, role)
    answer = client.post("/api/session", json={"device": "phone"}, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_cookie_is_for_the_browser_alone(client: TestClient, tmp_path: Path) -> None:
    secret = TokenFile(tmp_path).create("ana", "operate")
    answer = client.post("/api/session", json={}, headers={"Authorization": f"Bearer {secret}"})
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip() for part in cookie.split(";")}
    kept = (tmp_path / "sessions.json").read_text()
    assert client.cookies[COOKIE] not in kept and secret not in kept, "only hashes are stored"
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "sessions.json").stat().st_mode) == 0o600


def test_who_am_i(client: TestClient, tmp_path: Path) -> None:
    assert client.get("/api/session").json() == {"name": None, "role": None, "csrf": None}
    made = sign_in(client, tmp_path)
    assert client.get("/api/session").json() == made | {"name": "ana", "role": "operate"}


def test_a_change_needs_the_csrf_value_and_then_reaches_the_host(client: TestClient, tmp_path: Path) -> None:
    made = sign_in(client, tmp_path)
    without = client.post("/api/mode", json=BODY)
    assert without.status_code == 403 and "reload" in without.json()["detail"]
    assert client.post("/api/mode", json=BODY, headers={"X-Tomato-CSRF": "0" * 32}).status_code == 403
    there = client.post("/api/mode", json=BODY, headers={"X-Tomato-CSRF": made["csrf"]})
    assert there.status_code == 503, "nobody runs here: it was passed on"


def test_a_session_has_the_role_of_its_token(client: TestClient, tmp_path: Path) -> None:
    made = sign_in(client, tmp_path, "view")
    answer = client.post("/api/mode", json=BODY, headers={"X-Tomato-CSRF": made["csrf"]})
    assert answer.status_code == 403 and "operate is needed" in answer.json()["detail"]


def test_a_wrong_token_says_that_it_is_wrong(client: TestClient) -> None:
    answer = client.post("/api/session", json={}, headers={"Authorization": "Bearer nobody"})
    assert answer.status_code == 401
    assert "not known, or was revoked" in answer.json()["detail"] and "token create" in answer.json()["detail"]
    assert COOKIE not in client.cookies


def test_revoking_the_token_ends_its_sessions(client: TestClient, tmp_path: Path) -> None:
    made = sign_in(client, tmp_path)
    TokenFile(tmp_path).revoke("ana")
    assert client.get("/api/session").json()["name"] is None
    assert client.post("/api/mode", json=BODY, headers={"X-Tomato-CSRF": made["csrf"]}).status_code == 401


def test_a_new_token_of_the_same_name_brings_no_old_session_back(client: TestClient, tmp_path: Path) -> None:
    sign_in(client, tmp_path)
    TokenFile(tmp_path).revoke("ana")
    TokenFile(tmp_path).create("ana", "admin")
    assert client.get("/api/session").json()["name"] is None


def test_a_session_ends_with_the_time_of_its_token(tmp_path: Path) -> None:
    now = [datetime(2026, 5, 1, tzinfo=UTC)]
    tokens = TokenFile(tmp_path, lambda: now[0])
    secret = tokens.create("guest", "operate", lifetime=timedelta(days=1))
    sessions = SessionFile(tmp_path, tokens, lambda: now[0])
    opened = sessions.open(secret, "phone")
    assert opened is not None and sessions.identity(opened[0]) is not None
    now[0] += timedelta(days=1)
    assert sessions.identity(opened[0]) is None and sessions.all() == ()


@pytest.mark.parametrize("limits", [{"agent": "reader"}, {"tents": ("other",)}], ids=lambda limits: next(iter(limits)))
def test_a_token_of_an_agent_or_of_another_tent_opens_nothing_but_the_world(
    client: TestClient, tmp_path: Path, limits: dict[str, Any]
) -> None:
    """Below /api/water it would pass its agent's quota, and on a page it would see what its policy hides."""
    key = {"Authorization": f"Bearer {TokenFile(tmp_path).create('limited', 'operate', **limits)}"}
    for path, body in (("/api/mode", BODY), ("/api/session", {}), ("/api/water", {"ml": 50.0, "reason": "x"})):
        answer = client.post(path, json=body, headers=key)
        assert answer.status_code == 403 and "the token limited is for" in answer.json()["detail"], path
    app = create_app(LiveState(), History(tmp_path), HURRIED, tmp_path)
    far = TestClient(app, client=("192.168.1.20", 5_000))
    assert far.get("/api/glance", headers=key).status_code == 403


def test_an_admin_sees_and_ends_the_session_of_a_lost_phone(client: TestClient, tmp_path: Path) -> None:
    sign_in(client, tmp_path)
    boss = {"Authorization": f"Bearer {TokenFile(tmp_path).create('boss', 'admin')}"}
    (one,) = client.get("/api/sessions", headers=boss).json()
    assert one["token"] == "ana" and one["device"] == "phone" and "sha256" not in one
    assert client.get("/api/sessions").status_code == 403, "ana is no admin"
    assert client.delete(f"/api/sessions/{one['id']}", headers=boss).status_code == 200
    assert client.get("/api/session").json()["name"] is None
    assert client.delete(f"/api/sessions/{one['id']}", headers=boss).status_code == 404


def test_sign_out_forgets_this_browser(client: TestClient, tmp_path: Path) -> None:
    made = sign_in(client, tmp_path)
    assert client.delete("/api/session", headers={"X-Tomato-CSRF": made["csrf"]}).status_code == 200
    assert client.get("/api/session").json()["name"] is None


def test_a_session_ends_by_itself_and_one_of_the_future_does_not_count(tmp_path: Path) -> None:
    tokens, now = TokenFile(tmp_path), datetime(2026, 5, 1, tzinfo=UTC)
    secret = tokens.create("ana", "view")
    opened = SessionFile(tmp_path, tokens, lambda: now).open(secret, "")
    assert opened is not None

    def found(at: datetime) -> bool:
        return SessionFile(tmp_path, tokens, lambda: at).identity(opened[0]) is not None

    assert found(now) and found(now + LASTS - timedelta(hours=1))
    assert not found(now + LASTS + timedelta(hours=1))
    assert not found(now - timedelta(days=1)), "opened by a clock that was ahead"


def test_the_list_is_bounded_and_a_broken_file_grants_nothing(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path)
    secret, sessions = tokens.create("ana", "view"), SessionFile(tmp_path, tokens)
    first = sessions.open(secret, "")
    for _ in range(MOST_SESSIONS):
        sessions.open(secret, "")
    assert first is not None and len(sessions.all()) == MOST_SESSIONS and sessions.identity(first[0]) is None
    (tmp_path / "sessions.json").write_text('[{"id": 1}]')
    assert sessions.all() == ()


def test_stop_asks_for_the_stop_before_the_pause(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomato_host.commands.inbox import Reply, Request
    from tomato_host.service import operator_requests

    asked: list[str] = []

    def answer(_data_dir: Path, request: Request) -> Reply:
        asked.append(request.action.type.value if request.action else f"{request.mode} until {request.until}")
        return Reply(id=request.id, ok=True, text="done")

    monkeypatch.setattr(operator_requests, "ask_by_inbox", answer)
    made = sign_in(client, tmp_path)
    stop = client.post("/api/stop", json={"reason": "smoke"}, headers={"X-Tomato-CSRF": made["csrf"]})
    assert stop.status_code == 200, stop.text
    assert asked[0] == "STOP_ALL" and asked[1].startswith("PAUSED until ")
