"""What the process knows beside the observations: link state and operator overrides, for live runs and checks."""

from __future__ import annotations

from datetime import datetime, timedelta

from tomato_host.brain.step_data import RuntimeContext
from tomato_host.commands.inbox import Request
from tomato_host.commands.operator_overrides import OperatorOverrides


class ContextState:
    """Builds the RuntimeContext of a moment. The link counts as down from `started` (aware) until it comes up."""

    def __init__(self, started: datetime | None) -> None:
        """`started` None: the link is up from the beginning, as in a recording that does not tell."""
        self.link_down_since = started
        self._overrides = OperatorOverrides()

    def at(self, now: datetime) -> RuntimeContext:
        """The context at `now`. An acknowledgement is part of one context only."""
        down = self.link_down_since
        return RuntimeContext(
            now=now,
            link_up=down is None,
            link_down_s=0.0 if down is None else (now - down).total_seconds(),
            operator_paused=self._overrides.paused(now),
            operator_wants_safe=self._overrides.wants_safe(now),
            operator_acknowledges=self._overrides.pop_acknowledgement(),
        )

    def link_came_up(self) -> None:
        """The link works."""
        self.link_down_since = None

    def link_went_down(self, now: datetime) -> None:
        """The link was lost; a link that is down already stays down since its own moment."""
        self.link_down_since = self.link_down_since or now

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: a lost link is neither older nor younger for it, an override as long as before."""
        self._overrides.clock_was_set(moved)
        if self.link_down_since is not None:
            self.link_down_since += moved

    def operator_text(self, now: datetime) -> str:
        """Until when and why an operator has paused the controller or asked for safe mode; empty: neither."""
        return self._overrides.text(now)

    def apply(self, request: Request, now: datetime) -> str:
        """Apply an operator's change of mode or acknowledgement; returns one sentence on what is in force."""
        return self._overrides.apply(request, now)
