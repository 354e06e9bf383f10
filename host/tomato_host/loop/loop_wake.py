"""What ends a wait of the deciding loop before its deadline: bytes of the board, requests of a child process."""

from __future__ import annotations

import select
from typing import Protocol

from tomato_host.loop.extensions import WakingExtension

SLICE_S = 0.02
"""How often requests are looked for while the board's line cannot be waited on together with them."""


class WaitableSession(Protocol):
    """What a wait needs of `board.BoardSession`."""

    def wait(self, timeout_s: float) -> bool: ...
    def fileno(self) -> int: ...


class LoopWake:
    """A lost port ends no wait: the session finds out when it polls."""

    def __init__(self, session: WaitableSession, waking: tuple[WakingExtension, ...] = ()) -> None:
        self._session = session
        self._waking = waking

    def wait(self, timeout_s: float) -> bool | None:
        """Wait for `timeout_s` at most; true when there is work."""
        if any(extension.is_due() for extension in self._waking):
            return True
        others = [fd for extension in self._waking if (fd := extension.fileno()) >= 0]
        if not others:
            return self._session.wait(timeout_s)
        board = self._session.fileno()
        try:
            if board >= 0:
                return bool(select.select([board, *others], [], [], max(0.0, timeout_s))[0])
            if select.select(others, [], [], 0.0)[0]:
                return True
        except (OSError, ValueError):
            return True  # one of them is gone; whoever reads it finds out
        return self._session.wait(min(timeout_s, SLICE_S))
