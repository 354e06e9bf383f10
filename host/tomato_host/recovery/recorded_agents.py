"""The agents of a tent as its dataset has them: the newest record of each name holds; and what the advisor has used."""

from __future__ import annotations

from pathlib import Path

from shared_schemas.records import AgentV1, EventV1
from tomato_host.advisor.advisor_agent import tokens_of
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


def read_advisor_tokens(root: Path) -> list[tuple[float, int]]:
    """Moment (epoch seconds) and tokens of the advisor's recorded texts. Damaged records are skipped."""
    found = []
    for payload in tail(root, "event_v1"):
        if payload.get("kind") != "agent":
            continue
        try:
            event = EventV1.model_validate(payload)
        except ValueError:
            continue
        if tokens := tokens_of(event):
            found.append((event.ts.timestamp(), tokens))
    return found
