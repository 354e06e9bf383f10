"""The shared world by WebSocket: one agent's observations as they come, and its intents, answered in any order.

The subprotocol names version and encoding (`tomato.world.v1+json` or `+proto`); the token comes as a second offered
subprotocol, `bearer.<token>`, or in the header Authorization, never in the address. Host and origin are checked by the
middleware before this is reached. One task sends, one receives: a reader that does not read stops its own sending task
and nothing else. A token that is revoked or expires ends its streams within `CHECK_S`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tomato_host.brain.admission.answers import Answer
from tomato_host.service.security import bearer
from tomato_host.service.stream_codec import ClientMessage, ClientMessageRefused, decode_client_message, draft_of
from tomato_host.service.tent_host import InvalidIntent
from tomato_host.service.tokens import RANK
from tomato_host.service.world_access import AccessRefused, Caller, WorldAccess
from tomato_host.service.world_host import AgentFeed, DraftRefused, Outgoing, ViewReader, WorldHost, WorldUnavailable

JSON_PROTOCOL, PROTO_PROTOCOL = "tomato.world.v1+json", "tomato.world.v1+proto"
BEARER = "bearer."
LARGEST_FRAME = 65_536
"""Bytes of a client's frame; a longer one ends the connection (1009)."""
MOST_STREAMS = 128
"""Open streams of one agent."""
MOST_IN_FLIGHT = 64
"""Intents of one stream that wait for their answers."""
CHECK_S = 2.0
TOO_LARGE, NOT_ALLOWED = 1009, 4401


def add_world_stream(app: FastAPI, access: WorldAccess) -> None:
    """`/api/world/{tent}/agents/{agent}/stream`."""
    streams: Counter[str] = Counter()

    @app.websocket("/api/world/{tent}/agents/{agent}/stream")
    async def stream(websocket: WebSocket, tent: str, agent: str) -> None:
        try:
            protocol, secret = offered(websocket)
            host, caller = await access.enter(secret, tent, agent, "view")
            feed = await _open_feed(host, caller)
            if streams[agent] >= MOST_STREAMS:
                raise AccessRefused(429, "STREAMS", f"{agent} has {MOST_STREAMS} streams open already")
        except AccessRefused as refused:
            body = {"detail": refused.text, "code": refused.code}
            await websocket.send_denial_response(JSONResponse(body, refused.status))
            return
        streams[agent] += 1
        try:
            await websocket.accept(protocol)
            await AgentStream(websocket, access, host, caller, feed, secret, protocol == PROTO_PROTOCOL).run()
        finally:
            streams[agent] -= 1


def offered(websocket: WebSocket) -> tuple[str, str]:
    """Subprotocol and token of a handshake. Raises AccessRefused 400."""
    names: list[str] = websocket.scope.get("subprotocols", [])
    known = [name for name in names if name in (JSON_PROTOCOL, PROTO_PROTOCOL)]
    if not known:
        raise AccessRefused(400, "SUBPROTOCOL", f"offer {JSON_PROTOCOL} or {PROTO_PROTOCOL}")
    secrets = [name.removeprefix(BEARER) for name in names if name.startswith(BEARER)]
    return known[0], secrets[0] if secrets else bearer(websocket.headers.get("authorization", ""))


async def _open_feed(host: WorldHost, caller: Caller) -> AgentFeed:
    try:
        return await host.feed(caller.agent)
    except KeyError:
        raise AccessRefused(404, "UNKNOWN_AGENT", f"{host.tent} has no agent {caller.agent}") from None
    except WorldUnavailable as error:
        raise AccessRefused(503, "UNAVAILABLE", str(error)) from None


class AgentStream:
    """One open connection."""

    def __init__(
        self,
        websocket: WebSocket,
        access: WorldAccess,
        host: WorldHost,
        caller: Caller,
        feed: AgentFeed,
        secret: str,
        binary: bool,
    ) -> None:
        self._websocket = websocket
        self._access = access
        self._host = host
        self._caller = caller
        self._feed = feed
        self._secret = secret
        self._binary = binary
        self._reader: ViewReader = feed.open_reader()
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send and receive until one side ends it."""
        welcome = {"schema_version": "welcome_v1", "world": self._host.tent, "agent": self._caller.agent}
        tasks = [
            asyncio.create_task(self._send_all(Outgoing({"welcome": welcome}))),
            asyncio.create_task(self._receive_all()),
            asyncio.create_task(self._watch_token()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.close_reader(self._reader)
            for task in (*tasks, *self._in_flight):
                task.cancel()
        for task in done:
            with suppress(WebSocketDisconnect, OSError, RuntimeError):
                task.result()

    async def _send_all(self, welcome: Outgoing) -> None:
        await self._send(welcome)
        while True:
            await self._send(await self._reader.get())

    async def _send(self, outgoing: Outgoing) -> None:
        if self._binary:
            await self._websocket.send_bytes(outgoing.proto)
        else:
            await self._websocket.send_text(outgoing.json)

    async def _watch_token(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                self._access.token(self._secret)
            except AccessRefused as refused:
                await self._close(NOT_ALLOWED, refused.text)
                return

    async def _receive_all(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                if message.get("code") == TOO_LARGE:
                    await self._report_size()
                return
            data = message.get("text") or message.get("bytes") or b""
            if len(data) > LARGEST_FRAME:
                await self._report_size()
                await self._close(TOO_LARGE, f"at most {LARGEST_FRAME} bytes")
                return
            await self._on_frame(data)

    async def _report_size(self) -> None:
        text = f"{self._caller.agent} sent a frame of more than {LARGEST_FRAME} bytes"
        await self._access.violation(self._host, self._caller, "frame_too_large", text)

    async def _close(self, code: int, reason: str) -> None:
        if self._websocket.application_state is WebSocketState.CONNECTED:
            await self._websocket.close(code, reason[:120])

    async def _on_frame(self, data: str | bytes) -> None:
        """One message; whatever is wrong with it is answered, and the stream goes on."""
        try:
            if isinstance(data, bytes) != self._binary:
                raise ClientMessageRefused("text frames are JSON, binary frames protobuf, as the subprotocol says")
            message = decode_client_message(data, self._caller.agent)
            self._access.token(self._secret)
            await self._access.count(self._host, self._caller)
            await self._apply(message)
        except ClientMessageRefused as refused:
            self._error("INVALID", str(refused))
        except AccessRefused as refused:
            self._error(refused.code, refused.text, refused.retry_after_s)
        except DraftRefused as refused:
            self._error("NOT_PERMITTED", str(refused))
        except WorldUnavailable as error:
            self._error("UNAVAILABLE", str(error), 1.0)
        except KeyError as error:
            self._error("UNKNOWN_AGENT", str(error))

    async def _apply(self, message: ClientMessage) -> None:
        if message.kind == "resync":
            self._reader.offer(self._feed.snapshot_message())
            return
        if RANK[self._caller.role] < RANK["operate"]:
            raise AccessRefused(403, "ROLE", "this token may look only; the role operate is needed")
        if message.kind == "intent":
            if len(self._in_flight) >= MOST_IN_FLIGHT:
                raise AccessRefused(429, "BACKPRESSURE", "too many intents of this stream wait for answers", 1.0)
            task = asyncio.create_task(self._submit(message.body))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
        elif message.kind == "cancel":
            reason = message.body.get("reason") or "by its agent"
            await self._host.cancel(self._caller.agent, message.body["id"], reason)
        else:
            await self._host.emit(draft_of(message, self._caller.agent))

    async def _submit(self, intent: Any) -> None:
        try:
            answer = await self._host.submit(intent)
        except InvalidIntent as error:
            self._error("INVALID", f"{intent['id']}: {error}")
        except WorldUnavailable as error:
            self._error("UNAVAILABLE", f"{intent['id']}: {error}", 1.0)
        except KeyError as error:
            self._error("UNKNOWN_AGENT", str(error))
        else:
            self._reader.reply(Outgoing({"answer": answer_object(answer)}))

    def _error(self, code: str, text: str, retry_after_s: float | None = None) -> None:
        body: dict[str, Any] = {"code": code, "text": text[:400]}
        if retry_after_s is not None:
            body["retry_after_s"] = retry_after_s
        self._reader.reply(Outgoing({"error": body}))


def answer_object(answer: Answer) -> dict[str, Any]:
    """An answer as an object of the stream."""
    found: dict[str, Any] = json.loads(answer.to_json())
    return found
