"""A running host on the virtual board, reached by its agents from outside: views, intents, messages, quarantine."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import httpx
from tomato_host.loop.supervisor import INBOX_MS
from tomato_host.service.tokens import TokenFile
from tomato_host.world.client import WorldClient, WorldStream
from tomato_host.world.delta import apply

from tests.incidents.running_host import ROOT, RunningHost, running_host, until

MOST_MEDIAN_MS = INBOX_MS / 4.0
"""Half of what an inbox that is read every 500 ms would need on average; each answer waits for its record's write."""


def client(host: RunningHost, agent: str, role: str = "operate") -> WorldClient:
    token = TokenFile(host.data).create(f"{agent}-{role}-{time.monotonic_ns()}", role, agent, ("main",))
    return WorldClient(f"http://127.0.0.1:{host.port}", "main", agent, token)


def next_of(stream: WorldStream, kind: str) -> Any:
    end = time.monotonic() + 30.0
    while time.monotonic() < end:
        message = stream.receive(30.0)
        if kind in message:
            return message[kind]
    raise AssertionError(f"no {kind} came")


def fan(state: str, seconds: float = 60.0) -> dict[str, Any]:
    return {"state": state, **({"seconds": seconds} if state == "ON" else {}), "reason": "a test"}


def test_agents_of_a_tent_from_outside(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, _tent):
        until(lambda: host.records("states"), "the first state")
        assert host.command(
            "world", "add", "sitter", "--origin", "api", "--policy", "tent", "--may", "SET_CIRCULATION_FAN"
        ).returncode == 0  # fmt: skip
        sitter = client(host, "sitter")
        seen = until(lambda: sitter.view() if sitter.view()["snapshot"].get("air") else None, "a view")
        assert {"air", "soil", "mode"} <= set(seen["snapshot"]) and "messages" not in seen["snapshot"]
        check_stream(host, sitter)
        check_intents(host, sitter)
        check_repeated_switch(host)
        check_what_if(host, sitter)
        check_latency(host, sitter)
        check_metrics(host)
        check_quarantine(host, sitter)
        sitter.close()
        host.stop()
        host.assert_whole()
    checked = subprocess.run(
        [sys.executable, "-m", "tomato_host", "replay", str(host.data), "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def check_stream(host: RunningHost, sitter: WorldClient) -> None:
    """What the stream sends leads to the view that a request shows; a message arrives as an effect."""
    with sitter.stream() as stream:
        document: Any = next_of(stream, "observation")["snapshot"]
        owner = client(host, "owner")
        owner.send("the sitter may give 300 ml", to="sitter")
        assert next_of(stream, "effect")["payload"]["text"] == "the sitter may give 300 ml"
        stream.send({"intent": {"id": "fan-0", "kind": "SET_CIRCULATION_FAN", "payload": fan("ON", 30.0)}})
        answer = None
        while answer is None or "fan-0" not in document.get("actions", {}):
            message = stream.receive(30.0)
            answer = message.get("answer", answer)
            if "observation" in message:
                patch = message["observation"]["patch"]
                document = message["observation"]["snapshot"] if patch is None else apply(document, patch)
        assert answer["status"] in ("accepted", "clipped")
        shown = document["actions"]["fan-0"]
        assert shown["agent"] == "sitter" and shown["validated"] is True
        owner.close()
    assert any(e["kind"] == "message" and e["data"]["agent"] == "owner" for e in host.records("events"))


def check_intents(host: RunningHost, sitter: WorldClient) -> None:
    """Accepted, repeated, stale, not permitted, not readable: each as it is."""
    first = sitter.submit("fan-1", "SET_CIRCULATION_FAN", fan("ON"))
    assert first["status"] in ("accepted", "clipped"), first
    assert sitter.submit("fan-1", "SET_CIRCULATION_FAN", fan("ON")) == first
    assert sitter.submit("fan-1", "SET_CIRCULATION_FAN", fan("ON", 61.0))["code"] == "ID_REUSED"
    assert sitter.submit("lamp-1", "SET_LIGHT", fan("ON"))["code"] == "NOT_PERMITTED"
    seq = sitter.view()["view_seq"]
    stale = sitter.submit("fan-2", "SET_CIRCULATION_FAN", fan("ON"), context_seq=seq - 100_000)
    assert stale["code"] == "STALE_CONTEXT"
    until(lambda: [a for a in host.records("actions") if a["id"] == "fan-1" and a["outcome"]], "the fan's outcome", 90)
    actions = [a for a in host.records("actions") if a["agent"] == "sitter" and a["safety"]["validated"]]
    assert {a["id"] for a in actions} == {"fan-0", "fan-1"}


def check_repeated_switch(host: RunningHost) -> None:
    """A person's change with an Idempotency-Key: the same bytes again, one action in the dataset.

    It comes over the socket: a mode is answered at once, by an inbox it would wait for the loop's next look.
    """
    secret = TokenFile(host.data).create("ana", "operate")
    body = {"output": "circulation_fan", "state": "OFF", "seconds": 30.0, "reason": "twice"}
    sent, spent_ms = {"Authorization": f"Bearer {secret}"}, []
    with httpx.Client(base_url=f"http://127.0.0.1:{host.port}", headers=sent, timeout=30.0, trust_env=False) as ana:
        answers = [ana.post("/api/switch", json=body, headers={"Idempotency-Key": "once"}) for _ in range(2)]
        assert answers[0].status_code == 200 and answers[0].content == answers[1].content
        for _ in range(9):
            began = time.monotonic()
            assert ana.post("/api/mode", json={"mode": "NORMAL", "reason": "a test"}).json()["ok"]
            spent_ms.append((time.monotonic() - began) * 1_000.0)
    recorded = [action for action in host.records("actions") if action["id"] == answers[0].json()["action"]["id"]]
    assert len({action["ts"] for action in recorded}) == 1
    assert statistics.median(spent_ms) < MOST_MEDIAN_MS, spent_ms


def check_what_if(host: RunningHost, sitter: WorldClient) -> None:
    """A verdict, and nothing in the record."""
    before = len(host.records("actions"))
    found = sitter.what_if("SET_CIRCULATION_FAN", fan("ON"))
    assert found["verdict"]["status"] in ("accepted", "clipped", "refused") and found["effect"] is False
    assert sitter.what_if("SET_LIGHT", fan("ON"))["verdict"]["code"] == "NOT_PERMITTED"
    assert sitter.what_if("SET_CIRCULATION_FAN", fan("OFF"), forecast=True)["forecast"] is None, "no whole hour yet"
    assert [a["id"] for a in host.records("actions")[before:] if a["agent"] == "sitter"] == []


def check_latency(host: RunningHost, sitter: WorldClient) -> None:
    """An intent is answered by the loop at once, not at its next look into a directory."""
    spent_ms = []
    for number in range(30):
        began = time.monotonic()
        assert sitter.submit(f"off-{number}", "SET_CIRCULATION_FAN", fan("OFF"))["status"]
        spent_ms.append((time.monotonic() - began) * 1_000.0)
    assert statistics.median(spent_ms) < MOST_MEDIAN_MS, spent_ms


def check_metrics(host: RunningHost) -> None:
    """What came over the socket is counted and timed by agent and answer."""

    def counted() -> bool:
        with urlopen(f"http://127.0.0.1:{host.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        return 'tomato_intents_total{agent="sitter",code="NOT_PERMITTED"}' in text and (
            'tomato_world_stage_seconds_bucket{le="+Inf",stage="latency"}' in text
        )

    until(counted, "the counts of the sitter's intents")


def check_quarantine(host: RunningHost, sitter: WorldClient) -> None:
    """Who uses its token for another agent again and again is stopped, and the record says so."""
    mine = TokenFile(host.data).create("careless", "operate", "sitter", ("main",))
    foreign = WorldClient(f"http://127.0.0.1:{host.port}", "main", "owner", mine)
    for _ in range(20):
        try:
            foreign.view()
        except Exception as error:
            assert "FOREIGN_AGENT" in str(error) or "403" in str(error)
    foreign.close()
    assert sitter.submit("fan-9", "SET_CIRCULATION_FAN", fan("ON"))["code"] == "QUARANTINED"
    events = [e for e in host.records("events") if e["name"] == "security_foreign_agent"]
    assert len(events) == 1 and events[0]["data"]["agent"] == "sitter"
    rows = json.loads(host.command("world", "agents", "--json").stdout)
    assert {row["name"]: row["state"] for row in rows}["sitter"] == "quarantined"
