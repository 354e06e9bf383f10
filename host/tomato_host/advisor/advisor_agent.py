"""The advisor as an agent of the shared world: its record decides whether it works, and how many tokens it may use.

`tomato-host world quarantine advisor` ends the cycle under way and no further one begins; a quota `tokens_per_day` that
is used up leaves it its templates, without the model. Both follow from records alone, over restarts too.
"""

from __future__ import annotations

from collections.abc import Iterable

from shared_schemas.records import AgentV1, EventV1
from shared_schemas.records.agent_v1 import ORIGIN_AGENTS
from tomato_host.brain.guardrails.rolling_window import DAY_S, RollingWindow

ADVISOR = ORIGIN_AGENTS["llm"]
TOKENS = ("prompt_tokens", "completion_tokens")
"""Keys of what a text has cost, in the data of its event."""


class AdvisorAgent:
    """The newest record of the advisor's agent, and the tokens of its last 24 hours."""

    def __init__(self, record: AgentV1 | None = None, used: Iterable[tuple[float, int]] = ()) -> None:
        """`used`: moment (epoch seconds) and tokens of earlier texts. Without a record nothing is limited."""
        self._record = record
        self._tokens = RollingWindow(DAY_S)
        for at_s, tokens in used:
            self._tokens.add(at_s, tokens)

    @property
    def is_active(self) -> bool:
        """False in quarantine and once revoked."""
        return self._record is None or self._record.state == "active"

    def has_tokens(self, now_s: float) -> bool:
        """Whether the quota of the last 24 hours has anything left; a text may exceed it once."""
        most = None if self._record is None else self._record.quotas.tokens_per_day
        return most is None or self._tokens.used(now_s) < most

    def set_record(self, record: AgentV1) -> bool:
        """A newer record of some agent; whether it was the advisor's."""
        if record.name != ADVISOR:
            return False
        self._record = record
        return True

    def add_text(self, event: EventV1) -> None:
        """Count what a text has cost."""
        tokens = tokens_of(event)
        if tokens:
            self._tokens.add(event.ts.timestamp(), tokens)


def tokens_of(event: EventV1) -> int:
    """Tokens that a text of the advisor has cost; 0 for everything else."""
    if event.kind != "agent":
        return 0
    return sum(int(value) for key in TOKENS if isinstance(value := event.data.get(key), int | float))
