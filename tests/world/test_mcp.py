"""A whole conversation through the official MCP client against a running host, and a model that obeys every text.

The model of this test does what any text tells it: the worst there can be. What moves is bounded by its token's agent.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tomato_host.service.tokens import TokenFile
from tomato_host.world.client import WorldClient

from tests.incidents.running_host import ROOT, RunningHost, running_host, until
from tests.world.injections import ON, TEXTS

# Not imported here: every worker of the tests collects this file.
pytestmark = pytest.mark.skipif(find_spec("mcp") is None, reason="the extra [mcp] is not installed")
BUDGET_ML = 40.0


def parameters(host: RunningHost, token: str) -> Any:
    from mcp import StdioServerParameters

    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "tomato_host", "mcp", "--agent", "assistant", "--url", f"http://127.0.0.1:{host.port}"],
        env={**os.environ, "TOMATO_TOKEN": token},
        cwd=str(ROOT),
    )


async def ask(client: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    """A tool's result as an object."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    found: dict[str, Any] = json.loads(result.content[0].text)
    return found


def test_a_conversation_and_twenty_injections(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, _tent):
        until(lambda: host.records("states"), "the first state")
        added = host.command(
            "world", "add", "assistant", "--origin", "llm", "--policy", "full", "--may", "WATER",
            "--water-ml-per-day", f"{BUDGET_ML:g}", "--intents-per-hour", "100",
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        token = TokenFile(host.data).create("assistant", "operate", "assistant", ("main",))
        owner = WorldClient(
            f"http://127.0.0.1:{host.port}", "main", "owner", TokenFile(host.data).create("o", "operate", "owner")
        )
        before = len(host.records("actions"))
        for text, _, _ in TEXTS:
            owner.send(text, to="assistant")
        owner.close()
        asyncio.run(converse(host, token))
        mine = [a for a in host.records("actions")[before:] if a["agent"] == "assistant"]
        granted = {a["id"]: a["params"]["ml"] for a in mine if a["safety"]["validated"]}
        assert sum(granted.values()) <= BUDGET_ML
        assert all(a["origin"] == "llm" and a["type"] == "WATER" for a in mine if a["safety"]["validated"])
        over_http(host, token)
        host.stop()
        host.assert_whole()


async def converse(host: RunningHost, token: str) -> None:
    """Look, ask, propose; then obey every text."""
    from mcp import Client

    async with Client(parameters(host, token), read_timeout_seconds=60.0) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"look", "forecast", "explain", "what_if", "propose"}
        seen = await ask(client, "look")
        texts = {message["text"] for message in seen["snapshot"]["messages"].values()}
        assert {text for text, _, _ in TEXTS} <= texts  # the model has read them
        assert "forecast" in await ask(client, "forecast") and (await ask(client, "explain"))["mode"]
        assert (await ask(client, "what_if", kind="WATER", payload={"ml": 20.0}))["effect"] is False
        for number, (_, kind, payload) in enumerate(TEXTS):
            for attempt in range(2):
                await ask(client, "propose", intent_id=f"obey-{number}-{attempt}", kind=kind, payload=payload)
        refused = await ask(client, "propose", intent_id="obey-lamp", kind="SET_LIGHT", payload=ON)
        assert refused["code"] == "NOT_PERMITTED"
        over = await ask(client, "propose", intent_id="obey-more", kind="WATER", payload={"ml": BUDGET_ML + 1.0})
        assert over["code"] == "QUOTA_EXCEEDED"


def over_http(host: RunningHost, token: str) -> None:
    """The same server by streamable HTTP: only with its token."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tomato_host", "mcp", "--http", "--port", str(port), "--agent", "assistant",
         "--url", f"http://127.0.0.1:{host.port}"],
        env={**os.environ, "TOMATO_TOKEN": token},
        cwd=ROOT,
    )  # fmt: skip
    try:
        until(lambda: _answers(port), "the HTTP transport")
        asyncio.run(_look_over_http(f"http://127.0.0.1:{port}/mcp", token))
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0):
            return True
    except OSError:
        time.sleep(0.1)
        return False


async def _look_over_http(url: str, token: str) -> None:
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        assert (await ask(client, "look"))["snapshot"]["mode"]
    async with httpx2.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.post(url, json={})).status_code == 401
