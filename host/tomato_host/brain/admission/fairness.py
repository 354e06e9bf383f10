"""Who is next: two lanes, and in each a deficit round robin over the agents that have something waiting.

*Lanes.* Safe mode, the owner and the planner go first; they are few and do not flood. Everybody else shares the second
lane, which has at least a quarter of every turn, so that the first cannot starve it either.

*Deficit round robin* (Shreedhar and Varghese 1995). Agents with waiting intents stand in a ring. An agent's turn adds
its weight to its deficit and lets it submit as many intents as the deficit pays for; what is left over it may use next
time, and an agent that has nothing waiting loses it. Each operation is O(1), the service of two agents that are always
busy differs by at most one weight from the ratio of their weights, and the state survives from turn to turn: a turn
that ends in the middle of an agent's share goes on there.

*Order.* What has arrived since the last turn is a quantum. It is sorted by (simulated time, priority, source, id)
before it joins the queues, so the order follows from the intents alone, never from the scheduling of threads, a random
id or the wall clock. Within an agent a stop goes before everything else.

Rejected: strict priority by rank (an automation of a higher rank starves the planner for ever; rank decides instead
who wins an output, in the guardrails, and who goes first inside a quantum), one global queue (one flooding agent makes
everybody late), and lottery or stride scheduling (random, or with a clock that drifts for agents that sleep).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain

from tomato_host.brain.admission.case import AdmissionCase

MOST_A_TURN = 32
FIRST_LANE_MOST = 24
"""Intents of the first lane in one turn while the second has some waiting."""


class AgentQueue:
    """What one agent has waiting: stops, then the rest, each in order of arrival."""

    __slots__ = ("deficit", "rest", "stops", "weight")

    def __init__(self) -> None:
        self.stops: deque[AdmissionCase] = deque()
        self.rest: deque[AdmissionCase] = deque()
        self.weight = 1
        self.deficit = 0

    def __len__(self) -> int:
        return len(self.stops) + len(self.rest)

    def __iter__(self) -> Iterator[AdmissionCase]:
        return chain(self.stops, self.rest)

    def add(self, case: AdmissionCase) -> None:
        """Queue one case; the newest record of the agent gives the weight."""
        self.weight = case.agent.weight
        (self.stops if case.stops else self.rest).append(case)

    def pop(self) -> AdmissionCase:
        """The next case. Raises IndexError when nothing waits."""
        return (self.stops or self.rest).popleft()

    def remove(self, case: AdmissionCase) -> None:
        """Take one case out. Raises ValueError when it does not wait."""
        (self.stops if case.stops else self.rest).remove(case)


class RoundRobin:
    """The deficit round robin of one lane."""

    def __init__(self) -> None:
        self._queues: dict[str, AgentQueue] = {}
        self._ring: deque[str] = deque()
        self.waiting = 0

    def queue_of(self, agent: str) -> AgentQueue | None:
        """The agent's queue; None when nothing of it waits."""
        return self._queues.get(agent)

    def add(self, case: AdmissionCase) -> None:
        """Queue one case; an agent that had nothing waiting joins the end of the ring."""
        queue = self._queues.get(case.source)
        if queue is None:
            queue = self._queues[case.source] = AgentQueue()
            self._ring.append(case.source)
        queue.add(case)
        self.waiting += 1

    def pop(self) -> AdmissionCase:
        """The next case in fair order. Raises IndexError when nothing waits."""
        agent = self._ring[0]
        queue = self._queues[agent]
        if queue.deficit < 1:
            queue.deficit += queue.weight
        case = queue.pop()
        queue.deficit -= 1
        self.waiting -= 1
        if not queue:
            self._leave(agent)
        elif queue.deficit < 1:
            self._ring.rotate(-1)
        return case

    def remove(self, case: AdmissionCase) -> None:
        """Take one case out of its queue. Raises KeyError or ValueError when it does not wait."""
        queue = self._queues[case.source]
        queue.remove(case)
        self.waiting -= 1
        if not queue:
            self._leave(case.source)

    def _leave(self, agent: str) -> None:
        self._ring.remove(agent)
        del self._queues[agent]


class FairQueue:
    """Both lanes, and the quantum that has arrived since the last turn."""

    def __init__(self) -> None:
        self._quantum: list[AdmissionCase] = []
        self._first = RoundRobin()
        self._second = RoundRobin()
        self._waiting: dict[tuple[str, str], AdmissionCase] = {}
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, case: AdmissionCase) -> None:
        """Queue one case for the next turn."""
        self._quantum.append(case)
        self._waiting[case.source, case.id] = case
        self._counts[case.source] = self._counts.get(case.source, 0) + 1

    def find(self, agent: str, intent_id: str) -> AdmissionCase | None:
        """The case that waits under this id."""
        return self._waiting.get((agent, intent_id))

    def waiting(self, agent: str) -> int:
        """How many of this agent's cases wait."""
        return self._counts.get(agent, 0)

    def of(self, agent: str) -> list[AdmissionCase]:
        """The agent's waiting cases, the oldest first."""
        queued = self._first.queue_of(agent) or self._second.queue_of(agent) or ()
        return sorted(queued, key=_arrival) + [case for case in self._quantum if case.source == agent]

    def remove(self, case: AdmissionCase) -> None:
        """Take a waiting case out: shed, cancelled or replaced."""
        if case in self._quantum:
            self._quantum.remove(case)
        else:
            self._lane(case).remove(case)
        self._forget(case)

    def turn(self, most: int = MOST_A_TURN) -> Iterator[AdmissionCase]:
        """The cases of one turn, in fair order, each taken out as it is yielded; at most `most`."""
        self._sort_quantum()
        first_most = min(most, FIRST_LANE_MOST)
        for served in range(most):
            lane = self._first if self._first.waiting and served < first_most else self._second
            if not lane.waiting:
                lane = self._first
            if not lane.waiting:
                return
            case = lane.pop()
            self._forget(case)
            yield case

    def _sort_quantum(self) -> None:
        self._quantum.sort(key=lambda case: case.order)
        for case in self._quantum:
            self._lane(case).add(case)
        self._quantum.clear()

    def _lane(self, case: AdmissionCase) -> RoundRobin:
        return self._first if case.exempt or case.agent.origin in ("controller", "safe_mode") else self._second

    def _forget(self, case: AdmissionCase) -> None:
        del self._waiting[case.source, case.id]
        left = self._counts[case.source] - 1
        if left:
            self._counts[case.source] = left
        else:
            del self._counts[case.source]


def _arrival(case: AdmissionCase) -> float:
    return case.arrived_s
