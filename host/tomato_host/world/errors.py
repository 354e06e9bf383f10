"""A refusal as an exception, and what a client does about it: one table, by the codes of admission."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.refusals import BY_CODE, Recovery
from tomato_host.errors import TomatoError

NEXT_STEP: dict[Recovery, str] = {
    "regenerate": "look at the newest view and decide anew",
    "change": "ask for something else, or with other parameters and a new id",
    "wait_and_retry": "wait, then submit the same intent under the same id",
    "give_up": "this agent may not do that",
    "ask_owner": "ask the owner: `tomato-host world agents` shows why",
}


class IntentRefused(TomatoError):
    """An intent that was refused; `answer` has code, value and limit."""

    def __init__(self, answer: Answer) -> None:
        row = BY_CODE[answer.code or "UNAVAILABLE"]
        super().__init__("E-WORLD-REFUSED", f"{row.code}: {answer.text or row.meaning}", NEXT_STEP[row.recovery])
        self.answer = answer


class StaleContextError(IntentRefused):
    """What the intent rests on has changed since: look again."""


class IntentConflictError(IntentRefused):
    """The world does not allow it: somebody else was first, or it is impossible."""


class QuotaExceededError(IntentRefused):
    """The agent has used up its quota, or has too much waiting."""


class AnswerTimeout(IntentRefused):
    """No answer within the time, or the intent waited longer than its deadline."""


ERROR_OF: dict[str, type[IntentRefused]] = {
    "STALE_CONTEXT": StaleContextError,
    "INTENT_CONFLICT": IntentConflictError,
    "QUOTA_EXCEEDED": QuotaExceededError,
    "BACKPRESSURE": QuotaExceededError,
    "TIMEOUT": AnswerTimeout,
}


def error_of(answer: Answer) -> IntentRefused:
    """The exception of a refused answer."""
    return ERROR_OF.get(str(answer.code), IntentRefused)(answer)


@dataclass(frozen=True, slots=True)
class ErrorRecoveryPolicy:
    """How often a client tries again, by code; times in seconds."""

    attempts: int = 3
    first_pause_s: float = 0.1
    longest_pause_s: float = 30.0
    overrides: Mapping[str, Recovery] = field(default_factory=dict)

    def action(self, answer: Answer) -> Recovery | None:
        """What to do about an answer; None when there is nothing to recover from."""
        if answer.code is None:
            return None
        return self.overrides.get(answer.code, BY_CODE[answer.code].recovery)

    def pause_s(self, answer: Answer, attempt: int) -> float | None:
        """How long to wait before attempt number `attempt` (from 1) of the same intent; None: do not repeat it."""
        if self.action(answer) != "wait_and_retry" or attempt >= self.attempts:
            return None
        asked_s = answer.retry_after_s or 0.0
        return min(self.longest_pause_s, max(asked_s, self.first_pause_s * 2.0 ** (attempt - 1)))
