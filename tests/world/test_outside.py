"""A served world from outside: views, intents, messages, what-if; and the bad input that it answers clearly."""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tomato_host.errors import TomatoError
from tomato_host.service import connection_limits
from tomato_host.service.serve import bind
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile
from tomato_host.service.world_host import MOST_WAITING, AgentFeed
from tomato_host.world.client import PROTO_PROTOCOL, StreamEnded, WorldClient, WorldStream
from tomato_host.world.delta import apply

from shared_schemas.world.stream_pb2 import ClientMessage, ServerMessage
from tests.world.served import Served, served

AT = "/api/world/bench/agents/ann"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("tokens"), quarantine_after=0) as running:
        yield running


def ask(world: Served, method: str, path: str, token: str = "", **more: Any) -> httpx.Response:
    headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **more.pop("headers", {})}
    return httpx.request(method, world.url + path, headers=headers, timeout=20.0, trust_env=False, **more)


def until(stream: WorldStream, kind: str) -> Any:
    """The next message of a kind."""
    while True:
        message = stream.receive(15.0)
        if kind in message:
            return message[kind]


def entered(world: Served, name: str, at: list[float]) -> None:
    with world.client(name) as client:
        answer = client.submit(f"{name}-enter-{time.monotonic_ns()}", "enter", {"at": at})
        if answer["code"] == "INTENT_CONFLICT":  # on the bench already, from an earlier test
            answer = client.submit(f"{name}-back-{time.monotonic_ns()}", "move", {"to": at})
        assert answer["status"] == "accepted", answer


def test_view_deltas_and_etag(world: Served) -> None:
    with world.client("ann") as client:
        entered(world, "ann", [0.6, 1.3])
        first = client.view()
        assert sorted(first["snapshot"]["pots"]) == ["P1", "P2"]
        client.submit("ann-move", "move", {"to": [1.2, 1.3]})
        newer = client.deltas(first["view_seq"])
        assert newer["view_seq"] > first["view_seq"]
        document = first["snapshot"]
        for delta in newer["deltas"]:
            document = delta["snapshot"] if delta["patch"] is None else apply(document, delta["patch"])
        assert document == client.view()["snapshot"]
        assert client.deltas(newer["view_seq"])["deltas"] == []
        assert client.deltas(10**12)["deltas"][0]["patch"] is None
    token = world.token("ann")
    tag = ask(world, "GET", f"{AT}/view", token).headers["etag"]
    assert ask(world, "GET", f"{AT}/view", token, headers={"If-None-Match": tag}).status_code == 304


def test_an_id_has_one_answer_byte_for_byte(world: Served) -> None:
    token = world.token("ben")
    entered(world, "ben", [2.0, 1.3])
    before = len(list(world.host.host.log.entries_since(0)))
    body = {"kind": "move", "payload": {"to": [2.2, 1.3]}}
    answers = [
        ask(world, "POST", "/api/world/bench/agents/ben/intents", token, json=body, headers={"Idempotency-Key": "once"})
        for _ in range(3)
    ]
    assert {answer.content for answer in answers} == {answers[0].content} and answers[0].status_code == 200
    assert len(list(world.host.host.log.entries_since(0))) == before + 1
    other = ask(
        world, "POST", "/api/world/bench/agents/ben/intents", token, json={**body, "payload": {"to": [2.4, 1.3]}},
        headers={"Idempotency-Key": "once"},
    )  # fmt: skip
    assert other.status_code == 422 and other.json()["code"] == "ID_REUSED"
    assert ask(world, "POST", "/api/world/bench/agents/ben/intents", token, json=body).status_code == 400


def test_a_message_with_a_key_is_sent_once(world: Served) -> None:
    token, before = world.token("ann"), world.host.host.log.last_n
    sent = [
        ask(world, "POST", f"{AT}/messages", token, json={"text": "hello"}, headers={"Idempotency-Key": "hello-1"})
        for _ in range(2)
    ]
    assert sent[0].status_code == 200 and sent[0].content == sent[1].content
    assert world.host.host.log.last_n == before + 1


def test_a_refusal_has_its_status_and_code(world: Served) -> None:
    token = world.token("ann")
    refused = ask(
        world, "POST", f"{AT}/intents", token, json={"kind": "fly", "payload": {}}, headers={"Idempotency-Key": "fly"}
    )
    assert refused.status_code == 403 and refused.json()["code"] == "NOT_PERMITTED"


def test_what_if_changes_nothing(world: Served) -> None:
    entered(world, "ann", [0.6, 1.3])
    with world.client("ann") as client:
        before, log = client.view(), world.host.host.log.last_n
        found = client.what_if("move", {"to": [1.0, 1.3]})
        assert found["verdict"]["status"] == "accepted" and found["effect"] is False
        assert {"op": "replace", "path": "/agents/ann/position", "value": [1.0, 1.3]} in found["changes"]
        assert client.what_if("water", {"pot": "P1", "ml": 50})["verdict"]["code"] == "INTENT_CONFLICT"
        assert client.view() == before and world.host.host.log.last_n == log


def test_the_stream_sends_views_events_and_answers(world: Served) -> None:
    entered(world, "ann", [0.6, 1.3])
    entered(world, "ben", [1.5, 1.3])
    with world.client("ann") as ann, world.client("ben") as ben, ann.stream() as stream:
        assert until(stream, "welcome") == {"schema_version": "welcome_v1", "world": "bench", "agent": "ann"}
        document = until(stream, "observation")["snapshot"]
        ben.send("the can is mine", to="ann")
        assert until(stream, "effect")["payload"]["text"] == "the can is mine"
        stream.send({"intent": {"id": f"s-{time.monotonic_ns()}", "kind": "move", "payload": {"to": [0.7, 1.3]}}})
        assert until(stream, "answer")["status"] == "accepted"
        stream.send({"resync": {}})
        document = until(stream, "observation")["snapshot"] or document
        assert document["agents"]["ann"]["position"]


def test_a_stream_is_no_silent_connection_and_counts_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_limits, "FIRST_REQUEST_S", 0.2)
    with served(tmp_path) as world, world.client("ann") as ann:
        opened = connection_limits.LimitedProtocol.open_by_client
        before = opened["127.0.0.1"]
        with ann.stream() as stream:
            until(stream, "observation")
            time.sleep(0.6)
            stream.send({"resync": {}})
            assert until(stream, "observation") and opened["127.0.0.1"] == before + 1
        end = time.monotonic() + 10.0
        while opened["127.0.0.1"] > before and time.monotonic() < end:
            time.sleep(0.02)
        assert opened["127.0.0.1"] == before


def test_protobuf_says_the_same_as_json(world: Served) -> None:
    entered(world, "ann", [0.6, 1.3])
    with world.client("ann") as ann, ann.stream(PROTO_PROTOCOL) as stream:
        assert ServerMessage.FromString(stream.receive_frame(15.0)).welcome.agent == "ann"
        seen = ServerMessage.FromString(stream.receive_frame(15.0)).observation
        assert seen.view_seq > 0 and "pots" in seen.snapshot
        message = ClientMessage()
        message.intent.id, message.intent.kind = f"p-{time.monotonic_ns()}", "move"
        message.intent.payload.update({"to": [0.8, 1.3]})
        message.intent.context_seq = seen.view_seq
        stream.send_bytes(message.SerializeToString())
        while True:
            answer = ServerMessage.FromString(stream.receive_frame(15.0))
            if answer.WhichOneof("kind") == "answer":
                break
        assert answer.answer.status == "accepted" and answer.answer.id == message.intent.id
        stream.send_bytes(b"\xff\xff\xff")
        while True:
            error = ServerMessage.FromString(stream.receive_frame(15.0))
            if error.WhichOneof("kind") == "error":
                break
        assert error.error.code == "INVALID"


def test_a_message_that_is_none_is_answered_and_the_stream_goes_on(world: Served) -> None:
    bad = [
        {},
        {"intent": {}, "cancel": {}},
        {"fly": {}},
        {"intent": {"id": "x", "kind": "move", "surprise": 1}},
        {"intent": {"id": "x", "kind": "move", "agent": "ben"}},
        {"intent": {"id": "x", "kind": "move", "schema_version": "intent_v9"}},
        {"message": {"text": ""}},
        {"tick": {"sim_time_s": 5.0}},
        [],
        "text",
        None,
    ]
    with world.client("ann") as ann, ann.stream() as stream:
        for message in bad:
            stream.send(message)  # type: ignore[arg-type]
            error = until(stream, "error")
            assert error["code"] in ("INVALID", "NOT_PERMITTED") and error["text"], message
        stream.send({"resync": {}})
        assert until(stream, "observation")


# -- bad input ---------------------------------------------------------------------------------------------------


def test_what_is_accepted_sends_at_once() -> None:
    """With Nagle's algorithm an answer in two writes waits for the reader's delayed acknowledgement: 40 ms each."""

    async def sends_at_once() -> int:
        listening, found = bind(ServiceSettings(port=0)), asyncio.get_running_loop().create_future()

        async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accept, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname()[:2])
            option: int = await found
            writer.close()
        return option

    assert asyncio.run(sends_at_once()) == 1


def test_an_unknown_agent_and_an_unknown_tent(world: Served) -> None:
    token = world.token("nobody")
    refused = ask(world, "GET", "/api/world/bench/agents/nobody/view", token)
    assert refused.status_code == 404 and "nobody" in refused.json()["detail"]
    assert ask(world, "GET", "/api/world/moon/agents/nobody/view", token).json()["code"] == "UNKNOWN_TENT"
    with world.client("nobody", token) as client, pytest.raises(TomatoError, match="404"):
        client.stream()


def test_the_token_of_another_tent_or_agent(world: Served) -> None:
    foreign = world.token("ann", tents=("greenhouse",))
    refused = ask(world, "GET", f"{AT}/view", foreign)
    assert refused.status_code == 403 and refused.json()["code"] == "FOREIGN_TENT"
    with world.client("ann", foreign) as client, pytest.raises(TomatoError, match="FOREIGN_TENT"):
        client.stream()
    other = ask(world, "GET", f"{AT}/view", world.token("ben"))
    assert other.status_code == 403 and other.json()["code"] == "FOREIGN_AGENT"


def test_an_expired_and_a_revoked_token(world: Served) -> None:
    gone = TokenFile(world.data_dir).create("gone", "operate", "ann", (), timedelta(seconds=-1))
    refused = ask(world, "GET", f"{AT}/view", gone)
    assert refused.status_code == 401 and refused.json()["code"] == "TOKEN_EXPIRED"
    written = ask(world, "POST", f"{AT}/messages", gone, json={"text": "x"})
    assert written.status_code == 401 and "expired" in written.json()["detail"]
    with world.client("ann", gone) as client, pytest.raises(TomatoError, match="401"):
        client.stream()
    short = TokenFile(world.data_dir).create("short", "operate", "ann")
    with world.client("ann", short) as client, client.stream() as stream:
        until(stream, "observation")
        TokenFile(world.data_dir).revoke("short")
        stream.send({"resync": {}})
        assert until(stream, "error")["code"] == "TOKEN"
        with pytest.raises(StreamEnded) as ended:
            until(stream, "never")
        assert ended.value.code == 4401


def test_a_role_that_may_only_look(world: Served) -> None:
    looker = world.token("ann", "view")
    assert ask(world, "GET", f"{AT}/view", looker).status_code == 200
    assert ask(world, "POST", f"{AT}/messages", looker, json={"text": "x"}).json()["code"] == "ROLE"
    with world.client("ann", looker) as client, client.stream() as stream:
        stream.send({"message": {"text": "x"}})
        assert until(stream, "error")["code"] == "ROLE"


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token_in_an_address_is_refused_also_when_it_is_valid(world: Served, key: str) -> None:
    token = world.token("ann")
    refused = ask(world, "GET", f"{AT}/view?{key}={token}", token)
    assert refused.status_code == 401 and "address" in refused.json()["detail"]
    assert handshake(world, token, target=f"{AT}/stream?{key}={token}").startswith("HTTP/1.1 401")


def handshake(world: Served, token: str, target: str = f"{AT}/stream", **headers: str) -> str:
    """The status line that a handshake gets."""
    lines = {
        "Host": f"127.0.0.1:{world.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": f"tomato.world.v1+json, bearer.{token}",
        **headers,
    }
    with socket.create_connection(("127.0.0.1", world.port), 10.0) as line:
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        line.sendall(f"GET {target} HTTP/1.1\r\n{text}\r\n".encode())
        return line.recv(400).decode(errors="replace")


def test_foreign_hosts_and_origins_open_no_stream(world: Served) -> None:
    token = world.token("ann")
    assert handshake(world, token).startswith("HTTP/1.1 101")
    assert handshake(world, token, Origin=world.url).startswith("HTTP/1.1 101")
    assert handshake(world, token, Host="evil.example").startswith("HTTP/1.1 421")
    for origin in ("https://evil.example", "null", "http://127.0.0.1.evil.example"):
        assert handshake(world, token, Origin=origin).startswith("HTTP/1.1 403"), origin
    assert handshake(world, "").startswith("HTTP/1.1 401")
    assert handshake(world, token, **{"Sec-WebSocket-Protocol": f"bearer.{token}"}).startswith("HTTP/1.1 400")


def test_a_frame_of_a_megabyte_ends_its_stream_and_no_other(world: Served) -> None:
    with world.client("ann") as ann, ann.stream() as other, ann.stream() as stream:
        until(stream, "observation")
        with pytest.raises((StreamEnded, ConnectionError)) as ended:
            stream.send({"message": {"text": "x" * 1_000_000}})
            until(stream, "never")
        if isinstance(ended.value, StreamEnded):
            assert ended.value.code in (1009, 1006)
        other.send({"resync": {}})
        assert until(other, "observation")
    big = ask(world, "POST", f"{AT}/messages", world.token("ann"), json={"text": "x" * 1_000_000})
    assert big.status_code == 413


@pytest.mark.parametrize("body", [b'{"kind": "move", "payload": {"x": NaN}}', b'{"kind": 1e999}', b"{", b'"\\ud800"'])
def test_bodies_are_strict_json(world: Served, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "strict"}
    refused = ask(world, "POST", f"{AT}/intents", world.token("ann"), content=body, headers=headers)
    assert refused.status_code == 422


def test_a_hundred_readers_that_do_not_read_hold_nobody(world: Served) -> None:
    """They fill their sockets; a reader that reads and the loop itself notice nothing."""
    entered(world, "ann", [0.6, 1.3])
    token = world.token("ann")
    with world.client("ann", token) as ann:
        slow = [ann.stream() for _ in range(100)]
        for one in slow:
            one._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        alone_ms, late_ms = [view_ms(ann) for _ in range(50)], []
        seen: list[str] = []
        stop = threading.Event()

        def watch() -> None:
            with world.client("ann", token) as other:
                while not stop.is_set():
                    late_ms.append(view_ms(other))

        watcher = threading.Thread(target=watch)
        with ann.stream() as stream:
            watcher.start()
            try:
                for number in range(300):
                    stream.send({"message": {"text": f"{number} " + "x" * 900}})
                    seen.append(until(stream, "effect")["payload"]["text"].split()[0])
            finally:
                stop.set()
                watcher.join()
        for one in slow:
            one.close()
    assert seen == [str(number) for number in range(300)]  # who reads gets everything, in order
    # Each message is written to a hundred sockets; a loop that waited for one of them would be late by seconds.
    assert statistics.median(late_ms) < 20.0 * max(statistics.median(alone_ms), 2.0), (alone_ms, late_ms)


def view_ms(client: WorldClient) -> float:
    """How long one request takes."""
    began = time.monotonic()
    assert client.view()["view_seq"]
    return (time.monotonic() - began) * 1_000.0


def test_a_reader_that_falls_behind_gets_the_whole_view() -> None:
    async def run() -> None:
        feed = AgentFeed()
        feed.add({"schema_version": "observation_delta_v1", "view_seq": 1, "sim_time_s": 0.0, "patch": None,
                  "snapshot": {"a": 0}})  # fmt: skip
        reader = feed.open_reader()
        for number in range(MOST_WAITING * 3 + 5):
            feed.add({"schema_version": "observation_delta_v1", "view_seq": number + 2, "sim_time_s": 0.0,
                      "patch": [{"op": "replace", "path": "/a", "value": number}], "snapshot": None})  # fmt: skip
        document: Any = None
        for _ in range(len(reader._waiting)):
            one = (await reader.get()).message["observation"]
            document = one["snapshot"] if one["patch"] is None else apply(document, one["patch"])
        assert document == feed.document == {"a": MOST_WAITING * 3 + 4}
        assert reader.lost > 0
        assert not feed.add({"schema_version": "observation_delta_v1", "view_seq": 10_000, "sim_time_s": 0.0,
                             "patch": [], "snapshot": None})  # fmt: skip

    asyncio.run(run())


# -- rates and quarantine ----------------------------------------------------------------------------------------


def test_rates_by_agent_and_tent(tmp_path: Path) -> None:
    with served(tmp_path, agent_per_minute=60, tent_per_minute=80, quarantine_after=0) as world:
        ann, ben = world.token("ann"), world.token("ben")
        statuses = [ask(world, "GET", f"{AT}/view", ann) for _ in range(12)]
        assert [s.status_code for s in statuses[:4]] == [200] * 4
        limited = [s for s in statuses if s.status_code == 429]
        assert limited and limited[0].headers["retry-after"] == "1" and limited[0].json()["code"] == "RATE"
        others = [ask(world, "GET", "/api/world/bench/agents/ben/view", ben).status_code for _ in range(12)]
        assert others[0] == 200 and 429 in others


def test_an_agent_that_does_not_stop_is_quarantined(tmp_path: Path) -> None:
    with served(tmp_path, quarantine_after=5) as world:
        token = world.token("ann")
        for _ in range(5):
            assert ask(world, "GET", "/api/world/bench/agents/ben/view", token).status_code == 403
        with world.client("ann", token) as ann:
            assert ann.submit("q-1", "enter", {"at": [0.5, 0.5]})["code"] == "QUARANTINED"
        with world.client("ben") as ben:  # its victim is not affected
            assert ben.submit("q-2", "enter", {"at": [0.5, 0.5]})["status"] == "accepted"
        stranger = ask(world, "GET", f"{AT}/view", "guessed")
        assert stranger.status_code == 401


def test_the_address_of_every_route_is_in_the_description(world: Served) -> None:
    paths = json.loads(ask(world, "GET", "/openapi.json").content)["paths"]
    below = {path.split("{agent}/")[1] for path in paths if "{agent}/" in path}
    assert below == {"view", "deltas", "intents", "intents/{intent_id}/cancel", "messages", "what-if"}
