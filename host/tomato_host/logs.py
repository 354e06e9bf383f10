"""The log: structlog, imported at the first line that is logged. A quiet process does without its 6 MB.

Every line passes `redaction.py` and goes to standard error: standard output belongs to answers, which `--json` readers
parse. Lines about intents have `global_seq`, `view_seq`, `agent_id`, `req_id`, `latency_ms`.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from tomato_host.redaction import redact_event


class Log:
    """The log of one component; each call names an event and its values by key. Holds no secrets.

    A log that cannot be written (its file is on the disk that is full) is no reason to stop anything.
    """

    def __init__(self, component: str) -> None:
        self._component = component

    def info(self, event: str, **facts: Any) -> None:
        """Something that happened as it should."""
        with contextlib.suppress(OSError):
            self._logger().info(event, **facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Something that should be looked at, without haste."""
        with contextlib.suppress(OSError):
            self._logger().warning(event, **facts)

    def error(self, event: str, **facts: Any) -> None:
        """Something was lost, or is about to be."""
        with contextlib.suppress(OSError):
            self._logger().error(event, **facts)

    def exception(self, event: str, **facts: Any) -> None:
        """An error that was caught, with its traceback; called where it is handled."""
        with contextlib.suppress(OSError):
            self._logger().exception(event, **facts)

    def _logger(self) -> Any:
        import structlog

        configure_log()
        return structlog.get_logger(self._component)


def configure_log() -> None:
    """Every line redacted, to standard error; once in a process. A configuration that stands already is kept.

    A traceback is made into text before it is redacted, and has no local variables: they hold tokens and addresses.
    """
    import structlog

    if not structlog.is_configured():
        *processors, _ = structlog.get_config()["processors"]
        text = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        structlog.configure(
            processors=[*processors, structlog.processors.format_exc_info, redact_event, text],
            # Asked for at each line, because standard error may be exchanged while a process runs.
            logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        )
