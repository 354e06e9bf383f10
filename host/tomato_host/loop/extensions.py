"""What may be attached to the deciding loop: extensions (weather, advisor, feeds) and a display. None may block."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from tomato_host.brain.brain import StepResult


class Extension(Protocol):
    """Called by the deciding loop, in its thread; each call must return within a few ms."""

    def start(self) -> None:
        """The run begins."""

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """A decision has been made and recorded."""

    def tick(self, now: datetime) -> None:
        """Called with every lease renewal."""

    def stop(self) -> None:
        """The run ends."""


class Display(Protocol):
    """Something that shows the status; `refresh` is called by the deciding loop and must be quick."""

    def start(self) -> None: ...
    def refresh(self, monotonic_s: float) -> None: ...
    def stop(self) -> None: ...


class NoDisplay:
    """Shows nothing: `--json`, tests, simulations."""

    def start(self) -> None:
        """Nothing to set up."""

    def refresh(self, monotonic_s: float) -> None:
        """Nothing to draw."""

    def stop(self) -> None:
        """Nothing to close."""
