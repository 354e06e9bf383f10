"""Bodies that are no JSON, values that no answer can repeat, idle connections, and what a restarted page knows."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.past_records import load_past
from tomato_host.service.security import HEADERS
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.strict_json import parse_strict
from tomato_host.service.tokens import TokenFile
from tomato_host.storage.dataset import Dataset

from tests.storage.samples import action, event

WRITES = ("/api/water", "/api/switch", "/api/mode")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    limits = ServiceSettings(reads_per_minute=100_000, writes_per_minute=100_000)
    token = TokenFile(tmp_path).create("fuzz", "operate")
    app = create_app(LiveState(), History(tmp_path), limits, tmp_path)
    with TestClient(app, raise_server_exceptions=False) as made:
        made.headers["Authorization"] = f"Bearer {token}"
        yield made


BODIES = [
    b'{"ml": NaN, "reason": "x"}', b'{"ml": Infinity, "reason": "x"}', b'{"ml": -Infinity, "reason": "x"}',
    b'{"ml": 1e400, "reason": "x"}', b'{"ml": ' + b"9" * 5_000 + b"}", b'{"reason": "\\ud800", "ml": 5}',
    b"[" * 16_000, b'{"a":' * 3_000, b"\xff\xfe", b"", b"null", b'"\\udfff"', b'{"\\ud800": 1}', b"\x00",
    b'{"ml": 1e308, "reason": "x"}', b'{"ml": [[[NaN]]]}', b'{"until": "9999-99-99"}', b'{"seconds": -0.0}',
]  # fmt: skip


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", BODIES)
def test_no_body_ends_in_a_server_error(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413, 422), answer.text
    json.loads(answer.content.decode(), parse_constant=pytest.fail)
    for name in HEADERS:
        assert name in answer.headers


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["ml", "reason", "output", "state", "seconds", "mode", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_any_value_is_answered_without_a_server_error(client: TestClient, value: Any) -> None:
    body = json.dumps(value).encode()
    for path in WRITES:
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500 or answer.json()["code"].startswith("E-"), (answer.status_code, answer.text)


CHARACTERS = st.text(st.characters(exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | CHARACTERS,
        lambda inner: st.lists(inner) | st.dictionaries(CHARACTERS, inner),
        max_leaves=8,
    )
)
def test_what_is_json_is_parsed_as_python_does(value: Any) -> None:
    text = json.dumps(value)
    assert parse_strict(text) == json.loads(text)


def test_of_two_amounts_nobody_knows_which_is_meant() -> None:
    with pytest.raises(json.JSONDecodeError, match="a key stands twice"):
        parse_strict('{"ml": 40, "reason": "x", "ml": 400}')


@contextlib.contextmanager
def running_service(tmp_path: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "tomato_host.service.serve", "--data-dir", str(tmp_path), "--settings",
         ServiceSettings(port=port).model_dump_json()],
        env={key: value for key, value in os.environ.items() if key != "TOMATO_FEED_FD"},
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=1.0)
                break
            assert time.monotonic() < end
            time.sleep(0.1)
        yield port, process
    finally:
        process.terminate()
        process.wait(10)


def test_a_thousand_silent_connections_leave_room_for_a_health_check(tmp_path: Path) -> None:
    with running_service(tmp_path) as (port, process):
        idle = []
        for _ in range(900):
            with contextlib.suppress(OSError):
                idle.append(socket.create_connection(("127.0.0.1", port), 2.0))
        # One address holds no more than its share; from another one the page answers at once.
        connection = socket.create_connection(("127.0.0.1", port), 5.0, source_address=("127.0.0.2", 0))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        connection.settimeout(5.0)
        assert connection.recv(20).startswith(b"HTTP/1.1 503")  # no host is connected, but it answers
        time.sleep(11.0)
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2.0)
        assert answer.status_code == 503, "the silent ones are closed after ten seconds"
        for one in idle:
            one.close()
    assert process.stderr is not None
    assert len(process.stderr.read()) < 4_000, "the log stays short"


def test_a_restarted_page_knows_the_past_and_opens_nothing(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with Dataset.open(tmp_path) as dataset:
        dataset.append(event(1, text="Leak on the floor").model_copy(update={"ts": now - timedelta(hours=26)}))
        dataset.append(action(1, ts=now - timedelta(hours=1)))
        dataset.append(event(2, text="from the future").model_copy(update={"ts": now + timedelta(hours=1)}))
    live = LiveState()
    load_past(live, tmp_path, now)
    assert [record["text"] for record in live.recent["event_v1"]] == ["Leak on the floor"]
    assert len(live.recent["action_v1"]) == 1
    assert live.open_anomalies == {}
