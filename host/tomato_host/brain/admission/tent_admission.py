"""Admission of a tent: every proposal of every origin passes the pipeline, and the guardrails are its validator.

A proposal names its agent, or belongs to the agent of its origin (`ORIGIN_AGENTS`): planner, safe mode, owner, API,
MQTT, advisor, and a learned policy that runs in shadow. The pipeline's stages come first; what they let pass is judged
by the guardrails, called from here and from nowhere else (a test counts the call sites).

*Shadow.* A proposal in shadow is judged on a copy of the ledger: the verdict is the real one, and nothing is reserved,
carried out or counted. What its agent would have done can so be compared with what was done, for weeks, at no risk.

*A repeat* of an answered id is answered first, before quota and backpressure, by `AnsweredVerdicts`, also after a
restart: the pipeline's own table stores nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType, ActionV1, Check, Safety
from shared_schemas.records.agent_v1 import ORIGIN_AGENTS, AgentV1, agent_name
from tomato_host.brain.admission.answered_verdicts import AnsweredVerdicts, params_fingerprint
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.backpressure import RefusalCount
from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.idempotency import IdempotencyTable
from tomato_host.brain.admission.pipeline import TALLIED, TURN_S, Admission, Judgement
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.brain.guardrails.context import GuardContext
from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict
from tomato_host.brain.guardrails.profiles import DOSES, OWN_ORIGINS, RANK

NEVER_QUEUED = TALLIED - {"COOLDOWN"} | {"NOT_PERMITTED", "QUARANTINED", "STALE_CONTEXT", "ID_REUSED", "UNAVAILABLE"}
"""Refusals at submission: such an intent was never counted."""
NEVER = datetime(2026, 1, 1, tzinfo=UTC)
"""Time of the records that the code itself has, before a tent records its own."""
SOIL, RESERVOIR, LEAK, AIR = "/soil", "/devices/reservoir_ok", "/devices/leak", "/air"
"""Pointers in the tent's document (`world/worlds/tent.py`)."""


def default_agents(tent: str, ts: datetime = NEVER) -> tuple[AgentV1, ...]:
    """One agent an origin. The owner is exempt from quotas; a learned policy begins in shadow."""
    return tuple(
        AgentV1(
            schema_version="agent_v1",
            ts=ts,
            name=name,
            tent=tent,
            origin=origin,
            role="owner" if origin == "person" else "agent",
            policy="full" if origin in ("controller", "safe_mode", "person") else "tent",
            shadow=origin == "policy",
        )
        for origin, name in ORIGIN_AGENTS.items()
    )


def reads_of(action: ActionV1) -> tuple[str, ...]:
    """What a proposal rests on in the tent's document; a change of anything else does not make it stale."""
    if action.type in DOSES:
        return (SOIL, RESERVOIR, LEAK)
    return (AIR, f"/devices/{OUTPUT_OF[action.type]}") if action.type in OUTPUT_OF else ()


def amounts_of(action: ActionV1) -> dict[str, float]:
    """What a proposal uses of its agent's daily quotas."""
    if action.params.state == "OFF" or action.type not in OUTPUT_OF:
        return {}
    if action.type in DOSES:
        return {"water_ml_per_day": action.params.ml or 0.0}
    return {"on_s_per_day": action.params.seconds or 0.0}


def stops(action: ActionV1) -> bool:
    """Whether a proposal only switches something off."""
    return action.params.state == "OFF" or action.type is ActionType.STOP_ALL


class TentAdmission:
    """The pipeline in front of the guardrails of one tent. Pure."""

    def __init__(self, guardrails: Guardrails, answers: AnsweredVerdicts, tent: str) -> None:
        self._tent = tent
        self._guardrails = guardrails
        self._answers = answers
        self._context: GuardContext | None = None
        self._waiting: dict[tuple[str, str], ActionV1] = {}
        self._judged: dict[tuple[str, str], Verdict] = {}
        self._finished: list[Verdict] = []
        self.pipeline = Admission(IdempotencyTable[Answer](lifetime_s=0.0), self._judge, _written_by_the_episode)
        for record in default_agents(tent):
            self.pipeline.set_agent(record)

    def set_agent(self, record: AgentV1) -> None:
        """A new agent, or a newer record of one, holds from now on."""
        self.pipeline.set_agent(record)

    def resume(self, judged: Iterable[ActionV1]) -> None:
        """Verdicts of earlier processes, oldest first: they count against their agents' quotas as they did then."""
        for action in judged:
            agent, code = self.agent_of(action), action.safety.refused_by
            if agent is None or code in NEVER_QUEUED or action.type not in OUTPUT_OF or stops(action):
                continue
            used = amounts_of(action) if action.safety.validated else {}
            self.pipeline.resume_usage(agent.name, used, action.ts.timestamp(), effect=action.safety.validated)

    def pop_refused(self, now_s: float) -> list[RefusalCount]:
        """Counts of refusals of whole minutes that are recorded so and not one by one; infinity: all there are."""
        return self.pipeline.tally.pop_closed(now_s)

    def agent_of(self, action: ActionV1) -> AgentV1 | None:
        """The record of the agent that proposes; None for an unknown one, and one of another origin or tent."""
        account = self.pipeline.accounts.get(agent_name(action))
        if account is None or account.record.tent != self._tent or account.record.origin != action.origin:
            return None
        return account.record

    def admit(self, action: ActionV1, context: GuardContext) -> Verdict:
        """Submit one proposal and judge until it has its verdict; verdicts of others come out of the next `turn`."""
        verdict = self.submit(action, context)
        while verdict is None:
            judged = self._run(context, lambda: TURN_S)
            own = [one for one in judged if one.action.id == action.id and one.action.agent == action.agent]
            self._finished += [one for one in judged if one not in own]
            verdict = own[0] if own else None
        return verdict

    def submit(self, action: ActionV1, context: GuardContext) -> Verdict | None:
        """A verdict at once (refused, or an id that has one), or None: it waits for a turn."""
        agent = self.agent_of(action)
        if agent is None:
            return refused_verdict(action, Refusal("NOT_PERMITTED", f"unknown agent {action.agent} of {action.origin}"))
        asked = params_fingerprint(action)
        known = None if agent.shadow or action.shadow else self._answers.find(action, context, asked)
        if known is not None or action.id is None:
            return known or self._validated(action, agent, context, asked)
        case = _case(action, agent, context.now.timestamp(), asked)
        answer = self.pipeline.submit(case, case.arrived_s)
        self._finished += [self._verdict_of(shed) for shed in self.pipeline.pop_shed()]
        if answer is None:
            self._waiting[case.source, case.id] = action
            return None
        return refused_verdict(action, Refusal(str(answer.code), answer.text, answer.value, answer.limit))

    def turn(self, context: GuardContext, spent_s: Callable[[], float]) -> list[Verdict]:
        """The verdicts of one turn: 32 proposals at most, and none begun after 5 ms by `spent_s`."""
        finished, self._finished = self._finished, []
        return finished + self._run(context, spent_s)

    def preview(self, action: ActionV1, context: GuardContext) -> Verdict:
        """The verdict that a proposal would get now, judged on a copy of the ledger; nothing is counted or stored."""
        agent = self.agent_of(action)
        if agent is None:
            return refused_verdict(action, Refusal("NOT_PERMITTED", f"unknown agent {action.agent} of {action.origin}"))
        now_s, asked = context.now.timestamp(), params_fingerprint(action)
        refusal = self.pipeline.preview(_case(action, agent, now_s, asked), now_s)
        if refusal is not None:
            return refused_verdict(action, refusal)
        verdict = self._validated(action.model_copy(update={"shadow": True}), agent, context, asked)
        return replace(verdict, action=verdict.action.model_copy(update={"shadow": action.shadow}))

    def cancel(self, agent: str, intent_id: str, why: str, now_s: float) -> Verdict | None:
        """Take a waiting proposal back; None when it does not wait."""
        answer = self.pipeline.cancel(agent, intent_id, why, now_s)
        return None if answer is None else self._verdict_of(answer)

    # -- inside ------------------------------------------------------------------------------------------------

    def _run(self, context: GuardContext, spent_s: Callable[[], float]) -> list[Verdict]:
        self._context = context
        return [self._verdict_of(answer) for answer in self.pipeline.turn(context.now.timestamp(), spent_s)]

    def _verdict_of(self, answer: Answer) -> Verdict:
        """What the guardrails said, or the refusal of a stage before them."""
        key = (answer.agent, answer.id)
        action, judged = self._waiting.pop(key), self._judged.pop(key, None)
        if judged is not None:
            return judged
        return refused_verdict(action, Refusal(str(answer.code), answer.text, answer.value, answer.limit))

    def _judge(self, case: AdmissionCase) -> Judgement:
        """The guardrails as the pipeline's validator. What they refuse is theirs to answer when it is repeated."""
        if self._context is None or not isinstance(case.body, ActionV1):
            raise RuntimeError("a tent's intents are actions, judged within a turn")
        verdict = self._validated(case.body, case.agent, self._context, case.fingerprint)
        self._judged[case.source, case.id] = verdict
        if not verdict.action.safety.validated:
            return Judgement(Refusal("UNAVAILABLE", f"refused by {verdict.rule}", verdict.value, verdict.limit))
        return Judgement(effect=case.id, used=amounts_of(verdict.action) if verdict.allowed else {})

    def _validated(self, action: ActionV1, agent: AgentV1, context: GuardContext, asked: str) -> Verdict:
        if not (agent.shadow or action.shadow):
            # The brain's own ids never come again: their verdicts need no table.
            if action.agent is None and action.origin in OWN_ORIGINS:
                return self._guardrails.judge(action, context)
            return self._answers.judge(action, context, asked)
        verdict = self._guardrails.preview(action, context)
        shadowed = verdict.action.model_copy(update={"shadow": True})
        return replace(verdict, action=shadowed, allowed=False, preempts=())


def refused_verdict(action: ActionV1, refusal: Refusal) -> Verdict:
    """A refusal of admission, as the record of an action has it."""
    check = Check(rule=refusal.code, ok=False, value=refusal.value, limit=refusal.limit, text=refusal.text[:240])
    safety = Safety(validated=False, refused_by=refusal.code, checks=(check,))
    action = action.model_copy(update={"safety": safety})
    return Verdict(action, False, refusal.code, refusal.value, refusal.limit, (check,))


def _case(action: ActionV1, agent: AgentV1, now_s: float, asked: str) -> AdmissionCase:
    return AdmissionCase(
        agent=agent,
        id=str(action.id),
        kind=action.type.value,
        fingerprint=asked,
        body=action,
        arrived_s=now_s,
        sim_time_s=now_s,
        priority=RANK[action.origin],
        reads=reads_of(action),
        context_seq=action.context_seq,
        deadline_s=None if action.deadline_ms is None else now_s + action.deadline_ms / 1_000.0,
        not_after_s=None if action.not_after is None else action.not_after.timestamp(),
        stops=stops(action),
        exempt=agent.role == "owner" or agent.origin == "safe_mode",
        amounts=amounts_of(action),
    )


def _written_by_the_episode(case: AdmissionCase, answer: Answer, judgement: Judgement) -> Refusal | None:
    """A verdict of a tent is recorded by the episode's walk, before the action is started."""
    return None
