"""A whole house for one complaint: real host process, real firmware on the virtual board, and the public doors."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tomato_host.service.tokens import TokenFile
from tomato_host.storage.verify import verify
from tomato_host.twin import server
from tomato_host.twin.params import TentParams
from tomato_host.twin.sensors import Sensors

from shared_schemas.devices import OUTPUT_BY_NAME

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
"""Far beyond what any of it takes; a machine that is busy with other tests is slow."""
MAIN = ("-m", "tomato_host")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(wanted: Callable[[], Any], what: str = "it", seconds: float = PATIENCE_S) -> Any:
    """What `wanted()` gives as soon as it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := wanted():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} never happened")


def bit(output: str) -> int:
    return 1 << OUTPUT_BY_NAME[output].wire_id


class RunningHost:
    """`tomato-host run` with everything a grower has: dashboard, API, command line, dataset."""

    def __init__(self, place: Path, board: str, extra: str = "", data: Path | None = None) -> None:
        self.data = data or place / "data"
        self.board = board
        self.port = free_port()
        self.config = place / "tomato.toml"
        self.config.write_text(
            f"[service]\nport = {self.port}\nwrites_per_minute = 1000\n[weather]\nprovider = 'none'\n"
            f"[agent]\nenabled = false\n[board]\ntelemetry_period_s = 1.0\n{extra}"
        )
        self.process: subprocess.Popen[str] | None = None
        self.said = place / "host.log"
        self._secrets: dict[str, str] = {}

    # -- life --------------------------------------------------------------------------------------------------

    def start(self, begin: Sequence[str] = MAIN, environment: dict[str, str] | None = None, **popen: Any) -> None:
        """Start the host and wait until its dashboard answers."""
        with self.said.open("a") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *begin,
                    "run",
                    "--board",
                    self.board,
                    "--data-dir",
                    str(self.data),
                    "--config",
                    str(self.config),
                ],
                stdout=log,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                **popen,
            )
        until(lambda: self.process is not None and (self.process.poll() is not None or self.alive()), "the start")
        assert self.process.poll() is None, self.said.read_text()

    def alive(self) -> bool:
        """Whether the dashboard says that the deciding loop talks to it."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """As a power cut for the process: no goodbye."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """Ctrl-C, and a clean end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0, self.said.read_text()

    def end(self) -> None:
        """Whatever happened, nothing outlives the test."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    # -- what the grower sees ----------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """An answer of the API."""
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            body = answer.read().decode()
        return json.loads(body) if path.startswith("/api") else body

    def token(self, role: str) -> str:
        """A token of that role, made at its first use."""
        if role not in self._secrets:
            self._secrets[role] = TokenFile(self.data).create(f"ana-{role}", role)
        return self._secrets[role]

    def post(self, path: str, role: str = "admin", **body: Any) -> tuple[int, dict[str, Any]]:
        """A change with a token of that role: status and answer."""
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.token(role)}", "Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=200) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def status(self) -> dict[str, Any]:
        """Link, mode and counts, as the dashboard shows them."""
        found: dict[str, Any] = self.get("/api/glance")["status"]
        return found

    def seen(self, name: str) -> list[dict[str, Any]]:
        """Events of that name in the dashboard's list."""
        return [event for event in self.get("/api/events?limit=300") if event["name"] == name]

    def command(self, *words: str, seconds: float = 200.0) -> subprocess.CompletedProcess[str]:
        """A command of the grower's, on the same data directory."""
        return subprocess.run(
            [sys.executable, *MAIN, *words, "--data-dir", str(self.data)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=seconds,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "TOMATO_PORT"},
        )

    # -- what is kept ------------------------------------------------------------------------------------------

    def kept(self, stream: str) -> list[dict[str, Any]]:
        """Whole records of one stream so far."""
        found = []
        for path in sorted((self.data / "private").glob(f"{stream}_[0-9]*.jsonl")):
            for line in path.read_text().splitlines():
                try:
                    found.append(json.loads(line)["record"])
                except ValueError:
                    break  # the line that is being written right now
        return found

    def names(self) -> list[str]:
        return [event["name"] for event in self.kept("events")]

    def samples(self) -> list[tuple[int, int]]:
        """(boot, number) of every reading kept."""
        return [(o["board"]["boot_id"], o["board"]["seq"]) for o in self.kept("sensors_raw")]

    def assert_whole(self) -> None:
        """The dataset is whole, and every reading the board numbered is there exactly once."""
        result = verify(self.data)
        assert result.ok, result
        numbers = self.samples()
        assert len(numbers) == len(set(numbers)), "a reading is there twice"
        for boot in {boot for boot, _ in numbers}:
            seqs = sorted(seq for b, seq in numbers if b == boot)
            assert seqs == list(range(seqs[0], seqs[-1] + 1)), f"a reading of boot {boot} is missing"


class Tent:
    """The truth of the simulated tent, which no host can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> dict[str, Any]:
        for _ in range(200):
            try:
                return dict(json.loads(self._path.read_text()))
            except (OSError, ValueError):
                time.sleep(0.01)
        raise AssertionError("the twin tells nothing")

    def on(self, output: str) -> bool:
        return bool(self()["outputs"] & bit(output))


SEED = 3


def metered(pumped_ml: float) -> float:
    """What this house's flow meter shows of that much water: no two are alike, and the board believes its own."""
    return pumped_ml * Sensors(SEED, TentParams()).flow_gain


@contextmanager
def running_host(
    place: Path,
    extra: str = "",
    *,
    start: bool = True,
    scenario: str = "",
    time_scale: float = 1.0,
    data: Path | None = None,
    **popen: Any,
) -> Iterator[tuple[RunningHost, Tent]]:
    """A host on a virtual board that outlives it, and the tent behind the board."""
    state = place / "truth.json"
    with server.start(seed=SEED, state=state, flash=place / "flash", scenario=scenario, time_scale=time_scale) as twin:
        made = RunningHost(place, twin.port_path, extra, data)
        try:
            if start:
                made.start(**popen)
                until(lambda: made.status()["link"] == "up", "the link")
            yield made, Tent(state)
        finally:
            made.end()
