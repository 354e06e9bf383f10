"""The answer to an intent, and what admission needs of the place where final answers are stored for 24 h."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, Protocol, Self

from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.refusals import BY_CODE, Refusal

ANSWER_LIFETIME_S = 86_400.0
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
        return json.dumps({"schema_version": "answer_v1", **asdict(self)}, separators=(",", ":"))

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


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A final answer with the fingerprint of the parameters that it was given for."""

    fingerprint: str
    answer: Answer


class AnswerStore(Protocol):
    """Final answers by (agent, id) of one world, for `ANSWER_LIFETIME_S`."""

    @property
    def ready(self) -> bool:
        """False after a start until the store has caught up with the log: an unknown id may then have an answer."""

    def find(self, agent: str, intent_id: str, now_s: float) -> StoredAnswer | None:
        """The answer that this id has, if it is not too old."""

    def store(self, fingerprint: str, answer: Answer, now_s: float) -> None:
        """Store a final answer."""


class AnswersInMemory:
    """An `AnswerStore` of a process that is rebuilt from its log: the oldest leave by age and by number."""

    def __init__(self, most: int = 100_000, lifetime_s: float = ANSWER_LIFETIME_S) -> None:
        self._answers: dict[tuple[str, str], tuple[float, StoredAnswer]] = {}
        self._most = most
        self._lifetime_s = lifetime_s
        self.ready = True

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, agent: str, intent_id: str, now_s: float) -> StoredAnswer | None:
        """As `AnswerStore.find`."""
        found = self._answers.get((agent, intent_id))
        return found[1] if found is not None and now_s - found[0] < self._lifetime_s else None

    def store(self, fingerprint: str, answer: Answer, now_s: float) -> None:
        """As `AnswerStore.store`; forgets what is over its age, and the oldest when there are too many."""
        key = (answer.agent, answer.id)
        self._answers.pop(key, None)
        self._answers[key] = (now_s, StoredAnswer(fingerprint, answer))
        self.forget_old(now_s)

    def forget_old(self, now_s: float) -> int:
        """Forget answers that are over their age or too many; returns how many."""
        before = len(self._answers)
        while self._answers:
            oldest = next(iter(self._answers))
            if len(self._answers) <= self._most and now_s - self._answers[oldest][0] < self._lifetime_s:
                break
            del self._answers[oldest]
        return before - len(self._answers)
