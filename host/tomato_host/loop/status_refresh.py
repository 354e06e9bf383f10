"""Brings the status up to date with every turn of the loop, then calls the extensions and the display."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from tomato_host.brain.brain import Brain
from tomato_host.brain.execution.executor import Executor
from tomato_host.loop.extensions import Display, Extension, NoDisplay
from tomato_host.loop.status import Status


class StatusRefresh:
    """Does nothing when nobody reads the status (no display, no extension): a simulated day takes 40,000 turns."""

    def __init__(
        self,
        status: Status,
        brain: Brain,
        executor: Executor,
        decision_period_s: float,
        display: Display,
        extensions: tuple[Extension, ...],
        operator_text: Callable[[datetime], str] = lambda _: "",
    ) -> None:
        """`operator_text`: until when and why a person has paused the controller or asked for safe mode."""
        self._status = status
        self._brain = brain
        self._executor = executor
        self._decision_period = timedelta(seconds=decision_period_s)
        self._display = display
        self._extensions = extensions
        self._operator_text = operator_text
        self._has_readers = bool(extensions) or not isinstance(display, NoDisplay)

    def refresh(self, now: datetime, now_ms: int) -> None:
        """`now` is wall time as the records carry it, `now_ms` the monotonic count."""
        if not self._has_readers:
            return
        status = self._status
        status.now = now
        status.mode, status.mode_reason = self._brain.mode, self._mode_reason(now)
        status.jobs = {
            name: now + timedelta(milliseconds=job.end_ms - now_ms) if job.row.renewable and job.end_ms else None
            for name, job in self._executor.jobs.items()
        }
        decided = self._brain.memory.decided_at
        if decided is not None:
            status.next_decision_at = decided + self._decision_period
        for extension in self._extensions:
            extension.tick(now)
        self._display.refresh(now_ms / 1000.0)

    def _mode_reason(self, now: datetime) -> str:
        """Causes of safe mode by name; what a person has asked for with its end and reason."""
        asked, causes = self._operator_text(now), self._brain.safe_mode.causes
        names = [f"{name} {asked}" if name == "person" and asked else name for name in causes]
        return ", ".join(names) if causes else (asked if self._brain.mode == "PAUSED" else "")
