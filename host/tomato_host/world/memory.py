"""Memory of a world: how many views stay in it (the least recently used leave), and when a snapshot is due."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from tomato_host.brain.admission.idempotency import LIFETIME_S
from tomato_host.world.distribution import Observer
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.rules import SNAPSHOT_TAKEN
from tomato_host.world.snapshots import WorldSnapshot


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """How much a world may hold."""

    views: int = 100
    snapshot_every: int = 10_000
    """Entries between two snapshots."""
    entries: int = 50_000
    """Entries of the log in memory; more are compacted away, those of the last 24 h never."""


class MemoryManager:
    """Keeps a world within its limits. Call `use` when an agent looks, the others now and then."""

    def __init__(self, host: Orchestrator, log: ChainedLog, limits: MemoryLimits | None = None) -> None:
        self.limits = limits or MemoryLimits()
        self.newest: WorldSnapshot | None = None
        self._host = host
        self._log = log
        self._used: OrderedDict[str, Observer] = OrderedDict()

    def use(self, agent: str) -> None:
        """An agent looks: the least recently used views leave when there are too many."""
        observer = self._host.observer(agent)
        self._used[agent] = observer
        self._used.move_to_end(agent)
        while len(self._used) > self.limits.views:
            _, oldest = self._used.popitem(last=False)
            oldest.evict()

    def snapshot_when_due(self) -> WorldSnapshot | None:
        """Take a snapshot when enough has happened since the last; None otherwise."""
        since = self.newest.state.n if self.newest is not None else 0
        if self._log.last_n - since < self.limits.snapshot_every:
            return None
        snapshot = WorldSnapshot(self._host.state, self._log.head)
        draft = {"n": snapshot.state.n, "digest": snapshot.digest}
        self._host.record_own(SNAPSHOT_TAKEN, draft)
        self.newest = snapshot
        return snapshot

    def compact(self, now_s: float) -> int:
        """Forget what the newest snapshot contains, but no answer of the last 24 h; returns how many entries."""
        if self.newest is None or self._log.last_n - self._log.first_n < self.limits.entries:
            return 0
        first_needed = self.newest.state.n + 1
        for entry in self._log.entries_since(self._log.first_n - 1):
            at_s = entry.source_metadata.get("at_s", float("-inf"))
            if entry.n >= first_needed or now_s - at_s < LIFETIME_S:
                first_needed = entry.n
                break
        before = self._log.first_n
        self._log.compact(first_needed - 1)
        return self._log.first_n - before
