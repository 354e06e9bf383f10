"""The world as events: emit, subscribe. The other facade on the same log; policies decide who gets what."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable

from shared_schemas.world.messages import Effect, EffectDraft, ObservationDelta, Payload
from tomato_host.world.circuit_breaker import CircuitBreaker
from tomato_host.world.orchestrator import Orchestrator

Handler = Callable[[Effect | ObservationDelta], None]
BREAK = {"backoff_first_s": 0.5, "backoff_most_s": 30.0, "failures_to_open": 5, "rest_s": 60.0}
"""A handler that fails is left alone for longer and longer; the other subscribers notice nothing."""
DELTAS = "observation_delta"
"""Subscribes to changes of the view, beside kinds of event."""


class Subscription:
    """One handler of one agent. `failures` counts what it raised; `missed` what it was not given meanwhile."""

    def __init__(self, agent: str, kinds: frozenset[str], handler: Handler) -> None:
        self.agent = agent
        self.failures = 0
        self.missed = 0
        self._kinds = kinds
        self._handler = handler
        self._breaker = CircuitBreaker(**BREAK)  # type: ignore[arg-type]  # a table of its four settings

    def wants(self, observation: Effect | ObservationDelta) -> bool:
        """Whether it subscribed to this kind; without kinds it wants everything."""
        kind = observation["kind"] if observation["schema_version"] == "effect_v1" else DELTAS
        return not self._kinds or kind in self._kinds

    def deliver(self, observation: Effect | ObservationDelta, now_s: float) -> None:
        """Call the handler, unless it has just failed."""
        if not self._breaker.allows(now_s):
            self.missed += 1
            return
        try:
            self._handler(observation)
        except Exception:
            self.failures += 1
            self._breaker.record_failure(now_s)
        else:
            self._breaker.record_success()


class MessageFacade:
    """Emit events and subscribe to them. What a subscriber gets is what its agent's policy passes on, nothing else."""

    def __init__(self, host: Orchestrator, clock: Callable[[], float]) -> None:
        """`clock`: seconds, for the pauses of handlers that fail."""
        self._host = host
        self._clock = clock
        self._subscriptions: list[Subscription] = []

    def emit(self, source: str, kind: str, payload: Payload, sim_time_s: float | None = None) -> Effect:
        """Broadcast an event through the policies. Raises TomatoError when it cannot be written."""
        draft: EffectDraft = {
            "schema_version": "effect_draft_v1",
            "source": source,
            "kind": kind,
            "payload": payload,
            "sim_time_s": sim_time_s,
        }
        return self._host.broadcast_event(draft)

    def subscribe(self, agent: str, handler: Handler, kinds: Iterable[str] = ()) -> Subscription:
        """Call `handler` with what the agent gets, of the named kinds. Raises KeyError for an unknown agent."""
        self._host.observer(agent)
        subscription = Subscription(agent, frozenset(kinds), handler)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription; ending it twice is fine."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def deliver(self) -> int:
        """Hand on everything that has become due; returns how many observations that was."""
        count, now_s = 0, self._clock()
        for agent in sorted({subscription.agent for subscription in self._subscriptions}):
            for observation in self._host.observer(agent).queue.pop_due():
                count += 1
                for subscription in [s for s in self._subscriptions if s.agent == agent]:
                    if subscription.wants(observation):
                        subscription.deliver(observation, now_s)
        return count

    async def messages(self, agent: str) -> AsyncIterator[Effect | ObservationDelta]:
        """What the agent gets, as it comes; for an agent without subscriptions."""
        queue = self._host.observer(agent).queue
        while True:
            yield await queue.get()
