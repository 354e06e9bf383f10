"""A model behind an OpenAI-compatible endpoint: llama-server, Ollama, or another process's xllamacpp."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx

from tomato_host.advisor.backends.chat import (
    REPLY_BYTES_MAX,
    BackendFault,
    ChatReply,
    ChatRequest,
    ReplyBuilder,
    error_text,
    openai_body,
)
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.world.cancel import CancelToken

WIRE_BYTES_MAX = 64 * REPLY_BYTES_MAX
"""A streamed token costs about 250 bytes of envelope; beyond this the server is not answering but flooding."""


class HttpModel:
    """Backend over httpx. Redirects are not followed: the address in the settings is the only one talked to."""

    def __init__(self, settings: AdvisorSettings, key: str | None) -> None:
        self._settings = settings
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A connection kept open between two cycles is one the server may close in the very moment it is used again.
        fresh = httpx.Limits(max_connections=1, max_keepalive_connections=0)
        self._client = httpx.Client(headers=headers, follow_redirects=False, trust_env=False, limits=fresh)

    @property
    def name(self) -> str:
        """For display."""
        return f"{self._settings.endpoint_model} at {self._settings.endpoint_url}"

    @property
    def sees(self) -> bool:
        """Assumed; a server without vision refuses the photo and the verdict is then unknown."""
        return True

    @property
    def model_hash(self) -> str:
        """The weights are out of reach; the configured name stands in their place."""
        allowed = "".join(c if c.isalnum() or c in "_.:-" else "-" for c in self._settings.endpoint_model)
        return f"endpoint:{allowed}"[:64]

    def chat(self, request: ChatRequest) -> ChatReply:
        """Stream one answer; every fault of server, network or format is a BackendFault."""
        started = time.monotonic()
        body = openai_body(request, model=self._settings.endpoint_model, dialect=self._settings.endpoint_dialect)
        builder = ReplyBuilder(f"http {self._settings.endpoint_dialect}")
        try:
            for chunk in self._chunks(body, started, request.deadline_s):
                builder.add(chunk, time.monotonic() - started)
        except httpx.HTTPError as fault:
            raise BackendFault(f"the endpoint failed: {error_text(fault)}") from fault
        return builder.reply(time.monotonic() - started)

    def stream(self, request: ChatRequest, token: CancelToken) -> Iterator[str]:
        """The answer piece by piece; ends at the first chunk after the token's cancel, and closes the connection.

        Raises BackendFault as `chat`.
        """
        started = time.monotonic()
        body = openai_body(request, model=self._settings.endpoint_model, dialect=self._settings.endpoint_dialect)
        builder = ReplyBuilder(f"http {self._settings.endpoint_dialect}")
        try:
            for chunk in self._chunks(body, started, request.deadline_s):
                if token.is_cancelled:
                    return
                piece = builder.add(chunk, time.monotonic() - started)
                if piece:
                    yield piece
        except httpx.HTTPError as fault:
            raise BackendFault(f"the endpoint failed: {error_text(fault)}") from fault

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _chunks(self, body: dict[str, Any], started: float, deadline_s: float) -> Iterator[Any]:
        url = self._settings.endpoint_url.rstrip("/") + "/chat/completions"
        timeout = httpx.Timeout(deadline_s, connect=min(5.0, deadline_s))
        with self._client.stream("POST", url, json=body, timeout=timeout) as response:
            if response.status_code != 200:
                raise BackendFault(f"the model server refused: {response.status_code} {_reason(response)}")
            for line in _lines(response, started + deadline_s):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                yield _parsed(data)


def _lines(response: httpx.Response, deadline_at_s: float) -> Iterator[bytes]:
    """Whole lines of the stream, within the limits of time and size."""
    rest, total = b"", 0
    for piece in response.iter_bytes(8_192):
        total += len(piece)
        if total > WIRE_BYTES_MAX:
            raise BackendFault(f"the reply is longer than {WIRE_BYTES_MAX} bytes on the wire")
        if time.monotonic() > deadline_at_s:
            raise BackendFault("the model took too long")
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    if rest:
        yield rest


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as fault:
        raise BackendFault("the model server sent no JSON") from fault


def _reason(response: httpx.Response) -> str:
    body = b""
    for piece in response.iter_bytes(2_048):
        body += piece
        break
    return error_text(body.decode(errors="replace"))
