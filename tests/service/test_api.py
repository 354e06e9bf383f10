"""The API as a client meets it: open to read here, closed to change without a token, never a 5xx of its own making."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.security import HEADERS, LARGEST_BODY, ClientRateLimiter
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

from shared_schemas.records import RECORDS

WRITES = {
    "/api/water": {"ml": 50.0, "reason": "dry"},
    "/api/switch": {"output": "light", "state": "ON", "seconds": 60.0, "reason": "look"},
    "/api/mode": {"mode": "PAUSED", "hours": 1.0, "reason": "visit"},
}


def example(kind: str) -> dict:  # type: ignore[type-arg]
    """The example payload of a record's docstring, whole, as the deciding loop sends it."""
    record = RECORDS[kind].from_json((RECORDS[kind].__doc__ or "").split("Example:", 1)[1])
    return dict(json.loads(record.to_json()))


@pytest.fixture
def present() -> LiveState:
    filled = LiveState()
    filled.connected = True
    for kind in RECORDS:
        filled.update(json.dumps({"record": example(kind)}).encode())
    now = example("observation_v1")["ts"]
    status = {"now": now, "link": "up", "mode": "NORMAL", "tally": {"water_ml": 1600.0}}
    filled.update(json.dumps({"status": status}).encode())
    return filled


@pytest.fixture
def client(present: LiveState, tmp_path: Path) -> Iterator[TestClient]:
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    with TestClient(create_app(present, History(tmp_path), limits, tmp_path)) as made:
        yield made


def bearer(tmp_path: Path, role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TokenFile(tmp_path).create(role, role)}"}


def test_one_glance_has_what_the_first_screen_needs(client: TestClient) -> None:
    told = client.get("/api/glance").json()
    assert told["status"]["mode"] == "NORMAL"
    assert told["observation"]["air_temp_c"] == 24.3
    assert told["actions"][0]["why"]["rules_fired"] == ["soil.P1 < 18%"]
    assert told["anomalies"][0]["type"] == "WIND_SPIKE"


def test_what_a_plan_asks_a_person_for_stands_below_what_is_wrong(client: TestClient, present: LiveState) -> None:
    before = client.get("/api/glance").json()["advice"]
    task = "even out the drippers: P1 gains 0.9 points a day on P2"
    present.update(json.dumps({"record": example("plan_v1") | {"tasks": [task]}}).encode())
    assert client.get("/api/glance").json()["advice"] == [*before, {"text": task, "severity": "LOW", "do": ""}]
    present.update(json.dumps({"record": example("plan_v1")}).encode())
    assert client.get("/api/glance").json()["advice"] == before, "done, or no plan says it any more"
    present.update(json.dumps({"record": example("plan_v1") | {"tasks": [task]}}).encode())
    present.connected = False
    assert task not in json.dumps(client.get("/api/glance").json()["advice"]), "no host, no plan"


def first_values(answer: Any) -> dict | None:  # type: ignore[type-arg]
    """What the host has written into the page; None: nothing."""
    found = re.findall(r'<script type="application/json" id="first-values">(.*?)</script>', answer.text)
    assert answer.status_code == 200 and len(found) <= 1 and "<!--" not in answer.text
    return json.loads(found[0]) if found else None


def test_the_page_brings_its_first_values_to_those_who_may_read_them(
    client: TestClient, present: LiveState, tmp_path: Path
) -> None:
    hostile = example("plan_v1") | {"explanation": "</script><script>alert(1)</script><!--"}
    present.update(json.dumps({"record": hostile}).encode())
    page = client.get("/")
    told, glance = first_values(page), client.get("/api/glance").json()
    assert told is not None and told["devices"] == client.get("/api/devices").json()
    first = told["glance"]
    assert set(first) == set(glance), "the scripts find every name that the whole answer has"
    for name in ("observation", "status", "verdict", "advice", "live", "devices", "targets", "installation"):
        assert first[name] == glance[name], name
    assert first["plan"]["explanation"] == hostile["explanation"], "as text: no script of its own"
    assert page.headers["cache-control"] == "no-store", "the back button shows no values of an hour ago"
    kept = client.get("/?bare")
    assert first_values(kept) is None and kept.headers["cache-control"] == "no-cache"
    far = TestClient(client.app, client=("192.0.2.7", 5))
    assert first_values(far.get("/")) is None and "24.3" not in far.get("/").text
    may_look = bearer(tmp_path, "view")
    assert far.post("/api/session", json={}, headers=may_look).status_code == 200
    assert first_values(far.get("/")) is not None, "by the cookie of a browser that has signed in"


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/api/glance", "/nothing", "/metrics"):
        answer = client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path


@pytest.mark.parametrize("path", WRITES)
def test_a_change_wants_a_token_of_the_right_role(client: TestClient, tmp_path: Path, path: str) -> None:
    assert client.post(path, json=WRITES[path]).status_code == 401
    assert client.post(path, json=WRITES[path], headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.post(path, json=WRITES[path], headers={"Cookie": "token=anything"}).status_code == 401
    assert client.post(path, json=WRITES[path], headers=bearer(tmp_path, "view")).status_code == 403


def test_every_write_path_of_the_schema_is_closed_without_a_token(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    writes = [(path, method) for path, methods in paths.items() for method in methods if method != "get"]
    assert len(writes) >= 4
    for path, method in writes:
        assert client.request(method, path, json=WRITES.get(path, {}), params={"reason": "x"}).status_code in (401, 403)


def test_a_revoked_token_is_worthless_at_once(client: TestClient, tmp_path: Path) -> None:
    header = bearer(tmp_path, "operate")
    assert client.post("/api/water", json={"ml": -1, "reason": "x"}, headers=header).status_code == 422
    TokenFile(tmp_path).revoke("operate")
    assert client.post("/api/water", json=WRITES["/api/water"], headers=header).status_code == 401


def test_tokens_are_kept_as_hashes_readable_by_their_owner_only(tmp_path: Path) -> None:
    secret = TokenFile(tmp_path).create("ana", "admin")
    path = tmp_path / "tokens.json"
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert TokenFile(tmp_path).role_of(secret) == "admin"


def test_reading_from_elsewhere_wants_a_token(present: LiveState, tmp_path: Path) -> None:
    app = create_app(present, History(tmp_path), ServiceSettings(), tmp_path)
    far = TestClient(app, client=("192.0.2.7", 5))
    assert far.get("/api/glance").status_code == 401
    assert far.get("/metrics").status_code == 401
    assert far.get("/api/glance", headers=bearer(tmp_path, "view")).status_code == 200


def test_a_foreign_host_name_is_refused(client: TestClient) -> None:
    assert client.get("/api/glance", headers={"Host": "evil.example"}).status_code == 421


def test_a_large_body_is_refused(client: TestClient, tmp_path: Path) -> None:
    body = b'{"ml": 5, "reason": "' + b"x" * LARGEST_BODY + b'"}'
    header = {**bearer(tmp_path, "operate"), "Content-Type": "application/json"}
    assert client.post("/api/water", content=body, headers=header).status_code == 413


def test_too_many_changes_are_refused(present: LiveState, tmp_path: Path) -> None:
    app = create_app(present, History(tmp_path), ServiceSettings(writes_per_minute=1), tmp_path)
    codes = [TestClient(app).post("/api/water", json={}).status_code for _ in range(10)]
    assert 429 in codes


def test_a_bucket_refills_with_time() -> None:
    now = [0.0]
    bucket = ClientRateLimiter(60, lambda: now[0])
    assert [bucket.allows("a") for _ in range(7)] == [True] * 6 + [False]
    assert bucket.allows("b"), "each client has its own"
    assert bucket.refusal("a") == (429, "too many requests (60 a minute, 6 at once); try again in 1 s")
    for _ in range(4):  # who asks again too early does not wait the longer for it
        now[0] += 0.3
        again = bucket.allows("a")
    assert again
    now[0] += 1.0
    assert bucket.allows("a")


def test_without_a_running_host_a_change_says_so(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/api/water", json=WRITES["/api/water"], headers=bearer(tmp_path, "operate"))
    assert answer.status_code == 503
    assert answer.json()["code"] == "E-INBOX-MISSING"
    assert "tomato-host run" in answer.json()["next"]


@pytest.mark.parametrize("ok", [True, False])
def test_the_verdict_of_the_guardrails_comes_back(client: TestClient, tmp_path: Path, ok: bool) -> None:
    inbox = Inbox(tmp_path)
    seen: list[Request] = []

    def host() -> None:
        end = time.monotonic() + 10
        while not seen and time.monotonic() < end:
            for request in inbox.pop_requests():
                seen.append(request)
                inbox.reply(Reply(id=request.id, ok=ok, text="accepted" if ok else "refused by leak: water on floor"))
            time.sleep(0.01)

    thread = threading.Thread(target=host)
    thread.start()
    answer = client.post("/api/water", json=WRITES["/api/water"], headers=bearer(tmp_path, "operate"))
    thread.join()
    assert answer.status_code == (200 if ok else 409)
    (request,) = seen
    assert request.action is not None
    assert request.action.origin == "api"
    assert request.action.why.text == "operate: dry", "who asked and why is in the record"
    assert request.action.not_after is not None and request.action.not_after > datetime.now(UTC)
    if not ok:
        assert answer.json()["detail"] == "refused by leak: water on floor"


def test_metrics_use_the_names_of_the_field(client: TestClient) -> None:
    text = client.get("/metrics").text
    for line in (
        "tomato_air_temperature_celsius 24.3",
        'tomato_soil_water_content_ratio{plant="P1"} 0.156',
        "tomato_irrigation_volume_liters_total 1.6",
        'tomato_mode{mode="NORMAL"} 1.0',
        "tomato_link_up 1.0",
        f'tomato_anomaly_open{{severity="{example("anomaly_v1")["severity"]}",subject="",type="WIND_SPIKE"}} 1.0',
    ):
        assert line in text, line
    assert 'plant="P2"' not in text, "what is not known is left out, never zero"


def test_health_tells_whether_the_host_lives(client: TestClient, present: LiveState) -> None:
    assert client.get("/healthz").status_code == 200
    present.connected = False
    assert client.get("/healthz").status_code == 503


def test_ready_says_whether_a_proposal_could_be_carried_out(client: TestClient, present: LiveState) -> None:
    assert client.get("/readyz").status_code == 200
    present.status["link"] = "down"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text) == (503, "the board does not answer")
    present.connected = False
    assert client.get("/readyz").text == "no host"


def test_nothing_secret_leaves(client: TestClient, tmp_path: Path) -> None:
    secret = TokenFile(tmp_path).create("ana", "admin")
    (token,) = TokenFile(tmp_path).all()
    for path in ("/api/glance", "/api/events", "/api/actions", "/metrics", "/openapi.json"):
        text = client.get(path).text
        assert secret not in text and token.sha256 not in text and str(tmp_path) not in text


JSONISH = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


@given(
    path=st.sampled_from(sorted(WRITES)),
    body=JSONISH,
    keys=st.sets(st.sampled_from(["ml", "output", "mode", "reason"])),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_a_server_error(client: TestClient, path: str, body: object, keys: set[str]) -> None:
    known = WRITES[path]
    if isinstance(body, dict):
        body = {**body, **{key: known[key] for key in keys if key in known}}
    answer = client.post(path, json=body)
    assert answer.status_code in (401, 422)


@given(span=st.text(max_size=12), limit=st.one_of(st.integers(), st.text(max_size=5)), level=st.text(max_size=8))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_makes_a_server_error(client: TestClient, span: str, limit: object, level: str) -> None:
    assert client.get("/api/history", params={"span": span}).status_code in (200, 422)
    query = {"limit": str(limit), "level": level}
    assert client.get("/api/events", params=query).status_code in (200, 422)
