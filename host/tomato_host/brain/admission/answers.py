"""The answer to an intent: what its sender gets, byte for byte the same as often as it asks."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Literal, Self

from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.refusals import BY_CODE, Refusal

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
Status = Literal["accepted", "clipped", "refused"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender of an intent gets, once or as often as it asks: `to_json` gives the same bytes each time."""

    agent: str
    id: str
    status: Status
    code: str | None = None
    """A code of `REFUSAL_CODES` when refused."""
    text: str = ""
    value: float | None = None
    limit: float | None = None
    retry_after_s: float | None = None
    effect: str | None = None
    """Id of the effect, when there is one."""
    granted: str | None = None
    """The parameters that were left, as canonical JSON, when clipped."""

    @property
    def final(self) -> bool:
        """Whether a repeat of the id gets this answer, instead of being judged anew."""
        return self.code is None or BY_CODE[self.code].final

    def to_json(self) -> str:
        """One JSON object, keys in the order of the fields."""
        return _ENCODE({"schema_version": "answer_v1", **{name: getattr(self, name) for name in FIELDS}})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote. Raises ValueError, TypeError or KeyError for anything else."""
        values = json.loads(text)
        if values.pop("schema_version") != "answer_v1":
            raise ValueError("not an answer of this version")
        return cls(**values)

    @classmethod
    def refused(cls, case: AdmissionCase, refusal: Refusal) -> Self:
        """The answer that says no."""
        return cls(
            case.source,
            case.id,
            "refused",
            refusal.code,
            refusal.text,
            refusal.value,
            refusal.limit,
            refusal.retry_after_s,
        )


FIELDS = tuple(field.name for field in fields(Answer))
"""Of an answer, in their order."""
