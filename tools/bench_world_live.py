"""The shared world from outside, on a live host with the virtual board; bare peers in the same run.

The host is what `tomato-host run` starts: deciding loop, service process at its low priority, virtual board. Peers are
uvicorn applications that do nothing else: one that echoes a POST, and one that sends what is posted to ten readers.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from tomato_host.service.tokens import TokenFile
from tomato_host.twin import server
from tomato_host.world.client import JSON_PROTOCOL, WorldStream

TITLE = "shared world from outside, live"
READERS = 10
EVENTS_PER_S = 50.0
WARM = 20
CONFIG = """[service]
port = {port}
agent_per_minute = 1000000
tent_per_minute = 1000000
reads_per_minute = 100000
[weather]
provider = 'none'
[advisor]
enabled = false
"""


def run(quick: bool) -> dict[str, Any]:
    """Times in ms, seen by the client; the load average tells what else the machine did."""
    requests, events = (60, 50) if quick else (600, 500)
    figures: dict[str, Any] = {"load_average_1min": round(os.getloadavg()[0], 1)}
    with bare() as port:
        figures["bare_echo_post"] = timed(requests, sender(port, "/echo", ""))
        figures["bare_event_to_reader"] = delivery(port, [("/stream", "")] * READERS, ("/say", ""), events)
    with tempfile.TemporaryDirectory() as place, live(Path(place)) as (port, data):
        tokens = TokenFile(data)
        secret = {name: tokens.create(name, "operate", name, ("main",)) for name in ("owner", "api", "sitter")}
        readers = [tokens.create(f"reader{i}", "operate", "sitter", ("main",)) for i in range(READERS)]
        at = "/api/world/main/agents"
        figures["get_view"] = timed(requests, getter(port, f"{at}/sitter/view", secret["sitter"]))
        figures["post_intent"] = timed(requests, sender(port, f"{at}/sitter/intents", secret["sitter"]))
        figures["post_what_if"] = timed(requests // 4, sender(port, f"{at}/sitter/what-if", secret["sitter"]))
        streams = [(f"{at}/sitter/stream", token) for token in readers]
        figures["event_to_reader"] = delivery(port, streams, (f"{at}/owner/messages", secret["owner"]), events)
        figures["lease"] = lease(port)
    return figures


def timed(count: int, call: Callable[[int], None]) -> dict[str, float]:
    """Median and 99th percentile of so many calls, one after the other over one connection."""
    took_ms = list[float]()
    for number in range(WARM + count):
        began_s = time.perf_counter()
        call(number)
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    return _quantiles(took_ms[WARM:])


def getter(port: int, path: str, token: str) -> Callable[[int], None]:
    """A call that reads `path`."""
    link = http.client.HTTPConnection("127.0.0.1", port)

    def get(_number: int) -> None:
        link.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = link.getresponse()
        assert answer.read() and answer.status == 200, answer.status

    return get


def sender(port: int, path: str, token: str, text: str = "") -> Callable[[int], None]:
    """A call that posts an intent that switches a fan off (free of quotas), or a message."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    off = {"kind": "SET_CIRCULATION_FAN", "payload": {"state": "OFF", "reason": "bench"}}

    def post(number: int) -> None:
        body = {"text": f"{text} {number}"} if text else off
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if not text and not path.endswith("what-if"):
            headers["Idempotency-Key"] = f"bench-{number}"
        link.request("POST", path, json.dumps(body), headers)
        answer = link.getresponse()
        content = answer.read()
        assert answer.status == 200, (answer.status, content)

    return post


def delivery(port: int, streams: list[tuple[str, str]], to: tuple[str, str], events: int) -> dict[str, float]:
    """From the moment before a message is posted to each of the readers: the POST is part of it."""
    context = multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    reading = context.Process(target=read, args=(port, streams, events + WARM, results))
    reading.start()
    assert results.get(timeout=60.0) == "ready"
    post, sent_s = sender(port, to[0], to[1], "bench"), list[float]()
    began_s = time.monotonic()
    for number in range(events + WARM):
        time.sleep(max(0.0, began_s + number / EVENTS_PER_S - time.monotonic()))
        sent_s.append(time.monotonic())
        post(number)
    lasted_s = time.monotonic() - began_s
    found: list[tuple[int, float]] = results.get(timeout=60.0)
    reading.join()
    took_ms = [(at_s - sent_s[number]) * 1e3 for number, at_s in found if number >= WARM]
    assert len(took_ms) == events * len(streams), "every reader has read everything"
    return {**_quantiles(took_ms), "events_per_s": (events + WARM) / lasted_s}


def read(port: int, streams: list[tuple[str, str]], events: int, results: Any) -> None:
    """A process of readers, each with a thread: number and moment of every message of the bench."""
    found = list[tuple[int, float]]()
    opened = [
        WorldStream(f"http://127.0.0.1:{port}", path, token or "none", JSON_PROTOCOL, 60.0) for path, token in streams
    ]

    def follow(stream: WorldStream) -> None:
        seen = 0
        while seen < events:
            frame = stream.receive_frame(60.0)
            at_s, number = time.monotonic(), re.search(r'"text": ?"bench (\d+)"', str(frame))
            if number and '"observation"' not in str(frame):
                found.append((int(number[1]), at_s))
                seen += 1

    threads = [threading.Thread(target=follow, args=(stream,)) for stream in opened]
    for thread in threads:
        thread.start()
    results.put("ready")
    for thread in threads:
        thread.join()
    results.put(found)


def lease(port: int) -> dict[str, float]:
    """How late the host renewed its lease while it was measured: shares of all renewals, from its own histogram."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    link.request("GET", "/metrics")
    text = link.getresponse().read().decode()
    rows = re.findall(r'tomato_world_stage_seconds_bucket\{le="([^"]+)",stage="lease"\} (\S+)', text)
    late = {float(bound): float(count) for bound, count in rows}
    renewals = late[float("inf")]
    return {
        "renewals": renewals,
        "share_at_most_20_ms_late": late[0.02] / renewals,
        "share_at_most_250_ms_late": late[0.25] / renewals,
    }


@contextmanager
def live(place: Path) -> Iterator[tuple[int, Path]]:
    """A host with its first state and the agent `sitter`: its port and its data."""
    data, port = place / "data", _free_port()
    (place / "t.toml").write_text(CONFIG.format(port=port))
    command = [sys.executable, "-m", "tomato_host"]
    with server.start(flash=place / "flash") as board:
        given = ["--board", board.port_path, "--config", f"{place}/t.toml", "--data-dir", f"{data}"]
        host = subprocess.Popen([*command, "run", "--json", *given], stdout=subprocess.DEVNULL)
        try:
            _wait(lambda: any((data / "private").glob("states_*")) and _listens(port))
            words = ["world", "add", "sitter", "--origin", "api", "--policy", "full", "--reason", "bench"]
            subprocess.run([*command, *words, "--data-dir", f"{data}"], check=True, stdout=subprocess.DEVNULL)
            time.sleep(2.0)
            yield port, data
        finally:
            host.send_signal(signal.SIGINT)
            host.wait(30)


@contextmanager
def bare() -> Iterator[int]:
    """Bare peers in a process of their own; yields their port."""
    port = _free_port()
    process = multiprocessing.get_context("spawn").Process(target=serve_bare, args=(port,), daemon=True)
    process.start()
    _wait(lambda: _listens(port))
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def serve_bare(port: int) -> None:
    """Echo POSTs; send what is posted to /say to every open WebSocket."""
    readers = set[Any]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept", "subprotocol": JSON_PROTOCOL})
            readers.add(send)
            while (await receive())["type"] != "websocket.disconnect":
                pass
            readers.discard(send)
        else:
            body = (await receive())["body"]
            if scope["path"] == "/say":
                for reader in list(readers):
                    await reader({"type": "websocket.send", "text": body.decode()})
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    uvicorn.run(app, host="127.0.0.1", port=port, ws="wsproto", log_level="error", access_log=False)


def _quantiles(took_ms: list[float]) -> dict[str, float]:
    ordered = sorted(took_ms)
    return {"p50_ms": ordered[len(ordered) // 2], "p99_ms": ordered[int(len(ordered) * 0.99)]}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def _wait(condition: Callable[[], bool], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("it did not start")
        time.sleep(0.1)
