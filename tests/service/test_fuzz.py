"""Every path of the OpenAPI under hostile requests: answers keep to the schema, and none is a 5xx of our making."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tomato_host.commands.inbox import Inbox, Reply
from tomato_host.service import setup_routes
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.idempotent_requests import KEY
from tomato_host.service.live_state import LiveState
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

from shared_schemas.records import RECORDS
from tests.service.test_api import example

schemathesis: Any = pytest.importorskip("schemathesis", reason="pip install '.[fuzz]'")
GenerationMode = schemathesis.GenerationMode

ENDLESS = "/api/stream"
"""Server-sent events never end; tests/web reads them."""
EXAMPLES = 15
"""Of each operation and kind of request; `make test` has many operations and little time."""


class Host(threading.Thread):
    """Answers whatever reaches the inbox, yes and no in turn, as a running host would within its tick."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(daemon=True)
        self._inbox = Inbox(data_dir)
        self._over = threading.Event()
        self.answered = 0

    def run(self) -> None:
        while not self._over.wait(0.002):
            for request in self._inbox.pop_requests():
                self.answered += 1
                self._inbox.reply(Reply(id=request.id, ok=self.answered % 2 == 0, text="refused by leak"))

    def stop(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def host(place: Path) -> Iterator[Host]:
    made = Host(place)
    made.start()
    yield made
    made.stop()


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
    present.update(json.dumps({"status": {"link": "up", "mode": "NORMAL", "tally": {}}}).encode())
    for kind in RECORDS:
        present.update(json.dumps({"record": example(kind)}).encode())
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    return create_app(present, History(place), limits, place)


@pytest.fixture(scope="module")
def operations(app: FastAPI) -> list[Any]:
    """Every operation of the OpenAPI but the endless one."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    found = [result.ok() for result in schema.get_all_operations()]
    assert len(found) >= 15 and any(one.path == ENDLESS for one in found)
    return [one for one in found if one.path != ENDLESS]


@pytest.fixture(scope="module")
def key(place: Path) -> dict[str, str]:
    return {"Authorization": f"Bearer {TokenFile(place).create('fuzz', 'admin')}"}


def throw(operation: Any, examples: int, check: Callable[[Any], None]) -> None:
    """Valid and invalid requests for one operation, the same ones every time."""
    either = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    strategy = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in either))

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def thrown(case: Any) -> None:
        check(case)

    thrown()


def fresh_key(case: Any, number: int) -> dict[str, str]:
    """A good Idempotency-Key stands for one request: the next one gets another. What is none is sent as it is."""
    given = str((case.headers or {}).get("Idempotency-Key", ""))
    return {"Idempotency-Key": f"fuzz-{number}"} if KEY.fullmatch(given) else {}


def test_no_request_breaks_the_api(operations: list[Any], key: dict[str, str], host: Host) -> None:
    number = count()

    def check(case: Any) -> None:
        case.call_and_validate(headers={**key, **fresh_key(case, next(number))})

    for operation in operations:
        throw(operation, EXAMPLES, check)
    assert host.answered > 0, "some requests were good enough for the host"


def test_no_change_without_a_token_whatever_it_looks_like(operations: list[Any], host: Host) -> None:
    before = host.answered
    changes = [one for one in operations if one.method.upper() != "GET"]
    assert {one.path for one in changes} > {"/api/water", "/api/mode", "/api/calibrate/soil", "/api/clear-fault"}

    def check(case: Any) -> None:
        assert case.call(headers={"Authorization": ""}).status_code in (401, 403), case.path

    for operation in changes:
        throw(operation, EXAMPLES, check)
    assert host.answered == before, "nothing reached the host"
