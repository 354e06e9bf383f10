"""The log: structlog, imported at the first line that is logged. A quiet process does without its 6 MB."""

from __future__ import annotations

import contextlib
from typing import Any


class Log:
    """The log of one component; each call names an event and its values by key. Holds no secrets.

    A log that cannot be written (its file is on the disk that is full) is no reason to stop anything.
    """

    def __init__(self, component: str) -> None:
        self._component = component

    def warning(self, event: str, **facts: Any) -> None:
        """Something that should be looked at, without haste."""
        with contextlib.suppress(OSError):
            self._logger().warning(event, **facts)

    def error(self, event: str, **facts: Any) -> None:
        """Something was lost, or is about to be."""
        with contextlib.suppress(OSError):
            self._logger().error(event, **facts)

    def _logger(self) -> Any:
        import structlog

        return structlog.get_logger(self._component)
