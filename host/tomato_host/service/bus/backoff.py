"""How long to wait before the next try, so that a hundred nodes do not come back in the same instant."""

from __future__ import annotations

import random

FIRST_S = 0.5
MOST_S = 30.0


class Backoff:
    """Doubling with full jitter: anything between a tenth of the step and the step."""

    def __init__(self, chance: random.Random | None = None, first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._chance = chance or random.SystemRandom()
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0

    def next_s(self) -> float:
        """Seconds to wait now; the next answer is longer."""
        step = min(self._most_s, self._first_s * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return step * self._chance.uniform(0.1, 1.0)

    def reset(self) -> None:
        """It works again."""
        self.failures = 0
