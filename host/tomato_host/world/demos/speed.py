"""How many intents a second a small world commits on this machine: submitted, judged, chained, shown in every view."""

from __future__ import annotations

import time
from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.talk import LISTENER, TalkWorld


def measure(agents: int, intents: int) -> dict[str, Any]:
    """Run once. `per_s` by the wall clock, `cpu_us` CPU time of one intent in microseconds."""
    host = Orchestrator("speed", TalkWorld(), ChainedLog("speed"), time.monotonic)
    names = [f"agent-{number}" for number in range(agents)]
    for name in names:
        record = AgentV1(
            schema_version="agent_v1", ts=NEVER, name=name, tent="speed", origin="api", policy=LISTENER.name
        )
        host.register_agent(record, LISTENER)
    accepted, began_s, cpu_s = 0, time.perf_counter(), time.process_time()
    for number in range(intents):
        name = names[number % agents]
        host.submit_intent(
            {"schema_version": "intent_v1", "id": f"i-{number}", "agent": name, "kind": "say",
             "payload": {"text": f"word {number}"}}
        )  # fmt: skip
        if number % agents == agents - 1 or number == intents - 1:
            while len(host.admission.queue):
                accepted += sum(answer.code is None for answer in host.run_turn())
            for one in names:
                host.observer(one).queue.clear()
    wall_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return {
        "agents": agents,
        "accepted": accepted,
        "per_s": accepted / wall_s,
        "cpu_us": cpu_s / intents * 1e6,
        "chain_is_whole": not host.log.validate(),
    }
