"""Two balls on a line, moved by an engine of their own: pushed by an agent, they collide, and everybody learns of it.

The engine here is a few lines of physics on a simulated clock; a real one speaks the same messages over the WebSocket
(`clients/csharp`).
"""

from __future__ import annotations

from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Effect, Payload
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.agents import AgentHandle
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.rules import replay
from tomato_host.world.worlds.arena import ENGINE_DRAFTS, PLAYER, ArenaWorld

DT_S = 0.1
STEPS = 40
SPEED_MPS = 1.0
RADIUS_M = 0.2


def arena_agents(world: str) -> tuple[AgentV1, ...]:
    """The engine, which alone may report physics, and a player."""
    return tuple(
        AgentV1(schema_version="agent_v1", ts=NEVER, name=name, tent=world, origin="api", policy=PLAYER.name, may=may)
        for name, may in (("engine", ENGINE_DRAFTS), ("player", ("push",)))
    )


def run_engine() -> dict[str, Any]:
    """Run the demo; every run gives the same result, JSON-ready."""
    log = ChainedLog("arena")
    host = Orchestrator("arena", ArenaWorld(), log, lambda: 0.0, stopwatch=lambda: 0.0)
    engine, player = (host.register_agent(record, PLAYER) for record in arena_agents("arena"))
    x, target = {"red": 0.0, "blue": 2.0}, dict[str, float]()
    moments: list[dict[str, Any]] = []
    for step in range(STEPS):
        _emit(engine, "time_tick", {"dt_s": DT_S}, round(step * DT_S, 3))
        for body in x:
            _emit(engine, "body_moved", {"body": body, "position": [round(x[body], 3)]})
        if step == 2:
            player.submit_intent(
                {"schema_version": "intent_v1", "id": "push-1", "agent": "player", "kind": "push",
                 "payload": {"body": "red", "target": [3.0]}}
            )  # fmt: skip
        host.run_turn()
        for effect in _effects(engine):
            if effect["kind"] == "push":
                target[effect["payload"]["body"]] = effect["payload"]["target"][0]
                moments.append({"at_s": effect["sim_time_s"], "what": "push", "by": effect["source"]})
        moments += [
            {"at_s": effect["sim_time_s"], "what": "collision", "impulse": effect["payload"]["impulse"]}
            for effect in _effects(player)
            if effect["kind"] == "collision"
        ]
        _physics(engine, x, target)
    moments += [
        {"at_s": effect["sim_time_s"], "what": "collision", "impulse": effect["payload"]["impulse"]}
        for effect in _effects(player)
        if effect["kind"] == "collision"
    ]
    same = replay(ArenaWorld(), "arena", log.entries_since(0)) == host.state
    ok = same and not log.validate() and [m["what"] for m in moments] == ["push", "collision"]
    return {"ok": ok, "replay_is_equal": same, "moments": moments, "collisions": host.state.document["collisions"]}


def _physics(engine: AgentHandle, x: dict[str, float], target: dict[str, float]) -> None:
    """One step: what is pushed moves on, and hands its push on to what it hits."""
    for body, to in list(target.items()):
        x[body] = min(to, x[body] + SPEED_MPS * DT_S)
        other = "blue" if body == "red" else "red"
        if body == "red" and x["blue"] - x["red"] <= 2.0 * RADIUS_M:
            del target[body]
            target[other] = x[other] + 0.5
            _emit(engine, "collision", {"a": body, "b": other, "position": [round(x[body], 3)], "impulse": SPEED_MPS})
            return


def _emit(engine: AgentHandle, kind: str, payload: Payload, sim_time_s: float | None = None) -> None:
    engine.emit(
        {"schema_version": "effect_draft_v1", "source": engine.name, "kind": kind, "payload": payload,
         "sim_time_s": sim_time_s}
    )  # fmt: skip


def _effects(agent: AgentHandle) -> list[Effect]:
    return [one for one in agent.pop_observations() if one["schema_version"] == "effect_v1"]
