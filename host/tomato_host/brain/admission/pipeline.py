"""Admission: the one way of every intent of every agent to the validator and so to an effect.

    submit:  idempotency -> quarantine -> permission -> staleness -> quota -> backpressure -> queue
    turn:    deadline, quarantine, staleness, cooldown again -> validator -> commit -> answer

*Why two steps.* `submit` is what an agent waits for: it decides in microseconds whether the intent may wait at all, and
nobody blocks anybody. `turn` is run by the deciding loop, at most 32 intents or 5 ms at a time, so that the lease is
renewed in time whatever floods in. What was true at submission need not be true later: an agent may have been
quarantined meanwhile, `not_after` may have passed, the world may have moved on. Hence the second look.

*Once only.* An intent has one answer. It is final when it was accepted, clipped or refused for good; such an answer is
stored and repeated byte by byte for 24 h. "Not now" (stale, quota, backpressure, no link) is not stored, so the same id
may come again and then works. The same id with other parameters is another intent, and is refused (ID_REUSED).

    unknown --submit--> waiting --turn--> final answer (stored, repeated)
       ^                   |
       +----- not now -----+

*Who is exempt.* Safe mode, the board's button and the owner from quota and shedding; stops from every count. Nobody
from the validator: for a tent those are the guardrails, and this pipeline is the only caller of theirs.

The pipeline is pure: no clock, no randomness, no I/O; the same calls give the same answers. The clock of a turn's
budget is an argument.

Rejected: a lock around a shared validator (agents would block each other, and order would follow the threads),
optimistic commits with rollback (a pulse of water cannot be rolled back), and answering only after the effect has ended
(a dose takes minutes; the outcome is an event of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from shared_schemas.records.agent_v1 import AgentV1
from tomato_host.brain.admission.answers import Answer, Status
from tomato_host.brain.admission.backpressure import RefusalTally, backpressure
from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.fairness import MOST_A_TURN, FairQueue
from tomato_host.brain.admission.idempotency import IdempotencyTable, IntentKey, NoAnswer, StoredIntent
from tomato_host.brain.admission.quota import AgentUsage, cooldown, quota
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.brain.admission.staleness import ViewChanges, staleness

TURN_S = 0.005
"""A turn takes no further intent after this long."""
TALLIED = frozenset({"QUOTA_EXCEEDED", "BACKPRESSURE", "COOLDOWN"})
"""Refusals that are recorded as counts."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the validator made of an intent: a refusal, or what is to be committed."""

    refusal: Refusal | None = None
    effect: str | None = None
    """Id of the effect that the commit will make."""
    body: object = None
    """What the commit writes, as the validator left it."""
    granted: str | None = None
    """Canonical JSON of the parameters that are left, when clipped."""
    text: str = ""
    used: Mapping[str, float] | None = None
    """Amounts that count against the daily quotas; None: as asked."""


Judge = Callable[[AdmissionCase], Judgement]
Commit = Callable[[AdmissionCase, Answer, Judgement], Refusal | None]
"""Write a final answer, and the effect if there is one, to the log; a refusal when it could not be written."""


@dataclass(slots=True)
class AgentAccount:
    """What admission knows of one agent."""

    record: AgentV1
    usage: AgentUsage = field(default_factory=AgentUsage)
    view: ViewChanges = field(default_factory=ViewChanges)


class Admission:
    """The pipeline of one world: `judge` is its validator, `commit` the only writer of its effects."""

    def __init__(self, answers: IdempotencyTable[Answer], judge: Judge, commit: Commit) -> None:
        self.accounts: dict[str, AgentAccount] = {}
        self.queue = FairQueue()
        self.tally = RefusalTally()
        self._answers = answers
        self._validate = judge
        self._commit = commit
        self._shed: list[Answer] = []

    def set_agent(self, record: AgentV1) -> AgentAccount:
        """Register an agent, or let a newer record of it hold from now on."""
        account = self.accounts.get(record.name)
        if account is None:
            account = self.accounts[record.name] = AgentAccount(record)
        account.record = record
        return account

    def clock_was_set(self, by_s: float) -> None:
        """The clock was set by this much: usage and answers stay as old as they are."""
        for account in self.accounts.values():
            account.usage.shift(by_s)
        self._answers.shift(by_s)

    # -- step one ----------------------------------------------------------------------------------------------

    def submit(self, case: AdmissionCase, now_s: float) -> Answer | None:
        """An answer at once, or None: the intent waits for a turn. Raises KeyError for an unknown agent."""
        account = self.accounts[case.source]
        known = self._known(case, now_s)
        if known is not None:
            return known
        if self.queue.find(case.source, case.id) is not None:
            return None
        refusal = self._asked(case, account, now_s)
        if refusal is not None:
            return self._finish(case, Judgement(refusal), now_s)
        return self._enqueue(case, account, now_s)

    def preview(self, case: AdmissionCase, now_s: float) -> Refusal | None:
        """Why the stages before the validator would refuse the case now, or None; nothing is counted or stored."""
        account = self.accounts[case.source]
        return self._asked(case, account, now_s) or cooldown(case, account.usage, now_s)

    def _asked(self, case: AdmissionCase, account: AgentAccount, now_s: float) -> Refusal | None:
        return (
            quarantine(case, account.record)
            or permission(case)
            or staleness(case, account.view)
            or quota(case, account.usage, now_s)
        )

    def cancel(self, agent: str, intent_id: str, why: str, now_s: float) -> Answer | None:
        """Take a waiting intent back; None when it does not wait (it was answered, or never submitted)."""
        case = self.queue.find(agent, intent_id)
        if case is None:
            return None
        return self._remove(case, Refusal("CANCELLED", why), now_s)

    def pop_shed(self) -> list[Answer]:
        """Answers of intents that were shed for newer ones since the last call."""
        shed, self._shed = self._shed, []
        return shed

    def resume_usage(self, agent: str, used: Mapping[str, float], at_s: float, effect: bool = True) -> None:
        """What an intent of an earlier process used, oldest first, counts against the agent's quotas.

        `effect` False: it was counted, and refused by the validator.
        """
        usage = self.accounts[agent].usage
        usage.reserve({}, at_s)
        usage.settle({}, used, at_s)
        if effect:
            usage.last_effect_s = at_s

    def _known(self, case: AdmissionCase, now_s: float) -> Answer | None:
        """The stored answer, or why there can be none. A stop that comes twice does no harm, so it never waits."""
        found = self._answers.find(_key(case), case.fingerprint, now_s)
        if isinstance(found, StoredIntent):
            return found.answer
        waiting = self.queue.find(case.source, case.id)
        if found is NoAnswer.ID_REUSED or (waiting is not None and waiting.fingerprint != case.fingerprint):
            return Answer.refused(case, Refusal("ID_REUSED", "this id stands for other parameters"))
        if found is NoAnswer.UNAVAILABLE and not (case.stops or case.exempt):
            text = "the answers of the last 24 h are still being read"
            return Answer.refused(case, Refusal("UNAVAILABLE", text, retry_after_s=1.0))
        return None

    def _enqueue(self, case: AdmissionCase, account: AgentAccount, now_s: float) -> Answer | None:
        overflow = backpressure(case, self.queue)
        if overflow.refused is not None:
            return self._finish(case, Judgement(overflow.refused), now_s)
        if overflow.shed is not None and overflow.shed_why is not None:
            self._shed.append(self._remove(overflow.shed, overflow.shed_why, now_s))
        if not case.stops:
            account.usage.reserve(case.amounts, now_s)
        self.queue.put(case)
        return None

    # -- step two ----------------------------------------------------------------------------------------------

    def turn(self, now_s: float, spent_s: Callable[[], float], most: int = MOST_A_TURN) -> Iterator[Answer]:
        """Judge what waits, in fair order; `spent_s` says how long the turn has taken so far."""
        for case in self.queue.turn(most):
            yield self._close(case, self._judgement(case, now_s), now_s)
            if spent_s() >= TURN_S:
                return

    def _judgement(self, case: AdmissionCase, now_s: float) -> Judgement:
        account = self.accounts[case.source]
        refusal = (
            quarantine(case, account.record)
            or overdue(case, now_s)
            or staleness(case, account.view)
            or cooldown(case, account.usage, now_s)
        )
        return self._validate(case) if refusal is None else Judgement(refusal)

    # -- answers -----------------------------------------------------------------------------------------------

    def _remove(self, case: AdmissionCase, why: Refusal, now_s: float) -> Answer:
        self.queue.remove(case)
        return self._close(case, Judgement(why), now_s)

    def _close(self, case: AdmissionCase, judgement: Judgement, now_s: float) -> Answer:
        """A case that waited has its answer; what it had reserved becomes use, or is free again."""
        answer = self._finish(case, judgement, now_s)
        usage = self.accounts[case.source].usage
        accepted = answer.code is None
        if not case.stops:
            used = case.amounts if judgement.used is None else judgement.used
            usage.settle(case.amounts, used if accepted else {}, now_s)
        if accepted:
            usage.last_effect_s = now_s
        return answer

    def _finish(self, case: AdmissionCase, judgement: Judgement, now_s: float) -> Answer:
        """Make the answer; a final one is written, then stored, then given."""
        answer = _answer_of(case, judgement)
        unwritten = self._commit(case, answer, judgement) if answer.final else None
        if unwritten is not None:
            answer = Answer.refused(case, unwritten)
        if answer.final:
            self._answers.store(_key(case), case.fingerprint, answer, now_s)
        elif answer.code in TALLIED:
            self.tally.add(case.source, answer.code or "", now_s)
        return answer


def _key(case: AdmissionCase) -> IntentKey:
    return IntentKey(case.agent.tent, case.source, case.id)


def _answer_of(case: AdmissionCase, judgement: Judgement) -> Answer:
    if judgement.refusal is not None:
        return Answer.refused(case, judgement.refusal)
    status: Status = "accepted" if judgement.granted is None else "clipped"
    return Answer(case.source, case.id, status, text=judgement.text, effect=judgement.effect, granted=judgement.granted)


def quarantine(case: AdmissionCase, newest: AgentV1) -> Refusal | None:
    """A quarantined or revoked agent may only switch off."""
    if newest.state == "active" or case.stops:
        return None
    return Refusal("QUARANTINED", f"{newest.name} is {newest.state}: {newest.reason or 'no reason recorded'}")


def permission(case: AdmissionCase) -> Refusal | None:
    """The kinds that the agent's record allows; a stop is open to all."""
    may = case.agent.may
    if may is None or case.stops or case.kind in may:
        return None
    return Refusal("NOT_PERMITTED", f"{case.source} may not ask for {case.kind}")


def overdue(case: AdmissionCase, now_s: float) -> Refusal | None:
    """An intent that waited beyond its deadline or its `not_after` moves nothing. A stop is never too late."""
    limits_s = [limit_s for limit_s in (case.deadline_s, case.not_after_s) if limit_s is not None]
    if case.stops or not limits_s or now_s <= min(limits_s):
        return None
    return Refusal("TIMEOUT", "it waited too long, s", now_s - case.arrived_s, min(limits_s) - case.arrived_s)
