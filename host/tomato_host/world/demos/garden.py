"""Agents move between pots on a bench, see what is near, and two want the same can; on a simulated clock."""

from __future__ import annotations

from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Payload
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator, WorldSettings
from tomato_host.world.rules import replay
from tomato_host.world.worlds.garden import GARDENER, GardenWorld

NAMES = ("ann", "ben")
Step = tuple[tuple[str, str, Payload], ...]
STEPS: tuple[Step, ...] = (
    (("ann", "enter", {"at": [0.8, 0.5]}), ("ben", "enter", {"at": [1.3, 0.5]})),
    (("ben", "take", {"can": "C1"}), ("ann", "take", {"can": "C1"})),  # in one quantum: the order decides
    (("ann", "move", {"to": [0.5, 1.3]}), ("ben", "move", {"to": [3.5, 1.3]})),
    (("ann", "water", {"pot": "P1", "ml": 400.0}), ("ben", "move", {"to": [3.5, 1.3]})),
    (("ann", "put", {"can": "C1"}), ("ben", "move", {"to": [3.5, 1.3]})),
)
"""Who asks for what, a quantum a line."""


def run_garden(seed: int = 1) -> dict[str, Any]:
    """Run the demo; the same seed gives the same result, JSON-ready."""
    now_s = [0.0]
    log = ChainedLog("garden")
    host = Orchestrator("garden", GardenWorld(), log, lambda: now_s[0], WorldSettings(seed=seed), stopwatch=lambda: 0.0)
    for name in NAMES:
        record = AgentV1(
            schema_version="agent_v1", ts=NEVER, name=name, tent="garden", origin="api", policy=GARDENER.name
        )
        host.register_agent(record, GARDENER)
    moments: list[dict[str, Any]] = []
    for number, step in enumerate(STEPS):
        now_s[0] += 1.0
        answers = _quantum(host, number, step)
        for name, kind, payload in step:
            answer = answers[name]
            seen = host.observer(name).view
            sees = sorted(seen.document.get("pots", {})) + sorted(seen.document.get("agents", {})) if seen else []
            moments.append(
                {"at_s": now_s[0], "who": name, "asks": {kind: payload}, "answer": answer.status, "why": answer.text,
                 "sees": sees}
            )  # fmt: skip
    same = replay(GardenWorld(), "garden", log.entries_since(0)) == host.state
    taken = [moment for moment in moments if "take" in moment["asks"]]
    ok = same and not log.validate() and sorted(moment["answer"] for moment in taken) == ["accepted", "refused"]
    return {"ok": ok, "replay_is_equal": same, "moments": moments, "pots": host.state.document["pots"]}


def _quantum(host: Orchestrator, number: int, step: Step) -> dict[str, Answer]:
    answers: dict[str, Answer] = {}
    for name, kind, payload in step:
        host.submit_intent(
            {"schema_version": "intent_v1", "id": f"{name}-{number}", "agent": name, "kind": kind, "payload": payload},
            lambda answer: answers.__setitem__(answer.agent, answer),
        )
    host.run_turn()
    return answers
