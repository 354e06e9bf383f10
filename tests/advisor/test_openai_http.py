"""The HTTP path against a real server process, and against servers that misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError
from tomato_host.advisor.backends.chat import BackendFault, ChatRequest
from tomato_host.advisor.backends.openai_http import WIRE_BYTES_MAX, HttpModel
from tomato_host.advisor.prompt_files import grammar
from tomato_host.advisor.settings import AdvisorSettings

from tests.advisor.model_server import KEY, serving
from tests.advisor.pictures import jpeg, plant
from tests.advisor.test_tiny_vlm import BAD_FLAGS, look, records_of

ASK = ChatRequest("", "Look.", 'root ::= "yes"', 16, 1, 0.0, 30.0)


@pytest.fixture(scope="module")
def address(tiny_files: tuple[Path, Path]) -> Iterator[str]:
    with serving(*tiny_files) as url:
        yield url


def model_at(url: str, key: str | None = KEY, **changes: object) -> HttpModel:
    return HttpModel(AdvisorSettings(backend="http", endpoint_url=url, **changes), key)  # type: ignore[arg-type]


def test_a_real_server_answers_in_the_grammar_and_counts_its_tokens(address: str) -> None:
    reply = model_at(address).chat(ASK)
    assert (reply.text, reply.finished) == ("yes", True)
    assert reply.prompt_tokens and reply.completion_tokens and reply.first_token_s is not None


def test_ten_photos_over_http_are_ten_valid_records(address: str) -> None:
    backend = model_at(address)
    for number in range(10):
        settings = AdvisorSettings(seed=number, temperature=1.0, wake_deadline_s=60.0)
        _, judged = records_of(jpeg(plant(number)), look(backend, settings))
        assert not BAD_FLAGS & set(judged.flags) and judged.model_confidence is not None


def test_a_server_that_is_asked_for_a_schema_only_is_checked_all_the_same(address: str) -> None:
    """A schema holds less than a grammar (and a server may give up on it): a field is within its range or unknown."""
    backend = model_at(address, endpoint_dialect="openai")
    for number in range(5):
        settings = AdvisorSettings(seed=number, temperature=1.0, wake_deadline_s=60.0)
        _, judged = records_of(jpeg(plant(number)), look(backend, settings))
        refused = bool(BAD_FLAGS & set(judged.flags))
        assert refused == (judged.model_confidence is None)
        assert judged.confidence <= (0.0 if refused else 0.25)


def test_a_wrong_key_and_a_broken_photo_are_refusals(address: str) -> None:
    with pytest.raises(BackendFault, match="refused: 401"):
        model_at(address, key="wrong").chat(ASK)
    with pytest.raises(BackendFault, match="refused: 400"):
        model_at(address).chat(
            ChatRequest("", "Look.", grammar("vision_v1").text, 480, 1, 0.0, 30.0, photo_jpeg=b"\xff\xd8 broken")
        )


@contextmanager
def misbehaving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                answer(self)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def _say(handler: BaseHTTPRequestHandler, status: int, *lines: bytes) -> None:
    handler.send_response(status)
    handler.end_headers()
    for line in lines:
        handler.wfile.write(line)


def _slow(handler: BaseHTTPRequestHandler) -> None:
    _say(handler, 200)
    for _ in range(60):
        handler.wfile.write(b": ping\n")
        handler.wfile.flush()
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda h: _say(h, 500, b"boom"), "refused: 500"),
        (lambda h: _say(h, 302), "refused: 302"),
        (lambda h: _say(h, 200, b"data: {not json\n"), "no JSON"),
        (lambda h: _say(h, 200, b'data: {"error": {"message": "out of\\nmemory"}}\n'), "refused: out of memory"),
        (lambda h: _say(h, 200, b"data: 7\n"), "no object"),
        (lambda h: _say(h, 200, *[b"x" * 65_536] * (WIRE_BYTES_MAX // 65_536 + 2)), "longer than"),
        (lambda h: _say(h, 200, *[b'data: {"choices":[{"delta":{"content":"' + b"y" * 9_000 + b'"}}]}\n'] * 2), "long"),
        (_slow, "too long"),
    ],
    ids=["500", "redirect", "no_json", "error_chunk", "no_object", "flood", "long_reply", "slow"],
)  # fmt: skip
def test_every_misbehaviour_is_a_fault(answer: Callable[[BaseHTTPRequestHandler], None], why: str) -> None:
    with misbehaving(answer) as url, pytest.raises(BackendFault, match=why):
        model_at(url).chat(ChatRequest("", "Look.", "", 16, 1, 0.0, 1.0))


def test_nobody_there_is_a_fault() -> None:
    with pytest.raises(BackendFault, match="endpoint failed"):
        model_at("http://127.0.0.1:9/v1").chat(ASK)


def test_an_empty_stream_is_an_empty_unfinished_reply() -> None:
    with misbehaving(lambda h: _say(h, 200, b"data: [DONE]\n")) as url:
        reply = model_at(url).chat(ASK)
    assert (reply.text, reply.finished) == ("", False)


@pytest.mark.parametrize("url", ["http://example.org/v1", "http://localhost.example.org/v1", "http://10.0.0.5:8080/v1"])
def test_photos_do_not_leave_the_machine_unless_somebody_says_so(url: str) -> None:
    with pytest.raises(ValidationError, match="leaves this machine"):
        AdvisorSettings(backend="http", endpoint_url=url)
    assert AdvisorSettings(backend="http", endpoint_url=url, allow_remote_endpoint=True).endpoint_url == url
    for near in ("http://localhost:1/v1", "http://127.0.0.2/v1", "http://[::1]:8080/v1"):
        assert AdvisorSettings(backend="http", endpoint_url=near).endpoint_url == near
