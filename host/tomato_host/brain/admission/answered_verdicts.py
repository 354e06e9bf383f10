"""The guardrails behind the idempotency table: an id is judged until it has a final answer, then answered by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from shared_schemas.records.action_v1 import OUTPUT_OF, ActionV1
from tomato_host.brain.admission.idempotency import IdempotencyTable, IntentKey, NoAnswer, StoredIntent, fingerprint
from tomato_host.brain.guardrails.context import GuardContext, RuleFinding
from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict, refused
from tomato_host.brain.guardrails.rules import FINAL_RULES, asker, hold_key

TENT = "tent"
"""A brain has one tent; where several share a table, their names are the keys."""

NO_ANSWER: dict[NoAnswer, tuple[str, RuleFinding]] = {
    NoAnswer.ID_REUSED: ("id_reused", RuleFinding(None, None, "this id was answered for other parameters")),
    NoAnswer.UNAVAILABLE: ("unavailable", RuleFinding(None, None, "earlier answers are still being read, come again")),
}
"""Refusals of this module, beside the rules of the guardrails."""


def params_fingerprint(action: ActionV1) -> str:
    """Of what was asked for, also when the verdict has lowered it since."""
    asked = action.safety.asked or action.params
    return fingerprint(action.type.value, asked.model_dump(mode="json", exclude_none=True))


class AnsweredVerdicts:
    """Judges proposals, each id until its answer is final. What has no output (STOP_ALL) passes every time."""

    def __init__(self, guardrails: Guardrails) -> None:
        self._guardrails = guardrails
        self._table = IdempotencyTable[Verdict]()

    def judge(self, proposal: ActionV1, context: GuardContext, asked: str) -> Verdict:
        """A new verdict, or the answer of before with `repeated` set: it was recorded and carried out already.

        `asked`: `params_fingerprint` of the proposal, which its caller needs more than once.
        """
        found = self.find(proposal, context, asked)
        if found is not None:
            return found
        verdict = self._guardrails.judge(proposal, context)
        if _has_answer(proposal) and _is_final(verdict.action):
            self._table.store(_key(proposal), asked, verdict, context.now.timestamp())
        return verdict

    def find(self, proposal: ActionV1, context: GuardContext, asked: str) -> Verdict | None:
        """The answer that the id has, or the refusal of one that can have none; None: it is new."""
        if not _has_answer(proposal):
            return None
        found = self._table.find(_key(proposal), asked, context.now.timestamp())
        if isinstance(found, StoredIntent):
            return replace(found.answer, repeated=True)
        return None if found is None else refused(proposal, *NO_ANSWER[found])

    def restore(self, recorded: Iterable[ActionV1], now: datetime) -> int:
        """Verdicts of earlier processes, oldest first: their ids are answered. Returns how many answers there are."""
        answered = [action for action in recorded if action.id is not None and _is_final(action)]
        for action in answered:
            if action.safety.validated:
                self._guardrails.ledger.remember(hold_key(action))
        return self._table.restore(
            [StoredIntent(_key(a), params_fingerprint(a), _verdict(a), a.ts.timestamp()) for a in answered],
            now.timestamp(),
        )

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: answers are as old as they were."""
        self._table.shift(moved.total_seconds())


def _has_answer(proposal: ActionV1) -> bool:
    """What has no id or no output (STOP_ALL) is judged every time."""
    return proposal.id is not None and proposal.type in OUTPUT_OF


def _key(action: ActionV1) -> IntentKey:
    return IntentKey(TENT, asker(action), str(action.id))


def _is_final(judged: ActionV1) -> bool:
    """Accepted or clipped, or refused by a rule that no later moment lifts."""
    return judged.safety.validated or judged.safety.refused_by in FINAL_RULES


def _verdict(recorded: ActionV1) -> Verdict:
    """The verdict that a record holds."""
    safety = recorded.safety
    last = safety.checks[-1] if safety.checks else None
    rule, value, limit = (None, None, None) if last is None else (last.rule, last.value, last.limit)
    return Verdict(recorded, safety.validated, rule, value, limit, safety.checks)


__all__ = ["AnsweredVerdicts", "params_fingerprint"]
