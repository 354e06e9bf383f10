"""The process that forecasts for a what-if: started at the first question, ended when nobody asks for a while.

Nothing of it is imported here: the dashboard's process does without numpy.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tomato_host.service.world_host import WorldUnavailable

Json = dict[str, Any]
MODULE = "tomato_host.models.what_if"
ANSWER_S = 20.0
"""The first answer waits for imports, about a second on a slow machine."""
IDLE_S = 60.0
LONGEST_LINE = 1_000_000


class ForecastProcess:
    """One question at a time."""

    def __init__(self, data_dir: Path, idle_s: float = IDLE_S) -> None:
        self._models = data_dir / "models"
        self._idle_s = idle_s
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int | None:
        """Of the process while there is one."""
        return None if self._process is None else self._process.pid

    async def ask(self, inputs: Json, action: Json) -> Json:
        """`forecast_both` of `models/what_if.py`. Raises WorldUnavailable."""
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            try:
                found = await asyncio.wait_for(self._ask(inputs, action), ANSWER_S)
            except (TimeoutError, OSError, ValueError) as error:
                self.close()
                raise WorldUnavailable(f"no forecast: {type(error).__name__}") from None
            self._idle = asyncio.get_running_loop().call_later(self._idle_s, self.close)
        if "fault" in found:
            raise WorldUnavailable(f"no forecast: {found['fault']}")
        return found

    def close(self) -> None:
        """End the process."""
        if self._idle is not None:
            self._idle.cancel()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process = None

    async def _ask(self, inputs: Json, action: Json) -> Json:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", MODULE, "--models", str(self._models)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(json.dumps({"inputs": inputs, "action": action}).encode() + b"\n")
        await stdin.drain()
        found: Json = json.loads(await stdout.readline())
        return found
