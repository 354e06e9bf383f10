"""Readings computed before the board asks for them, and taken back when it does not.

The board says when it is due next, and nearly always it looks at its sensors then. So the answer that lets it go on
can carry what it will find there, which saves a turn between twin and VM. Time in the world moves only for a board
that looks (an extra look would be an extra step of the physics and other noise), so the state of before is kept until
the board has told whether it used the readings.
"""

from __future__ import annotations

from collections.abc import Callable

from tomato_host.twin.sensors import to_block
from tomato_host.twin.world import World, WorldState


class Preview:
    """At most one set of readings ahead of time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before: WorldState | None = None

    def block(self, at_ms: int, inputs: Callable[[], int]) -> tuple[int, ...] | None:
        """The block of values the board would get at `at_ms`, a moment from now on; the world is left there.

        None, and nothing moved, when that cannot be said yet: more happens on the way than `restore` can take back, or
        one of the `inputs` (their levels as one word) changes.
        """
        world = self._world
        if world.changes_course_by(at_ms):
            return None
        before, known = world.state(), inputs()
        world.advance_grid(at_ms)
        if inputs() != known:
            world.restore(before)
            return None
        self._before = before
        return to_block(world.readings(at_ms))

    def settle(self, used: bool) -> None:
        """The board has used what was computed, or not: then the world goes back."""
        if self._before is not None and not used:
            self._world.restore(self._before)
        self._before = None
