"""The person by a simulated tent: comes an hour after a fault's cause has gone, presses the button, clears the fault.

What a board has latched stays latched until somebody says so; leak, over-temperature, a stuck valve, the emergency
stop and an overrun want the button at the board as well (docs/safety.md). The person cannot see what the board cannot:
a pump that is still clogged is cleared all the same, and latches again with the next dose.
"""

from __future__ import annotations

from shared_schemas.wire import FAULTS
from tomato_host.twin.core_board import NEVER_MS, CoreBoard

COMES_AFTER_MS = 3_600_000
PRESSES_MS = 3_500
"""Longer than the board wants it held."""


class Grower:
    """Looks at the board when asked to, and acts on it at `next_ms`."""

    def __init__(self, board: CoreBoard) -> None:
        self._board = board
        self._shown_ms: dict[int, int] = {}
        """Latched fault to the last moment at which its cause was there."""
        self._release_ms = NEVER_MS
        self._acknowledges = False
        self._commands = 0

    @property
    def next_ms(self) -> int:
        """When the person does something next."""
        if self._release_ms < NEVER_MS:
            return self._release_ms
        return min(self._shown_ms.values(), default=NEVER_MS - COMES_AFTER_MS) + COMES_AFTER_MS

    def look(self) -> None:
        """Note what is latched now, and whether its cause lasts."""
        board, shown = self._board, self._shown_ms
        if board.latched == 0 and not shown:
            return
        causes = board.core.faults.causes if board.core is not None else 0
        for fault in FAULTS:
            if not board.latched >> fault.wire_id & 1:
                shown.pop(fault.wire_id, None)
            elif causes >> fault.wire_id & 1 or fault.wire_id not in shown:
                shown[fault.wire_id] = board.now_ms

    def act(self) -> None:
        """Press the button, or let it go and clear what has been over for long enough."""
        world = self._board.world
        if not world.button:
            world.button = True
            self._release_ms = self._board.now_ms + PRESSES_MS
            return
        world.button = False
        self._release_ms = NEVER_MS
        for fault, shown_ms in list(self._shown_ms.items()):
            if self._board.now_ms - shown_ms >= COMES_AFTER_MS:
                self._clear(fault)

    def _clear(self, fault: int) -> None:
        self._commands += 1
        now_ms = self._board.now_ms
        answer = self._board.command(
            "CLEAR_FAULT", cmd_id=COMMAND_IDS + self._commands % COMMAND_IDS, not_after_ms=NOT_AFTER_MS, fault=fault
        )
        if answer is not None and answer.status == "DONE":
            self._acknowledges = True
        self._shown_ms[fault] = now_ms  # when it was refused: again in an hour
        self.look()

    def take_acknowledgement(self) -> bool:
        """True once after a fault was cleared: the person tells the brain, too."""
        said, self._acknowledges = self._acknowledges, False
        return said


COMMAND_IDS = 1 << 29
"""A person's commands are numbered above those of any run."""
NOT_AFTER_MS = 1 << 50
