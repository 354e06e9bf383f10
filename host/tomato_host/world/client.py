"""A client of a world that is served: REST and the stream, with a token; blocking, for scripts, tools and tests.

Answers are plain JSON objects. What the host refuses before admission (no token, unknown agent, too many requests)
raises; an answer of admission is returned, also when it says no: `code` is not null then.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from tomato_host.errors import TomatoError

Json = dict[str, Any]
JSON_PROTOCOL, PROTO_PROTOCOL = "tomato.world.v1+json", "tomato.world.v1+proto"
RECEIVE_BYTES = 65_536


class StreamEnded(Exception):
    """The host has ended the stream. `code` is the WebSocket's."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the stream has ended: {code} {reason}".strip())
        self.code = code


class WorldClient:
    """One agent's access to one world."""

    def __init__(self, url: str, tent: str, agent: str, token: str, timeout_s: float = 15.0) -> None:
        """`url`: of the host, like http://127.0.0.1:8421."""
        self.agent = agent
        self.tent = tent
        self._base = url.rstrip("/")
        self._token = token
        self._path = f"/api/world/{tent}/agents/{agent}"
        self._timeout_s = timeout_s
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=self._base, headers=headers, timeout=timeout_s, trust_env=False)

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def view(self) -> Json:
        """The whole view: `view_seq`, `sim_time_s`, `snapshot`."""
        return self._get("/view")

    def deltas(self, since: int) -> Json:
        """What has changed since a view."""
        return self._get(f"/deltas?since={since}")

    def submit(self, intent_id: str, kind: str, payload: Json | None = None, **more: Any) -> Json:
        """Submit an intent; the same id again gets the same answer. `more`: context_seq, deadline_ms, shadow."""
        body = {"kind": kind, "payload": payload or {}, **more}
        return self._post("/intents", body, {"Idempotency-Key": intent_id}, answers=True)

    def what_if(self, kind: str, payload: Json | None = None, forecast: bool = False) -> Json:
        """The verdict that an intent would get; nothing happens. `forecast`: the next 36 h with and without it, too."""
        return self._post("/what-if", {"kind": kind, "payload": payload or {}, "forecast": forecast})

    def send(self, text: str, to: str | None = None) -> Json:
        """Send a message to all agents, or to one."""
        return self._post("/messages", {"text": text, "to": to})

    def stream(self, protocol: str = JSON_PROTOCOL) -> WorldStream:
        """Open the stream. Raises TomatoError E-WORLD-STREAM when the host refuses."""
        return WorldStream(self._base, f"{self._path}/stream", self._token, protocol, self._timeout_s)

    # -- inside ------------------------------------------------------------------------------------------------

    def _get(self, path: str) -> Json:
        return self._request("GET", path, None, {}, False)

    def _post(self, path: str, body: Json, headers: Json | None = None, answers: bool = False) -> Json:
        return self._request("POST", path, body, headers or {}, answers)

    def _request(self, method: str, path: str, body: Json | None, headers: Json, answers: bool) -> Json:
        try:
            response = self._http.request(method, self._path + path, json=body, headers=headers)
            content: Any = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise _unreachable(self._base, error) from None
        is_answer = answers and isinstance(content, dict) and content.get("schema_version") == "answer_v1"
        if response.is_success or is_answer:
            return dict(content)
        raise TomatoError(
            "E-WORLD-HOST",
            f"{self._base} refused with {response.status_code}: {content.get('detail', '')}",
            "check --url, --tent, agent and token; `tomato-host token list` shows what a token is for",
        )


class WorldStream:
    """An open stream. `receive` blocks; `send` does not wait for an answer."""

    def __init__(self, base: str, path: str, token: str, protocol: str, timeout_s: float) -> None:
        parts = urlsplit(base)
        port = parts.port or 80
        self._waiting: list[str | bytes] = []
        self._text: list[str] = []
        self._bytes: list[bytes] = []
        self._ws = WSConnection(ConnectionType.CLIENT)
        try:
            self._socket = socket.create_connection((parts.hostname or "", port), timeout_s)
        except OSError as error:
            raise _unreachable(base, error) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        host = f"{parts.hostname}:{port}"
        self._write(Request(host=host, target=path, subprotocols=[protocol, f"bearer.{token}"]))
        self._accept(base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stream."""
        try:
            self._write(CloseConnection(code=1000))
        except (OSError, ProtocolError):
            pass  # it had ended already
        self._socket.close()

    def send(self, message: Json) -> None:
        """Send one message as JSON, like {"intent": {...}}."""
        self._write(TextMessage(json.dumps(message)))

    def send_bytes(self, message: bytes) -> None:
        """Send one ClientMessage of protobuf."""
        self._write(BytesMessage(message))

    def receive(self, timeout_s: float | None = None) -> Json:
        """The next message. Raises StreamEnded, TimeoutError."""
        found: Json = json.loads(self.receive_frame(timeout_s))
        return found

    def receive_frame(self, timeout_s: float | None = None) -> str | bytes:
        """The next frame as it came. Raises StreamEnded, TimeoutError."""
        self._socket.settimeout(timeout_s)
        while not self._waiting:
            self._read()
        return self._waiting.pop(0)

    def messages(self) -> Iterator[Json]:
        """Every message until the stream ends."""
        while True:
            try:
                yield self.receive()
            except StreamEnded:
                return

    # -- inside ------------------------------------------------------------------------------------------------

    def _accept(self, base: str) -> None:
        status, body = 0, b""
        while True:
            self._receive_bytes()
            for event in self._ws.events():
                if isinstance(event, AcceptConnection):
                    self._apply_events()
                    return
                if isinstance(event, RejectConnection):
                    status = event.status_code
                    if event.has_body:
                        continue
                elif isinstance(event, RejectData):
                    body += event.data
                    if not event.body_finished:
                        continue
                self._socket.close()
                text = f"{base} refused the stream with {status}: {body.decode(errors='replace')[:300]}"
                raise TomatoError("E-WORLD-STREAM", text, "check agent, tent and token")

    def _read(self) -> None:
        self._receive_bytes()
        self._apply_events()

    def _receive_bytes(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            raise StreamEnded(1006, "the connection was closed")
        self._ws.receive_data(data)

    def _apply_events(self) -> None:
        for event in self._ws.events():
            if isinstance(event, Ping):
                self._write(event.response())
            elif isinstance(event, CloseConnection):
                raise StreamEnded(event.code, event.reason or "")
            elif isinstance(event, Message):
                self._add(event)

    def _add(self, event: Message[Any]) -> None:
        parts: list[Any] = self._text if isinstance(event, TextMessage) else self._bytes
        parts.append(event.data)
        if event.message_finished:
            empty = "" if isinstance(event, TextMessage) else b""
            self._waiting.append(empty.join(parts))
            parts.clear()

    def _write(self, event: Any) -> None:
        self._socket.sendall(self._ws.send(event))


def _unreachable(base: str, error: Exception) -> TomatoError:
    return TomatoError("E-WORLD-HOST", f"{base} does not answer: {error}", "start the host, or give its --url")
