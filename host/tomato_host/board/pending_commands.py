"""Commands under way: one id each, repeated until answered, never carried out twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared_schemas.devices import OUTPUTS
from tomato_host.board.events import Result

RESEND_MS = 1_000
"""A command without any answer is sent again after this long, with the same id."""
FINISH_MARGIN_MS = 5_000
"""A pulse that should have ended this long ago is queried by a repeat."""
GIVE_UP_MS = 20_000
"""A command unanswered by then is given up; its `not_after` makes the board refuse it should it still arrive."""
COMMANDS_PER_SESSION = 1 << 14


@dataclass(slots=True)
class PendingCommand:
    """One command and its progress."""

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
class PendingCommands:
    """Commands without a final result. Ids contain the session, so none repeats within the board's memory."""

    session: int
    open: dict[int, PendingCommand] = field(default_factory=dict)
    _count: int = 0

    def new(self, name: str, fields: dict[str, Any], now_ms: int) -> PendingCommand:
        """Register a command under a new id."""
        self._count = (self._count + 1) % COMMANDS_PER_SESSION or 1
        command = PendingCommand(self.session * COMMANDS_PER_SESSION + self._count, name, fields, now_ms, now_ms)
        self.open[command.cmd_id] = command
        return command

    def on_result(self, result: Result, now_ms: int) -> bool:
        """Process a RESULT; False when its command is not open (a repeat, or another host's)."""
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

    def due(self, now_ms: int) -> list[PendingCommand]:
        """Commands to send again now."""
        if not self.open:
            return []
        again = []
        for command in self.open.values():
            wait_ms = RESEND_MS
            if command.accepted:
                wait_ms = max(FINISH_MARGIN_MS, command.ends_ms + FINISH_MARGIN_MS - command.sent_ms)
            if now_ms - command.sent_ms >= wait_ms:
                command.sent_ms = now_ms
                again.append(command)
        return again

    def pop_unanswered(self, now_ms: int) -> list[Result]:
        """Remove commands that were never answered; returns a REJECTED result for each."""
        if not self.open:
            return []
        lost = [c for c in self.open.values() if not c.accepted and now_ms - c.asked_ms > GIVE_UP_MS]
        for command in lost:
            del self.open[command.cmd_id]
        return [Result(c.cmd_id, "REJECTED", "no_answer", 0.0) for c in lost]

    def close_all(self, reason: str) -> list[Result]:
        """The board was reset: every command under way has ended. Returns an ABORTED result for each."""
        results = [Result(c.cmd_id, "ABORTED", reason, 0.0) for c in self.open.values()]
        self.open.clear()
        return results
