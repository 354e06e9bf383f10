"""The agents of a tent as its dataset has them: the newest record of each name holds."""

from __future__ import annotations

from pathlib import Path

from shared_schemas.records import AgentV1
from tomato_host.recovery.stored_samples import tail


def read_agents(root: Path) -> tuple[AgentV1, ...]:
    """The newest record of each agent, by name. Damaged records are skipped; without a dataset there are none."""
    newest: dict[str, AgentV1] = {}
    for payload in tail(root, "agent_v1"):
        try:
            record = AgentV1.model_validate(payload)
        except ValueError:
            continue
        newest[record.name] = record
    return tuple(newest[name] for name in sorted(newest))
