"""What persons have asked of the running host: pauses, safe mode, acknowledgements; each bounded in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tomato_host.commands.inbox import Request

LONGEST = timedelta(hours=24)
"""A pause or a wish for safe mode lapses by itself after a day; a plant is not to be forgotten in it."""


@dataclass(slots=True)
class OperatorOverrides:
    """The wishes in force."""

    paused_until: datetime | None = None
    safe_until: datetime | None = None
    acknowledges: bool = False
    """True for one step of safe mode: what needed a hand has been dealt with."""

    def wish(self, request: Request, now: datetime) -> str:
        """Take a request of kind `mode` or `acknowledge`; returns what is now in force, in words."""
        if request.kind == "acknowledge":
            self.acknowledges = True
            return "acknowledged"
        if request.mode == "NORMAL":
            self.paused_until = self.safe_until = None
            self.acknowledges = True
            return "back to normal as soon as every cause is gone"
        until = min(request.until or now + LONGEST, now + LONGEST)
        if request.mode == "PAUSED":
            self.paused_until = until
        else:
            self.safe_until = until
        return f"{request.mode} until {until:%Y-%m-%d %H:%M} UTC"

    def paused(self, now: datetime) -> bool:
        """Whether somebody has paused the controller."""
        return self.paused_until is not None and now < self.paused_until

    def wants_safe(self, now: datetime) -> bool:
        """Whether somebody has asked for safe mode."""
        return self.safe_until is not None and now < self.safe_until

    def take_acknowledgement(self) -> bool:
        """True once after somebody has acknowledged."""
        said, self.acknowledges = self.acknowledges, False
        return said
