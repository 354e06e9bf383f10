"""The orchestrator of one world: intents in, effects into the log, views out. One thread; every moment is injected.

    submit_intent -> admission (submit) -> queue
    run_turn      -> admission (turn) -> EffectValidator -> log.append -> fold -> answers -> views
    broadcast_event  (a tick, a collision, a message: no permission asked) -> log.append -> fold -> views

*Order.* Everything that happens has its place in the log, and the document is nothing but the fold over the log: a
replay of the same entries gives the same numbers, effects and views. Ids of effects follow from what caused them, never
from a random number, and do not count anything an agent may not see.

*Time.* A world has an authority over its time: once a source with `sim_time_s` (a game engine's tick) has spoken, the
world's time is the engine's; until then it is the clock that was injected. It never goes back.

*Answered after the append.* An answer leaves only when its entry is written. When the log refuses (disk full), the
intent is answered UNAVAILABLE, nothing has happened, and the same id may come again.

*Views after the turn.* Deltas are computed once a turn, not once an effect: a turn is 5 ms at most, and an agent that
sees ten effects of one turn gets one delta.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from shared_schemas.records.agent_v1 import AgentV1, LatencyModel
from shared_schemas.world.messages import Effect, EffectDraft, Intent, Payload
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.idempotency import IdempotencyTable, IntentKey, StoredIntent, fingerprint
from tomato_host.brain.admission.pipeline import Admission, Judgement
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.errors import TomatoError
from tomato_host.logs import Log
from tomato_host.world.agents import AgentHandle, OnAnswer
from tomato_host.world.cancel import CancelToken, CancelWatch
from tomato_host.world.distribution import Observer, SharedViews
from tomato_host.world.document import WorldState
from tomato_host.world.event_log import EventLog, EventLogEntry, canonical_json
from tomato_host.world.rules import AGENT, CREATED, OF_THE_LOG, RESUMED, WorldRules, fold_entry, replay
from tomato_host.world.telemetry import WorldTelemetry
from tomato_host.world.views import ObservationPolicy

LOG = Log("world")
VIEWS_A_RUN = 1_000_000
"""View numbers of a process begin at this many times the number of earlier ones: none is given twice."""
REFUSED = "intent_refused"
UNBOUNDED = 10_000
"""Intents that may wait of one agent where the feature `backpressure` is off: what a record may ask for at most."""


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """What a world does where an intent or a draft says nothing."""

    default_priority: int = 0
    seed: int = 0


class Orchestrator:
    """One world with its agents."""

    def __init__(
        self,
        world_id: str,
        world: WorldRules,
        log: EventLog,
        clock: Callable[[], float],
        settings: WorldSettings | None = None,
        *,
        answers: IdempotencyTable[Answer] | None = None,
        start: WorldState | None = None,
        stopwatch: Callable[[], float] = time.monotonic,
        telemetry: WorldTelemetry | None = None,
    ) -> None:
        """`clock`: seconds of the world's time; `stopwatch`: bounds a turn, and decides nothing else.

        A log that holds entries is folded first, from the snapshot `start` if there is one: the world stands where it
        stood, answers and quotas included. Raises TomatoError when the log cannot be written.
        """
        self.world_id = world_id
        self.settings = settings or WorldSettings()
        self.log = log
        self._world = world
        self._clock = clock
        self._stopwatch = stopwatch
        self._answers = answers if answers is not None else IdempotencyTable[Answer](ready=False)
        self.admission = Admission(self._answers, self._validate, self._commit_answer)
        self.cancels = CancelWatch()
        self.telemetry = telemetry or WorldTelemetry(stopwatch)
        self._observers: dict[str, Observer] = {}
        self._listeners: dict[tuple[str, str], list[OnAnswer]] = {}
        self._drafts: dict[str, int] = {}
        self._engine_s: float | None = None
        self._past: dict[str, list[EventLogEntry]] = {}
        self._logged: dict[str, AgentV1] = {}
        self._runs = 0
        self._begin(list(log.entries_since(log.first_n - 1)), start)

    def _begin(self, past: list[EventLogEntry], start: WorldState | None) -> None:
        """Stand where the log ends, and record that a process begins."""
        stored = [one for entry in past if (one := self._resume(entry)) is not None]
        self._answers.restore(stored, self._clock())
        if past and past[0].effect["kind"] == CREATED:
            self.settings = replace(self.settings, seed=past[0].effect["payload"]["seed"])
        first = start or WorldState(self.world_id, document=self._world.initial(self.settings.seed))
        self.state = replay(self._world, self.world_id, [entry for entry in past if entry.n > first.n], first)
        kind = RESUMED if past or start else CREATED
        self._append(self._effect(self.world_id, kind, {"seed": self.settings.seed}, str(self.log.last_n)), None, {})

    def _resume(self, entry: EventLogEntry) -> StoredIntent[Answer] | None:
        """What an entry of an earlier process means for admission; the answer that it holds."""
        answer, effect = entry.source_metadata.get("answer"), entry.effect
        if answer is not None:
            found = Answer.from_json(answer)
            if found.code is None:
                self._past.setdefault(found.agent, []).append(entry)
            key = IntentKey(entry.source_metadata["tent"], found.agent, found.id)
            return StoredIntent(key, entry.source_metadata["fingerprint"], found, entry.source_metadata["at_s"])
        if effect["kind"] in (CREATED, RESUMED):
            self._runs += 1
        elif effect["kind"] == AGENT:
            record = AgentV1.model_validate(effect["payload"], strict=False)
            self._logged[record.name] = record
        elif effect["kind"] not in OF_THE_LOG:
            self._drafts[effect["source"]] = self._drafts.get(effect["source"], 0) + 1
        return None

    # -- agents ------------------------------------------------------------------------------------------------

    def register_agent(self, record: AgentV1, policy: ObservationPolicy) -> AgentHandle:
        """Register an agent, or let a newer record and policy of it hold from now on.

        The record is logged when it differs from the last one: a replay knows who could see and do what.
        """
        if self._logged.get(record.name) != record:
            cause = str(self.log.last_n)
            self._append(self._effect(self.world_id, AGENT, record.model_dump(mode="json"), cause), None, {})
            self._logged[record.name] = record
        features = self.telemetry.features
        bounds: dict[str, Any] = {} if features.backpressure else {"queue_most": UNBOUNDED}
        if not features.latency:
            bounds["latency"] = LatencyModel()
        account = self.admission.set_agent(record.model_copy(update=bounds) if bounds else record)
        observer = self._observers.get(record.name)
        if observer is None:
            account.view.seq = self._runs * VIEWS_A_RUN
            observer = Observer(account, policy, self._clock, self.settings.seed)
            self._observers[record.name] = observer
            for entry in self._past.pop(record.name, ()):
                self.admission.resume_usage(record.name, entry.source_metadata["used"], entry.source_metadata["at_s"])
        else:
            observer.set_policy(policy)
        observer.update(self.state, self._clock())
        return AgentHandle(record.name, self)

    def observer(self, agent: str) -> Observer:
        """What an agent has seen. Raises KeyError for an unknown one."""
        return self._observers[agent]

    def agents(self) -> list[AgentV1]:
        """The records that hold now, by name."""
        return [self.admission.accounts[name].record for name in sorted(self._observers)]

    # -- intents -----------------------------------------------------------------------------------------------

    def submit_intent(self, intent: Intent, on_answer: OnAnswer | None = None) -> Answer | None:
        """As `AgentHandle.submit_intent`. Raises KeyError for an unknown agent, ValueError for what is no JSON."""
        now_s = self._clock()
        case = self._case(intent, now_s)
        self.telemetry.enter(case.source, case.id)
        with self.telemetry.stage("submit", agent_id=case.source, req_id=case.id):
            answer = self.admission.submit(case, now_s)
        if answer is not None:
            self._note(answer)
        self._deliver(self.admission.pop_shed())
        self.telemetry.queue(len(self.admission.queue))
        if answer is None and on_answer is not None:
            self._listeners.setdefault((case.source, case.id), []).append(on_answer)
        return answer

    def preview_intent(self, intent: Intent) -> tuple[AdmissionCase, Judgement, WorldState]:
        """What would be made of an intent now, and the state it would lead to; nothing happens (`sandbox.py`)."""
        now_s = self._clock()
        case = self._case(intent, now_s)
        refusal = self.admission.preview(case, now_s)
        judgement = self._validate(case) if refusal is None else Judgement(refusal)
        effect = cast(Effect | None, judgement.body)
        if judgement.refusal is not None or effect is None:
            return case, judgement, self.state
        document = self._world.fold(self.state.document, effect)
        return case, judgement, replace(self.state, document=document)

    def cancel_intent(self, agent: str, intent_id: str, reason: str) -> Answer | None:
        """Take a waiting intent back, and cancel the work that leads to it."""
        self.cancels.cancel(agent, intent_id, reason)
        answer = self.admission.cancel(agent, intent_id, reason, self._clock())
        self._deliver([] if answer is None else [answer])
        return answer

    def run_turn(self) -> list[Answer]:
        """Judge what waits (32 intents or 5 ms at most), then bring every view up to date."""
        now_s, began_s = self._clock(), self._stopwatch()
        with self.telemetry.stage("turn"):
            answers = list(self.admission.turn(now_s, lambda: self._stopwatch() - began_s))
        self.telemetry.queue(len(self.admission.queue))
        self._deliver(answers)
        with self.telemetry.stage("broadcast"):
            self.update_views()
        return answers

    # -- events and views --------------------------------------------------------------------------------------

    def broadcast_event(self, draft: EffectDraft) -> Effect:
        """Complete a draft, log it, change the document, and send it to the agents whose policies pass it on.

        Raises TomatoError when it cannot be written; then nothing has happened.
        """
        source = draft["source"]
        self._advance(draft.get("sim_time_s"))
        cause = str(self._drafts.get(source, 0))
        effect = self._effect(source, draft["kind"], draft.get("payload", {}), cause, draft.get("priority"))
        self._append(effect, None, {"agent": source})
        self._drafts[source] = self._drafts.get(source, 0) + 1
        self._send_event(effect)
        self.update_views()
        return effect

    def record_own(self, kind: str, payload: Payload) -> None:
        """An entry of the log about itself; it changes no document. Raises TomatoError when it cannot be written."""
        self._append(self._effect(self.world_id, kind, payload, str(self.log.last_n)), None, {})

    def update_views(self) -> None:
        """Send what has become due: changed views, and the cancellations that follow from them."""
        now_s, shared = self._clock(), SharedViews()
        for observer in self._in_order():
            change = observer.update(self.state, now_s, shared)
            if change is not None:
                self.telemetry.deltas["snapshot" if change["patch"] is None else "patch"] += 1
                self.cancels.examine(observer.account, now_s)
        for name in self.cancels.due(now_s):
            self.cancels.examine(self._observers[name].account, now_s)

    # -- cancelling --------------------------------------------------------------------------------------------

    def issue_cancel_token(self, agent: str, req_id: str, reads: tuple[str, ...] = ("",)) -> CancelToken:
        """A token for work on the agent's present view. Raises KeyError for an unknown agent."""
        return self.cancels.begin(agent, req_id, self._observers[agent].account.view.seq, reads)

    def end_work(self, agent: str, req_id: str) -> None:
        """As `AgentHandle.end_work`."""
        self.cancels.end(agent, req_id)

    def cancel_if_stale(self, agent: str) -> list[str]:
        """Cancel the agent's work that rests on an outdated view; returns the ids."""
        return self.cancels.examine(self._observers[agent].account, self._clock())

    # -- time and order ----------------------------------------------------------------------------------------

    def _current_sim_time(self) -> float:
        """The engine's time once an engine has spoken, the injected clock's until then; never goes back."""
        now_s = self._clock() if self._engine_s is None else self._engine_s
        return max(now_s, self.state.sim_time_s)

    def _advance(self, sim_time_s: float | None) -> None:
        if sim_time_s is not None:
            self._engine_s = sim_time_s if self._engine_s is None else max(sim_time_s, self._engine_s)

    def _next_seq(self) -> int:
        """The number that the next entry will have."""
        return self.log.last_n + 1

    # -- admission's two callbacks -----------------------------------------------------------------------------

    def _case(self, intent: Intent, now_s: float) -> AdmissionCase:
        agent = self.admission.accounts[intent["agent"]].record
        asked = {"payload": intent.get("payload", {}), "shadow": bool(intent.get("shadow"))}
        deadline_ms, priority, sim_time_s = intent.get("deadline_ms"), intent.get("priority"), intent.get("sim_time_s")
        tokens = intent.get("tokens")
        return AdmissionCase(
            agent=agent,
            id=intent["id"],
            kind=intent["kind"],
            fingerprint=fingerprint(intent["kind"], asked),
            body=intent,
            arrived_s=now_s,
            sim_time_s=self._current_sim_time() if sim_time_s is None else sim_time_s,
            priority=self.settings.default_priority if priority is None else priority,
            reads=self._world.reads(intent),
            context_seq=intent.get("context_seq"),
            deadline_s=None if deadline_ms is None else now_s + deadline_ms / 1_000.0,
            stops=self._world.stops(intent),
            exempt=agent.role == "owner" or agent.origin == "safe_mode",
            amounts={**self._world.amounts(intent), **({"tokens_per_day": float(tokens)} if tokens else {})},
        )

    def _validate(self, case: AdmissionCase) -> Judgement:
        """The validator's verdict on the newest state."""
        found = self._world.validator.validate_intent(cast(Intent, case.body), self.state, case.agent)
        if isinstance(found, Refusal):
            return Judgement(found)
        effect = self._effect(case.source, case.kind, found.payload, case.id, case.priority, case.id)
        granted = canonical_json(found.payload).decode() if found.clipped else None
        return Judgement(None, effect["id"], effect, granted, found.text, found.used)

    def _commit_answer(self, case: AdmissionCase, answer: Answer, judgement: Judgement) -> Refusal | None:
        """Write the answer with its effect. In shadow the verdict is the real one, and nothing is applied."""
        intent = cast(Intent, case.body)
        shadow = case.agent.shadow or bool(intent.get("shadow"))
        effect = cast(Effect | None, judgement.body)
        if effect is None:
            effect = self._effect(case.source, REFUSED, {"code": answer.code}, case.id, case.priority, case.id)
        used = case.amounts if judgement.used is None else judgement.used
        metadata = {
            "agent": case.source,
            "tent": case.agent.tent,
            "fingerprint": case.fingerprint,
            "answer": answer.to_json(),
            "used": dict(used) if answer.code is None else {},
            "at_s": self._clock(),
            "verdict": "refused" if answer.code is not None else "shadow" if shadow else "effect",
        }
        try:
            self._append(effect, case.id, metadata)
        except TomatoError as error:
            return Refusal("UNAVAILABLE", f"not written: {error.code}", retry_after_s=5.0)
        if metadata["verdict"] == "effect":
            self._send_event(effect)
        return None

    # -- inside ------------------------------------------------------------------------------------------------

    def _effect(
        self,
        source: str,
        kind: str,
        payload: Payload,
        cause: str,
        priority: int | None = None,
        req_id: str | None = None,
    ) -> Effect:
        name = canonical_json([self.world_id, self.settings.seed, source, kind, cause])
        return {
            "schema_version": "effect_v1",
            "id": hashlib.sha256(name).hexdigest()[:16],
            "world": self.world_id,
            "source": source,
            "kind": kind,
            "payload": payload,
            "sim_time_s": self._current_sim_time(),
            "priority": self.settings.default_priority if priority is None else priority,
            "req_id": req_id,
        }

    def _append(self, effect: Effect, req_id: str | None, metadata: Mapping[str, Any]) -> None:
        """The one place where something happens: written first, then folded."""
        everything = {"world": self.world_id, **metadata}
        with self.telemetry.stage("append"):
            n = self.log.append(effect, req_id, everything)
        self.state = fold_entry(self._world, self.state, EventLogEntry(n, effect, req_id, everything))

    def _send_event(self, effect: Effect) -> None:
        now_s = self._clock()
        for observer in self._in_order():
            observer.send_event(effect, self.state, now_s)

    def _in_order(self) -> list[Observer]:
        return [self._observers[name] for name in sorted(self._observers)]

    def _note(self, answer: Answer) -> None:
        observer = self._observers.get(answer.agent)
        self.telemetry.answer(answer, self.log.last_n, 0 if observer is None else observer.account.view.seq)

    def _deliver(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._note(answer)
            for listener in self._listeners.pop((answer.agent, answer.id), ()):
                try:
                    listener(answer)
                except Exception as error:  # an adapter that is gone must not cost others their answers
                    LOG.error("answer_not_delivered", agent_id=answer.agent, req_id=answer.id, error=repr(error))
