"""Commands under way: named once, repeated until answered, never carried out twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared_schemas.devices import OUTPUTS
from tomato_host.board.events import Result

ANSWER_MS = 1_000
"""A command without any answer is sent again after this long, under the same name."""
FINISH_MARGIN_MS = 5_000
"""A pulse that ought to have ended this long ago is asked after."""
PATIENCE_MS = 20_000
"""A command that was never answered by then is given up; the board refuses it by its `not_after` if it still comes."""
COMMANDS_PER_SESSION = 1 << 14


@dataclass(slots=True)
class Command:
    """One command and how far it is."""

    cmd_id: int
    name: str
    fields: dict[str, Any]
    asked_ms: int
    sent_ms: int
    accepted: bool = False
    ends_ms: int = 0
    """When an accepted pulse is over at the latest, by its own amount."""


def longest_ms(fields: dict[str, Any]) -> int:
    """How long a pulse of this amount may last."""
    row = OUTPUTS[fields["output"]]
    return row.max_on_ms if row.dose_unit == "ml" else int(fields["amount"])


@dataclass(slots=True)
class CommandBook:
    """All commands whose last word is still out. Names never repeat within a board's memory: they carry the session."""

    session: int
    open: dict[int, Command] = field(default_factory=dict)
    _count: int = 0

    def new(self, name: str, fields: dict[str, Any], now_ms: int) -> Command:
        """Name a command."""
        self._count = (self._count + 1) % COMMANDS_PER_SESSION or 1
        command = Command(self.session * COMMANDS_PER_SESSION + self._count, name, fields, now_ms, now_ms)
        self.open[command.cmd_id] = command
        return command

    def answer(self, result: Result, now_ms: int) -> bool:
        """Take a RESULT in; False when it is about nothing open (a repeat, or another host's)."""
        command = self.open.get(result.cmd_id)
        if command is None:
            return False
        if result.status == "ACCEPTED":
            if command.accepted:
                return False
            command.accepted = True
            command.sent_ms = now_ms
            command.ends_ms = now_ms + longest_ms(command.fields) if command.name == "PULSE" else now_ms
            return True
        del self.open[result.cmd_id]
        return True

    def due(self, now_ms: int) -> list[Command]:
        """Commands to send again now."""
        again = []
        for command in self.open.values():
            wait_ms = ANSWER_MS
            if command.accepted:
                wait_ms = max(FINISH_MARGIN_MS, command.ends_ms + FINISH_MARGIN_MS - command.sent_ms)
            if now_ms - command.sent_ms >= wait_ms:
                command.sent_ms = now_ms
                again.append(command)
        return again

    def given_up(self, now_ms: int) -> list[Result]:
        """Close commands that nobody ever answered."""
        lost = [c for c in self.open.values() if not c.accepted and now_ms - c.asked_ms > PATIENCE_MS]
        for command in lost:
            del self.open[command.cmd_id]
        return [Result(c.cmd_id, "REJECTED", "no_answer", 0.0) for c in lost]

    def close_all(self, reason: str) -> list[Result]:
        """The board has forgotten everything: what was under way has ended with it."""
        results = [Result(c.cmd_id, "ABORTED", reason, 0.0) for c in self.open.values()]
        self.open.clear()
        return results
