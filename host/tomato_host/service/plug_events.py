"""Events of smart plugs, from what the MQTT process reports about them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tomato_host.loop.recorder import Recorder


class PlugEvents:
    """Records once that a plug is latched off, and that it follows its output again."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._latched: dict[str, str] = {}

    def on_status(self, told: dict[str, Any], now: datetime) -> None:
        """What the process says about its plugs."""
        for output, plug in (told.get("plugs") or {}).items():
            reason = str(plug.get("reason") or "") if plug.get("state") == "LATCHED" else ""
            before = self._latched.get(output, "")
            self._latched[output] = reason
            if reason and not before:
                text = (
                    f"The plug of {output} is off and stays off: {reason}. Look at it, then: "
                    f"tomato-host plugs clear {output}"
                )
                self._recorder.event(now, "WARNING", "process", "plug_latched", text[:500], output=output)
            elif before and not reason:
                text = f"The plug of {output} follows the board again."
                self._recorder.event(now, "INFO", "process", "plug_cleared", text, output=output)
