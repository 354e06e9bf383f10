"""Which blueprint an action means: the pool of its size, ordered by what the catalogue recorded of each, in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as MetadataTimeout
from dataclasses import dataclass, field

from tomato_host.learn.blueprints import Blueprint, Size, query
from tomato_host.learn.policy.view import PolicyAction
from tomato_host.learn.settings import LearnPolicySettings

SIZE_OF: dict[int, Size] = {
    PolicyAction.GERMINATE_SMALL: "small",
    PolicyAction.GERMINATE_MEDIUM: "medium",
    PolicyAction.GERMINATE_LARGE: "large",
}

Metadata = Callable[[list[int]], Mapping[int, Mapping[str, float]]]
"""By blueprint what the catalogue recorded: `worth` (1 - error ratio, positive is better), `quarantined` (0 or 1)."""


@dataclass
class BlueprintSelection:
    """Chooses; asks for metadata in a thread of its own and goes on without it when it is late."""

    settings: LearnPolicySettings
    expert: str = "trees"
    metadata: Metadata | None = None
    skipped: int = 0
    """Choices that were made without metadata, because it was late or failed."""
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=1, thread_name_prefix="metadata")
    )

    def choose(self, action: int, conservative: bool = False) -> Blueprint | None:
        """The blueprint for a germinating action; None when the pool is empty or all of it is in quarantine."""
        pool = query(kind=self.expert, size=SIZE_OF[action], conservative=conservative)
        if self.settings.experimental and self.expert == "network" and not conservative:
            pool = pool + query(kind="module", tier="experimental", size=SIZE_OF[action])
        facts = self._ask([one.id for one in pool])
        pool = [one for one in pool if not facts.get(one.id, {}).get("quarantined")]
        influence = self.settings.metadata_influence
        # Without metadata the first of the pool wins; a recorded worth of 1 % moves a blueprint by one place.
        ranked = sorted(
            enumerate(pool), key=lambda it: it[0] - influence * 100.0 * facts.get(it[1].id, {}).get("worth", 0.0)
        )
        return ranked[0][1] if ranked else None

    def _ask(self, numbers: list[int]) -> Mapping[int, Mapping[str, float]]:
        if self.metadata is None or self.settings.metadata_wait_ms <= 0.0:
            return {}
        try:
            return self._pool.submit(self.metadata, numbers).result(self.settings.metadata_wait_ms / 1_000.0)
        except MetadataTimeout:
            self.skipped += 1
        except Exception:  # a catalogue that fails costs its advice, not the decision
            self.skipped += 1
        return {}
