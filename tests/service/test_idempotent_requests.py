"""A change that comes twice happens once: the same key, the same answer byte for byte, over restarts, for 24 hours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.service import idempotent_requests
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.idempotent_requests import FILE, proposal_id
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

from shared_schemas.records.action_v1 import ActionV1, Safety

WATER = {"ml": 50.0, "reason": "dry"}
BODIES: dict[str, dict[str, object]] = {
    "/api/water": WATER,
    "/api/switch": {"output": "light", "state": "ON", "seconds": 60.0, "reason": "look"},
    "/api/stop": {"hours": 1.0, "reason": "visit"},
    "/api/mode": {"mode": "PAUSED", "hours": 1.0, "reason": "visit"},
    "/api/acknowledge": {},
    "/api/calibrate/soil": {"probe": 1, "dry_raw": 52_000, "wet_raw": 21_000, "dry_pct": 0.0, "wet_pct": 60.0,
                            "reason": "new probe"},
    "/api/calibrate/pump": {"seconds": 20.0, "ml": 200.0, "reason": "jug"},
    "/api/calibrate/probe": {"probe": 1, "reason": "look"},
    "/api/calibrate/dose": {"ml": 100.0, "reason": "jug"},
    "/api/clear-fault": {"fault": "leak", "reason": "dried"},
    "/api/journal": {"kind": "note", "text": "First flower."},
}  # fmt: skip
"""A body for every route that changes something, but those of sessions and worlds."""
OTHER_BODIES = {"/api/journal/photo", "/api/journal/{entry_id}"}
"""Routes whose request is no JSON object: a picture, and a name in the path."""
OTHERS = ("/api/sessions/", "/api/world", "/api/setup/", "/api/push")
"""Tested by themselves: sessions, worlds, the set-up, whose answers come from a command, and subscriptions."""


class AnsweringHost:
    """The deciding loop's end of the inbox: accepts everything, but what `refusals` names by the rule next."""

    def __init__(self, data_dir: Path) -> None:
        self.inbox = Inbox(data_dir)
        self.seen: list[Request] = []
        self.refusals: list[str] = []
        self.pause_s = 0.0
        self.end = threading.Event()

    def run(self) -> None:
        while not self.end.is_set():
            for request in self.inbox.pop_requests():
                self.seen.append(request)
                time.sleep(self.pause_s)
                self.inbox.reply(self.reply(request))
            time.sleep(0.005)

    def reply(self, request: Request) -> Reply:
        rule = self.refusals.pop(0) if self.refusals else None
        action: ActionV1 | None = request.action
        if action is not None:
            action = action.model_copy(update={"safety": Safety(validated=rule is None, refused_by=rule)})
        return Reply(id=request.id, ok=rule is None, text=f"answer {len(self.seen)}", action=action)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[AnsweringHost]:
    made = AnsweringHost(tmp_path)
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.end.set()
    thread.join()


@contextmanager
def served(data_dir: Path) -> Iterator[TestClient]:
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    with TestClient(create_app(LiveState(), History(data_dir), limits, data_dir)) as client:
        yield client


def headers(data_dir: Path, key: str, name: str = "ana") -> dict[str, str]:
    secret = TokenFile(data_dir).create(f"{name}-{time.monotonic_ns()}" if name == "other" else name, "admin")
    return {"Authorization": f"Bearer {secret}", "Idempotency-Key": key}


def test_every_route_that_changes_something_repeats_its_answer(tmp_path: Path, host: AnsweringHost) -> None:
    with served(tmp_path) as client:
        paths = client.get("/openapi.json").json()["paths"]
        writes = {path for path, methods in paths.items() for method in methods if method != "get"}
        ours = {path for path in writes - OTHER_BODIES if path != "/api/session" and not path.startswith(OTHERS)}
        for path in writes - {"/api/session"}:
            for method in set(paths[path]) & {"post", "delete", "put", "patch"}:
                named = [one["name"] for one in paths[path][method].get("parameters", ())]
                assert "Idempotency-Key" in named or path.endswith("/what-if"), path
        assert ours == set(BODIES), "a route that changes something is new: give it a body here"
        sent = headers(tmp_path, "k")
        for path, body in BODIES.items():
            sent["Idempotency-Key"] = path.replace("/", ".")
            params = {"reason": "dealt with"} if path == "/api/acknowledge" else {}
            before = len(host.seen)
            first, again = (client.post(path, json=body, headers=sent, params=params) for _ in range(2))
            assert first.status_code == 200, first.text
            assert (again.status_code, again.content) == (200, first.content), path
            assert len(host.seen) == before + (2 if path == "/api/stop" else 1), "one attempt reached the host"


def test_the_answer_outlives_the_process_and_is_forgotten_after_a_day(
    tmp_path: Path, host: AnsweringHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = headers(tmp_path, "k-1")
    with served(tmp_path) as client:
        first = client.post("/api/water", json=WATER, headers=sent)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'["torn')
    begun_s = time.time()
    for after_s, same in ((3_600.0, True), (86_300.0, True), (86_500.0, False)):
        monkeypatch.setattr(idempotent_requests.IdempotencyMiddleware.__init__, "__defaults__",
                            (lambda after_s=after_s: begun_s + after_s,))  # fmt: skip
        with served(tmp_path) as client:
            again = client.post("/api/water", json=WATER, headers=sent)
            other = client.post("/api/water", json=WATER, headers={**sent, "Idempotency-Key": "k-2"})
        assert (again.content == first.content) is same, after_s
        assert other.json()["text"] == "answer 2", "written behind a torn line, and read again"
    assert len(host.seen) == 3


def test_a_key_is_for_one_request_of_one_holder(tmp_path: Path, host: AnsweringHost) -> None:
    with served(tmp_path) as client:
        sent = headers(tmp_path, "k-1")
        assert client.post("/api/water", json=WATER, headers=sent).status_code == 200
        turned = b'{"reason": "dry", "ml": 50.0}'
        same = client.post("/api/water", content=turned, headers={**sent, "Content-Type": "application/json"})
        assert same.status_code == 200 and len(host.seen) == 1, "members in another order are the same request"
        for path, body in (("/api/water", {**WATER, "ml": 51.0}), ("/api/switch", BODIES["/api/switch"])):
            answer = client.post(path, json=body, headers=sent)
            assert answer.status_code == 422 and answer.json()["code"] == "ID_REUSED"
        assert len(host.seen) == 1
        assert client.post("/api/water", json=WATER, headers=headers(tmp_path, "k-1", "other")).status_code == 200
        assert len(host.seen) == 2, "another's key of the same name is another key"
        wrong = client.post("/api/water", json=WATER, headers={**sent, "Idempotency-Key": "a b"})
        assert wrong.status_code == 422 and len(host.seen) == 2


def test_not_now_burns_no_key_and_refused_for_good_is_repeated(tmp_path: Path, host: AnsweringHost) -> None:
    with served(tmp_path) as client:
        sent = headers(tmp_path, "k-1")
        host.refusals = ["leak", "schema"]
        passing = client.post("/api/water", json=WATER, headers=sent)
        assert passing.status_code == 409 and passing.headers["Retry-After"]
        assert "Idempotency-Status" not in passing.headers
        final = client.post("/api/water", json=WATER, headers=sent)
        assert final.status_code == 409 and final.headers["Idempotency-Status"] == "final"
        assert client.post("/api/water", json=WATER, headers=sent).content == final.content
        assert [request.action.id for request in host.seen if request.action] == [proposal_id("ana", "k-1")] * 2
        host.end.set()


def test_two_at_once_are_one(tmp_path: Path, host: AnsweringHost) -> None:
    host.pause_s = 0.2
    with served(tmp_path) as client, ThreadPoolExecutor(4) as pool:
        sent = headers(tmp_path, "k-1")
        answers = list(pool.map(lambda _: client.post("/api/water", json=WATER, headers=sent), range(4)))
    assert {(one.status_code, one.content) for one in answers} == {(200, answers[0].content)} and len(host.seen) == 1


def test_without_a_key_each_is_new_and_a_session_is_never_written_down(tmp_path: Path, host: AnsweringHost) -> None:
    with served(tmp_path) as client:
        sent = headers(tmp_path, "k-1")
        del sent["Idempotency-Key"]
        ids = [client.post("/api/water", json=WATER, headers=sent).json()["action"]["id"] for _ in range(2)]
        assert ids[0] != ids[1] and len(host.seen) == 2
        signed = client.post("/api/session", json={"device": "phone"}, headers={**sent, "Idempotency-Key": "k-2"})
        assert signed.status_code == 200
    assert not (tmp_path / FILE).exists()


def test_ending_a_session_twice_has_one_answer(tmp_path: Path) -> None:
    with served(tmp_path) as client:
        sent = headers(tmp_path, "k-1")
        client.post("/api/session", json={"device": "phone"}, headers=sent)
        (one,) = client.get("/api/sessions", headers=sent).json()
        ends = [client.delete(f"/api/sessions/{one['id']}", headers=sent) for _ in range(2)]
        assert [end.status_code for end in ends] == [200, 200] and ends[0].content == ends[1].content
        sent["Idempotency-Key"] = "k-2"
        assert client.delete(f"/api/sessions/{one['id']}", headers=sent).status_code == 404


def test_a_full_file_is_cut_and_the_newest_stay(
    tmp_path: Path, host: AnsweringHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotent_requests, "MOST_ANSWERS", 3)
    sent = headers(tmp_path, "k")
    with served(tmp_path) as client:
        bodies = {}
        for number in range(8):
            sent["Idempotency-Key"] = f"k-{number}"
            bodies[number] = client.post("/api/mode", json=BODIES["/api/mode"], headers=sent).content
    assert len((tmp_path / FILE).read_bytes().splitlines()) <= 6
    with served(tmp_path) as client:
        for number in (6, 7):
            sent["Idempotency-Key"] = f"k-{number}"
            assert client.post("/api/mode", json=BODIES["/api/mode"], headers=sent).content == bodies[number]
    assert len(host.seen) == 8
