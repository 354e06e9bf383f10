"""What may be hung on the deciding loop: weather, advisor, dashboard feed. None of it may block or command."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tomato_host.brain.mind import Taken


class Extension(Protocol):
    """Called by the deciding loop, in its thread; each call must return within a few ms."""

    def start(self) -> None:
        """The run begins."""

    def on_decision(self, taken: Taken, now: datetime) -> None:
        """A decision has been taken and recorded."""

    def tick(self, now: datetime) -> None:
        """Called with every lease renewal."""

    def stop(self) -> None:
        """The run ends."""
