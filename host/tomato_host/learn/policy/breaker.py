"""The policy's circuit breaker, counted in epochs: slow or failing answers open it, the heuristic decides meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.learn.budgets import POLICY_BREAKER_MS

TROUBLES_TO_OPEN = 3
REST_EPOCHS = 10


@dataclass
class PolicyBreaker:
    """Closed: asked every epoch. Open: not asked for REST_EPOCHS, then once on trial."""

    troubles: int = 0
    open_until: int = 0
    opened: int = 0

    def allows(self, epoch: int) -> bool:
        """Whether the learned policy may be asked now."""
        return epoch >= self.open_until

    def record(self, epoch: int, milliseconds: float, failed: bool = False) -> bool:
        """An answer; True when this one opens the breaker."""
        if not failed and milliseconds <= POLICY_BREAKER_MS:
            self.troubles = 0
            return False
        self.troubles += 1
        on_trial = self.open_until > 0 and epoch >= self.open_until
        if self.troubles < TROUBLES_TO_OPEN and not on_trial:
            return False
        self.open_until, self.troubles = epoch + REST_EPOCHS, 0
        self.opened += 1
        return True
