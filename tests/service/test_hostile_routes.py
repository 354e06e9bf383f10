"""Every route there is, in the OpenAPI or not, under bodies, queries and paths that nobody should send: no 5xx."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from tomato_host.service import setup_routes
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.security import HEADERS
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

from shared_schemas.records import RECORDS
from tests.service.test_api import example
from tests.service.test_fuzz import ENDLESS, Host
from tests.service.test_strict_requests import BODIES

FIELDS = ("ml", "seconds", "hours", "reason", "token")
VALUES = ("NaN", "Infinity", "-Infinity", "1e400", "1e308", "9" * 5_000, '"\\ud800"', "null", "[]", "true",
          "[" * 300 + "]" * 300, '{"a":' * 200 + "1" + "}" * 200,
          '"' + "x" * 5_000 + '"', "-0.0", '"\\u0000"')  # fmt: skip
PARTS = (
    "x",
    "%00",
    "%ED%A0%80",
    "%FF",
    "..%2f..%2ftokens.json",
    "NaN",
    "9" * 400,
    "%F0%9F%8D%85",
    "a" * 2_000,
    "-1",
    "%2e%2e",
)
QUERIES = ("NaN", "Infinity", "1e400", "-1", "9" * 400, "%00", "%ED%A0%80", "%FF", "", "[[[[", "9999-99-99",
           "x" * 3_000, "2026-05-01T00:00:00", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:59:59-23:59",
           "true")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module", autouse=True)
def commands() -> Iterator[None]:
    """The set-up routes start processes: here none, or each request would cost a second."""

    async def answer(*_: object, **__: object) -> list[dict[str, bool]]:
        return [{"ok": True}]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup_routes, "run_command", answer)
        yield


@pytest.fixture(scope="module")
def app(place: Path) -> FastAPI:
    present = LiveState(monotonic=lambda: 0.0)
    present.connected = True
    for kind in RECORDS:
        present.update(json.dumps({"record": example(kind)}).encode())
    present.update(json.dumps({"status": {"link": "up", "mode": "NORMAL", "tally": {}}}).encode())
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    return create_app(present, History(place), limits, place)


@pytest.fixture(scope="module")
def client(app: FastAPI, place: Path) -> Iterator[TestClient]:
    host = Host(place)
    host.start()
    with TestClient(app, raise_server_exceptions=False) as made:
        made.headers["Authorization"] = f"Bearer {TokenFile(place).create('hostile', 'admin')}"
        yield made
    host.stop()


def routes(app: FastAPI, *, changing: bool) -> list[tuple[str, str]]:
    """Method and path of every route."""
    found = [
        (method, route.path)
        for route in app.routes
        if isinstance(route, APIRoute) and route.path != ENDLESS
        for method in route.methods or ()
    ]
    return sorted(one for one in found if (one[0] not in ("GET", "HEAD")) == changing)


def filled(path: str, part: str) -> str:
    while "{" in path:
        begin, _, rest = path.partition("{")
        path = begin + part + rest.partition("}")[2]
    return path


def check(answer: object, what: str) -> None:
    status = answer.status_code  # type: ignore[attr-defined]
    assert status < 500, f"{what}: {status} {answer.text[:300]}"  # type: ignore[attr-defined]
    for name, value in HEADERS.items():
        assert answer.headers.get(name) == value, f"{what}: no {name}"  # type: ignore[attr-defined]


def test_bodies(app: FastAPI, client: TestClient) -> None:
    found = routes(app, changing=True)
    assert {path for _, path in found} > {"/api/water", "/api/clear-fault", "/ack/{secret}"}
    for method, path in found:
        url = filled(path, "x" * 32)
        for body in BODIES:
            check(
                client.request(method, url, content=body, headers={"Content-Type": "application/json"}),
                f"{path} {body[:40]!r}",
            )
        for field in FIELDS:
            for value in VALUES:
                body = f'{{"{field}": {value}, "reason": "fuzz"}}'.encode()
                answer = client.request(method, url, content=body, headers={"Content-Type": "application/json"})
                check(answer, f"{path} {body[:60]!r}")


def test_paths_and_queries(app: FastAPI, client: TestClient) -> None:
    for method, path in routes(app, changing=False):
        names = {parameter.name for route in app.routes if isinstance(route, APIRoute) and route.path == path
                 for parameter in route.dependant.query_params} | {"unknown"}  # fmt: skip
        for part in PARTS if "{" in path else ("",):
            check(client.request(method, filled(path, part)), f"{path} {part[:40]}")
        for name in names:
            for value in QUERIES:
                url = f"{filled(path, 'x' * 32)}?{name}={value}"
                check(client.request(method, url), url[:200])


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "Content-Type", "Range", "If-None-Match", "Accept-Encoding"]
)
@pytest.mark.parametrize(
    "value", [b"\xff\xfe", b"", b"Bearer " + b"\xe9" * 200, b"a=b; " * 300, b"bytes=-1--9", b"\x7f"]
)
def test_headers(client: TestClient, name: str, value: bytes) -> None:
    for method, path in (("GET", "/api/glance"), ("POST", "/api/water"), ("GET", "/"), ("GET", "/static/app.js")):
        check(client.request(method, path, headers=[(name.encode(), value)]), f"{path} {name} {value[:20]!r}")
