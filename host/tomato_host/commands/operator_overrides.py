"""Overrides an operator has set on the running host: pause, safe mode, acknowledgement; each bounded in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tomato_host.commands.inbox import Request

LONGEST = timedelta(hours=24)
"""A pause or a requested safe mode ends by itself after a day, so that a plant is not forgotten in it."""


@dataclass(slots=True)
class OperatorOverrides:
    """The overrides in force."""

    paused_until: datetime | None = None
    safe_until: datetime | None = None
    reason: str = ""
    """Why, in the words of whoever asked."""
    acknowledges: bool = False
    """True for one step of safe mode: the cause that needed an operator has been dealt with."""

    def apply(self, request: Request, now: datetime) -> str:
        """Apply a request of kind `mode` or `acknowledge`; returns one sentence on what is now in force."""
        if request.kind == "acknowledge":
            self.acknowledges = True
            return "acknowledged"
        if request.mode == "NORMAL":
            self.paused_until = self.safe_until = None
            self.reason = ""
            self.acknowledges = True
            return "back to normal as soon as every cause is gone"
        until = min(request.until or now + LONGEST, now + LONGEST)
        if request.mode == "PAUSED":
            self.paused_until = until
        else:
            self.safe_until = until
        self.reason = request.reason
        return f"{request.mode} {_end(until, now)}" + (f": {self.reason}" if self.reason else "")

    def text(self, now: datetime) -> str:
        """`until 12:40: look at it`: end and reason of what is in force; empty when nothing is."""
        until = self.safe_until if self.wants_safe(now) else self.paused_until if self.paused(now) else None
        if until is None:
            return ""
        return _end(until, now) + (f": {self.reason}" if self.reason else "")

    def paused(self, now: datetime) -> bool:
        """Whether an operator has paused the controller."""
        return self.paused_until is not None and now < self.paused_until

    def wants_safe(self, now: datetime) -> bool:
        """Whether an operator has requested safe mode."""
        return self.safe_until is not None and now < self.safe_until

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: what was asked for an hour still lasts as long as it would have."""
        self.paused_until = self.paused_until and self.paused_until + moved
        self.safe_until = self.safe_until and self.safe_until + moved

    def pop_acknowledgement(self) -> bool:
        """True once after an acknowledgement."""
        acknowledged, self.acknowledges = self.acknowledges, False
        return acknowledged


def _end(until: datetime, now: datetime) -> str:
    """The end in the zone of `now`, which is that of the plants, with the day when it is another."""
    local = until.astimezone(now.tzinfo)
    return f"until {local:%H:%M}" + ("" if local.date() == now.date() else f" on {local:%d %b}")
