"""Going back: fast from memory (the last epochs of this process), full from a checkpoint on disk.

Both restore everything that learning goes on from: weights, optimizer state, random generator, slots, counters.
"""

from __future__ import annotations

from collections import deque

from tomato_host.errors import TomatoError
from tomato_host.learn.checkpoint import Checkpoint

MEMORY_EPOCHS = 5


class RollbackStack:
    """The last epoch boundaries in memory, the newest last."""

    def __init__(self, size: int = MEMORY_EPOCHS) -> None:
        self._held: deque[Checkpoint] = deque(maxlen=size)

    def push(self, checkpoint: Checkpoint) -> None:
        """Hold a boundary; its arrays must be copies that nobody writes to."""
        self._held.append(checkpoint)

    def back(self, to_epoch: int | None = None) -> Checkpoint:
        """The boundary before the newest, or the newest no later than `to_epoch`; later ones are forgotten.

        Raises TomatoError E-LEARN-NO-ROLLBACK when memory does not reach that far.
        """
        newest = self._held[-1].epoch if self._held else 0
        wanted = newest - 1 if to_epoch is None else to_epoch
        while self._held and self._held[-1].epoch > wanted:
            self._held.pop()
        if not self._held:
            raise TomatoError(
                "E-LEARN-NO-ROLLBACK",
                f"Memory does not reach back to epoch {wanted}.",
                "use the full rollback, which reads a checkpoint: `tomato-host learn rollback`",
            )
        return self._held[-1]

    @property
    def epochs(self) -> list[int]:
        """Epochs that a fast rollback can reach, oldest first."""
        return [held.epoch for held in self._held]
