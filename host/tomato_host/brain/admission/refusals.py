"""Why admission says no: one row a code, with what a caller does next. docs/errors.md shows this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Recovery = Literal["regenerate", "change", "wait_and_retry", "give_up", "ask_owner"]
"""regenerate: look again and decide anew. change: another intent, or other parameters. wait_and_retry: the same id."""


@dataclass(frozen=True, slots=True)
class RefusalCode:
    """One way of refusing. `final`: the answer is stored, and a repeat of the id gets it again."""

    code: str
    http_status: int
    grpc_status: str
    recovery: Recovery
    final: bool
    meaning: str


REFUSAL_CODES: tuple[RefusalCode, ...] = (
    RefusalCode("STALE_CONTEXT", 409, "ABORTED", "regenerate", False, "what the intent has read has changed since"),
    RefusalCode("INTENT_CONFLICT", 409, "FAILED_PRECONDITION", "change", True, "the world does not allow it"),
    RefusalCode("TIMEOUT", 409, "DEADLINE_EXCEEDED", "regenerate", False, "it waited longer than its deadline"),
    RefusalCode("CANCELLED", 409, "CANCELLED", "regenerate", True, "its agent cancelled it"),
    RefusalCode("QUOTA_EXCEEDED", 429, "RESOURCE_EXHAUSTED", "wait_and_retry", False, "the agent's quota is used up"),
    RefusalCode("BACKPRESSURE", 429, "UNAVAILABLE", "wait_and_retry", False, "too many of its intents wait already"),
    RefusalCode("COOLDOWN", 429, "UNAVAILABLE", "wait_and_retry", False, "too soon after the agent's last effect"),
    RefusalCode("QUARANTINED", 403, "PERMISSION_DENIED", "ask_owner", False, "the agent is quarantined or revoked"),
    RefusalCode("NOT_PERMITTED", 403, "PERMISSION_DENIED", "give_up", True, "the agent may not ask for this kind"),
    RefusalCode("ID_REUSED", 422, "ALREADY_EXISTS", "change", False, "the id was used with other parameters"),
    RefusalCode("UNAVAILABLE", 503, "UNAVAILABLE", "wait_and_retry", False, "the world cannot answer at this moment"),
)
"""Every code of admission. A code that is not final burns no id: the same intent may come again."""

BY_CODE: dict[str, RefusalCode] = {row.code: row for row in REFUSAL_CODES}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal with its numbers. `value` and `limit` are in the unit that `text` names."""

    code: str
    text: str
    value: float | None = None
    limit: float | None = None
    retry_after_s: float | None = None

    @property
    def final(self) -> bool:
        """Whether a repeat of the id gets this answer again."""
        return BY_CODE[self.code].final
