"""Starts the free-running twin as a separate process and hands out its port."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tomato_host.errors import TomatoError
from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.firmware_files import firmware_dir, micropython

READY_S = 20.0
LINGER_S = 3_600.0
"""A twin whose host was killed and never came back ends by itself after an hour."""


class TwinHandle:
    """A running twin. `port_path` is what a host opens; `close` ends the process."""

    def __init__(self, process: subprocess.Popen[bytes], port_path: str) -> None:
        self._process = process
        self.port_path = port_path

    @property
    def pid(self) -> int:
        """Process id of the twin."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the twin still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the twin; at most 5 s are granted to it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def start(
    seed: int = 0,
    time_scale: float = 1.0,
    scenario: str = "",
    state: Path | None = None,
    flash: Path | None = None,
    link: Path | None = None,
    vary: bool = False,
    linger_s: float = LINGER_S,
    presses: Path | None = None,
    ahead_s: float = 0.0,
) -> TwinHandle:
    """Start a twin that lives on when this process dies, `linger_s` beyond the last byte of any host (0: for ever).

    `ahead_s`: how long the board has been on when its host starts. Returns when its port can be opened. Raises
    TomatoError for an unknown scenario, a missing VM or firmware, and `E-TWIN-NOT-STARTED` with what the twin said.
    """
    Scenario.parse(scenario)
    firmware_dir()
    micropython()
    command = [sys.executable, "-m", "tomato_host.twin.serve", "--seed", str(seed), "--time-scale", str(time_scale)]
    command += ["--linger", str(linger_s), "--ahead", str(ahead_s)]
    given = {"--scenario": scenario, "--state": state, "--flash": flash, "--link": link, "--presses": presses}
    for flag, value in given.items():
        if value:
            command += [flag, str(value)]
    if vary:
        command.append("--vary")
    return _started(command)


def _started(command: list[str]) -> TwinHandle:
    """Start the process and wait for its port."""
    with tempfile.TemporaryFile() as messages:  # a file, not a pipe: the twin must not break when this process dies
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages, start_new_session=True
        )
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY_S)
        line = process.stdout.readline() if ready else b""
        if line:
            return TwinHandle(process, json.loads(line)["port"])
        process.kill()
        process.wait()
        process.stdout.close()
        messages.seek(0)
        told = messages.read().decode(errors="replace").strip().splitlines()
        raise TomatoError(
            "E-TWIN-NOT-STARTED",
            f"The twin did not start: {told[-1] if told else 'no answer'}",
            "Run `tomato-host doctor`, or `python -m tomato_host.twin.serve` to see its messages.",
        )
