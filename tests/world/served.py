"""A garden that is really served: uvicorn on a port of its own, in a thread, with tokens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.service.orchestrator_host import OrchestratorHost
from tomato_host.service.serve import bind
from tomato_host.service.serve_world import server_of, world_app
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile
from tomato_host.world.client import WorldClient
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.garden import GARDENER, GardenWorld

from shared_schemas.records.agent_v1 import AgentV1


@dataclass(slots=True)
class Served:
    """A served world and what a test needs of it."""

    url: str
    port: int
    host: OrchestratorHost
    data_dir: Path
    app: FastAPI

    def token(self, agent: str, role: str = "operate", tents: tuple[str, ...] = (), days: float | None = None) -> str:
        lifetime = None if days is None else timedelta(days=days)
        number = len(TokenFile(self.data_dir).all())
        return TokenFile(self.data_dir).create(f"{agent}-{number}", role, agent, tents, lifetime)

    def client(self, agent: str, token: str | None = None) -> WorldClient:
        return WorldClient(self.url, self.host.tent, agent, token or self.token(agent))


def agent(name: str, tent: str, policy: str, **more: Any) -> AgentV1:
    return AgentV1.model_validate(
        {
            "schema_version": "agent_v1",
            "ts": NEVER,
            "name": name,
            "tent": tent,
            "origin": "api",
            "policy": policy,
            **more,
        }
    )


def garden() -> OrchestratorHost:
    host = OrchestratorHost(
        Orchestrator("bench", GardenWorld(), ChainedLog("bench"), time.monotonic), {GARDENER.name: GARDENER}
    )
    for name in ("ann", "ben"):
        host.add_agent(agent(name, "bench", GARDENER.name))
    return host


@contextmanager
def served(data_dir: Path, host: OrchestratorHost | None = None, **settings: Any) -> Iterator[Served]:
    """Serve a world until the block ends."""
    limits = {"reads_per_minute": 100_000, "agent_per_minute": 1_000_000, "tent_per_minute": 1_000_000, "port": 0}
    chosen = ServiceSettings(**{**limits, **settings})
    world = host or garden()
    app = world_app([world], chosen, data_dir)
    listening = bind(chosen)
    server = server_of(app, chosen)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + 20.0
        while not server.started and time.monotonic() < end:
            time.sleep(0.01)
        port = listening.getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", port, world, data_dir, app)
    finally:
        server.should_exit = True
        thread.join(15.0)
        listening.close()
        assert not thread.is_alive()
