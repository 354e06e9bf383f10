"""Measured limits of the shared world: admission, deltas, timers, environment; each beside a peer in the same run."""

from __future__ import annotations

import asyncio
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.delta import delta, encoded_size
from tomato_host.world.document import Document, assign
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.timed_queue import TimedQueue
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from shared_schemas.records import AgentV1

TITLE = "shared world"
AGENTS = 10


def run(quick: bool) -> dict[str, Any]:
    """All figures; times in the unit of their names."""
    return {
        "intents": intents(500 if quick else 5_000),
        "intents_synced_each_turn": intents(300 if quick else 2_000, sync=True),
        "delta": deltas(200 if quick else 2_000),
        "timers": asyncio.run(timers(200 if quick else 1_000)),
        "environment": environment(50 if quick else 500),
        "tent_environment": tent_environment(10 if quick else 100),
        "delivery": delivery(100 if quick else 1_000),
    }


def intents(count: int, sync: bool = False) -> dict[str, Any]:
    """Committed and chained intents of ten agents on a file, each answered after its append; views are updated, too.

    `sync`: what a turn has written is on the disk before the next turn begins (one fsync a turn).
    """
    with tempfile.TemporaryDirectory() as place:
        log = ChainedLog("bench", Path(place) / "log.jsonl")
        host = Orchestrator("bench", TalkWorld(), log, time.time)
        for i in range(AGENTS):
            record = AgentV1(
                schema_version="agent_v1", ts=NEVER, name=f"a{i}", tent="t", origin="api", policy="p", queue_most=1_000
            )
            host.register_agent(record, LISTENER)
        answered: dict[str, int] = {}
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for number in range(count):
            name = f"a{number % AGENTS}"
            host.submit_intent(
                {
                    "schema_version": "intent_v1",
                    "id": f"i{number}",
                    "agent": name,
                    "kind": "say",
                    "payload": {"text": "x"},
                },
                lambda answer: answered.__setitem__(answer.agent, answered.get(answer.agent, 0) + 1),
            )
            if number % 30 == 29:
                host.run_turn()
                if sync:
                    log.sync()
                for i in range(AGENTS):
                    host.observer(f"a{i}").queue.pop_due()
        while host.run_turn():
            pass
        wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        assert sum(answered.values()) == count and not log.validate()
        log.close()
    return {
        "per_s": count / wall_s,
        "least_agent_per_s": min(answered.values()) / wall_s,
        "cpu_us": cpu_s / count * 1e6,
    }


def deltas(count: int) -> dict[str, Any]:
    """20 changes of a document of 4.5 kB: our walk, and jsonpatch."""
    random = Random(1)
    groups = ("soil", "air", "devices", "actions", "plants")
    old: Document = {
        group: {f"k{i}": {"value": round(random.random() * 100, 2), "text": "as it was", "ok": True} for i in range(18)}
        for group in groups
    }
    new = old
    for _ in range(20):
        new = assign(new, f"/{random.choice(groups)}/k{random.randrange(18)}/value", random.random())
    plain = copy.deepcopy(new)
    figures: dict[str, Any] = {
        "document_bytes": encoded_size(old),
        "patch_bytes": encoded_size(delta(old, new)),
        "us": _median_us(lambda: delta(old, new), count),
        "us_nothing_shared": _median_us(lambda: delta(old, plain), count),
    }
    try:
        import jsonpatch
    except ImportError:
        figures["jsonpatch"] = "not installed"
    else:
        figures["jsonpatch_us"] = _median_us(lambda: jsonpatch.make_patch(old, new), max(20, count // 20))
        figures["times_jsonpatch"] = figures["jsonpatch_us"] / figures["us"]
    return figures


async def timers(count: int) -> dict[str, Any]:
    """Items due at random moments of two seconds: lateness of the queue, and of one `call_at` each."""
    loop = asyncio.get_running_loop()
    random, late_ms, peer_ms = Random(1), list[float](), list[float]()
    queue: TimedQueue[float] = TimedQueue(loop.time)
    begin_s = loop.time() + 0.1
    for _ in range(count):
        due_s = begin_s + random.random() * 2.0
        queue.put_at(due_s, due_s)
    for _ in range(count):
        due_s = await queue.get()
        late_ms.append((loop.time() - due_s) * 1_000.0)
    begin_s = loop.time() + 0.1
    for _ in range(count):
        due_s = begin_s + random.random() * 2.0
        loop.call_at(due_s, lambda due_s=due_s: peer_ms.append((loop.time() - due_s) * 1_000.0))
    while len(peer_ms) < count:
        await asyncio.sleep(0.05)
    return {"p99_ms": _p99(late_ms), "call_at_p99_ms": _p99(peer_ms), "median_ms": statistics.median(late_ms)}


def environment(steps: int) -> dict[str, Any]:
    """Agent-steps of the garden's environment, each through admission and validator."""
    try:
        from tomato_host.world.environments import KINDS, GardenParallelEnv
    except Exception as error:
        return {"skipped": str(error)}
    random, garden = Random(1), GardenParallelEnv(4, steps)
    garden.reset(seed=1)
    began_s = time.process_time()
    while garden.agents:
        garden.step({name: random.randrange(len(KINDS)) for name in garden.agents})
    return {"agent_steps_per_cpu_s": steps * 4 / (time.process_time() - began_s)}


def tent_environment(steps: int) -> dict[str, Any]:
    """Steps of 15 minutes of the tent's own environment: board, physics, estimator, admission, guardrails, executor."""
    try:
        import numpy as np
        from tomato_host.twin.gym_env import TomatoTent
    except Exception as error:
        return {"skipped": str(error)}
    care = np.array([1.0, 1.0, 0.4, 0.0, 0.0, 0.1, 0.0], np.float32)
    tent = TomatoTent(days=steps / 96.0 + 1.0)
    tent.reset(seed=1)
    began_s = time.process_time()
    for _ in range(steps):
        tent.step(care)
    spent_s = time.process_time() - began_s
    return {"steps_per_cpu_s": steps / spent_s, "ms_per_step": spent_s / steps * 1e3}


def delivery(events: int) -> dict[str, Any]:
    """From an event to the last of ten agents that reads it, in the host: 50 events a second are the design's load."""
    host = Orchestrator("bench", TalkWorld(), ChainedLog("bench"), time.time)
    handles = [
        host.register_agent(
            AgentV1(schema_version="agent_v1", ts=NEVER, name=f"a{i}", tent="t", origin="api", policy="p"), LISTENER
        )
        for i in range(AGENTS)
    ]
    took_ms = []
    for number in range(events):
        began_s = time.perf_counter()
        host.broadcast_event(
            {"schema_version": "effect_draft_v1", "source": "a0", "kind": "say", "payload": {"text": f"{number}"}}
        )
        for handle in handles:
            assert handle.pop_observations()
        took_ms.append((time.perf_counter() - began_s) * 1e3)
    return {"p50_ms": statistics.median(took_ms), "p99_ms": _p99(took_ms)}


def _median_us(call: Callable[[], object], count: int) -> float:
    """CPU time of one call, the median of five runs."""
    runs = []
    for _ in range(5):
        began_s = time.process_time()
        for _ in range(count):
            call()
        runs.append((time.process_time() - began_s) / count * 1e6)
    return statistics.median(runs)


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
