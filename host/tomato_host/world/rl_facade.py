"""The world as a learner sees it: observe, step. One of two facades on the same admission and the same log."""

from __future__ import annotations

import time
from collections.abc import Callable

from shared_schemas.world.messages import Effect, Intent, ObservationDelta
from tomato_host.brain.admission.answers import Answer
from tomato_host.world.document import View
from tomato_host.world.errors import AnswerTimeout, error_of
from tomato_host.world.orchestrator import Orchestrator

TIMEOUT_S = 5.0


class RLFacade:
    """Wraps the orchestrator of a world that this thread runs. Every step goes through admission and validator."""

    def __init__(self, host: Orchestrator, stopwatch: Callable[[], float] = time.monotonic) -> None:
        """`stopwatch` bounds the waiting for an answer, and decides nothing else."""
        self._host = host
        self._stopwatch = stopwatch
        self._answers: dict[tuple[str, str], Answer] = {}

    def observe(self, agent: str) -> View:
        """The agent's newest view. Raises KeyError for an unknown agent."""
        observer = self._host.observer(agent)
        if observer.view is None:
            self._host.update_views()
        return observer.view or View(agent, observer.account.view.seq, self._host.state.sim_time_s, {})

    def step(
        self, agent: str, intent: Intent, timeout_s: float = TIMEOUT_S
    ) -> tuple[Effect | None, ObservationDelta | None]:
        """Submit, run turns until the answer is there; the effect (None: repeated), and the newest change of the view.

        Raises StaleContextError, IntentConflictError, QuotaExceededError, AnswerTimeout or IntentRefused.
        """
        if intent["agent"] != agent:
            raise ValueError(f"{agent} cannot step for {intent['agent']}")
        before_n, before_seq = self._host.log.last_n, self._host.observer(agent).account.view.seq
        answer = self._answered(agent, intent, timeout_s)
        if answer.code is not None:
            raise error_of(answer)
        effects = (e.effect for e in self._host.log.entries_since(before_n) if e.effect["id"] == answer.effect)
        return next(effects, None), self._newest_delta(agent, before_seq)

    def _answered(self, agent: str, intent: Intent, timeout_s: float) -> Answer:
        key, end_s = (agent, intent["id"]), self._stopwatch() + timeout_s
        direct = self._host.submit_intent(intent, lambda answer: self._answers.__setitem__(key, answer))
        while direct is None and key not in self._answers:
            self._host.run_turn()
            if key not in self._answers and self._stopwatch() >= end_s:
                self._host.cancel_intent(agent, intent["id"], "its sender no longer waits")
                text = f"no answer within {timeout_s:g} s"
                raise AnswerTimeout(Answer(agent, intent["id"], "refused", "TIMEOUT", text, limit=timeout_s))
        return direct or self._answers.pop(key)

    def _newest_delta(self, agent: str, before_seq: int) -> ObservationDelta | None:
        """The last change that was delivered since; older ones are contained in the view."""
        newest: ObservationDelta | None = None
        for observation in self._host.observer(agent).queue.pop_due():
            if observation["schema_version"] == "observation_delta_v1" and observation["view_seq"] > before_seq:
                newest = observation
        return newest
