"""One installation for an incident test: real host process, real firmware on the virtual board, public interfaces."""

from __future__ import annotations

import json
import os
import signal
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
from tomato_host.twin.sensors import SimulatedSensors

from shared_schemas.devices import OUTPUT_BY_NAME
from tests.free_ports import free_port

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
"""Far beyond what any of it takes; a machine that is busy with other tests is slow."""
MAIN = ("-m", "tomato_host")


def until(condition: Callable[[], Any], what: str = "it", seconds: float = TIMEOUT_S) -> Any:
    """Wait for a true value of `condition()` and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} never happened")


def bit(output: str) -> int:
    return 1 << OUTPUT_BY_NAME[output].wire_id


class RunningHost:
    """`tomato-host run` with all its interfaces: dashboard, API, command line, dataset."""

    def __init__(self, place: Path, board: str, extra: str = "", data: Path | None = None) -> None:
        self.data = data or place / "data"
        self.board = board
        self.port = free_port()
        self.config = place / "tomato.toml"
        self.config.write_text(
            f"[service]\nport = {self.port}\nwrites_per_minute = 1000\n[weather]\nprovider = 'none'\n"
            f"[advisor]\nenabled = false\n[board]\ntelemetry_period_s = 1.0\n{extra}"
        )
        self.process: subprocess.Popen[str] | None = None
        self.log_path = place / "host.log"
        self._secrets: dict[str, str] = {}

    # -- life --------------------------------------------------------------------------------------------------

    def start(
        self,
        begin: Sequence[str] = MAIN,
        environment: dict[str, str] | None = None,
        more: Sequence[str] = (),
        **popen: Any,
    ) -> None:
        """Start the host and wait until its dashboard answers."""
        with self.log_path.open("a") as log:
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
                    *more,
                ],
                stdout=log,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                **popen,
            )
        until(lambda: self.process is not None and (self.process.poll() is not None or self.alive()), "the start")
        assert self.process.poll() is None, self.log_path.read_text()

    def alive(self) -> bool:
        """Whether `/healthz` reports a deciding loop that runs."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL: no orderly shutdown."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        """SIGINT, and check that it ends with 0."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0, self.log_path.read_text()

    def end(self) -> None:
        """Make sure that the process does not outlive the test."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    # -- public interfaces -------------------------------------------------------------------------------------

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
        """POST with a token of that role: status code and answer."""
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

    def dashboard_events(self, name: str) -> list[dict[str, Any]]:
        """Events of that name in the dashboard's list."""
        return [event for event in self.get("/api/events?limit=300") if event["name"] == name]

    def command(self, *words: str, seconds: float = 200.0) -> subprocess.CompletedProcess[str]:
        """Run a `tomato-host` command on the same data directory."""
        return subprocess.run(
            [sys.executable, *MAIN, *words, "--data-dir", str(self.data)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=seconds,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "TOMATO_PORT"},
        )

    # -- the dataset -------------------------------------------------------------------------------------------

    def records(self, stream: str) -> list[dict[str, Any]]:
        """Complete records of one stream so far."""
        found = []
        for path in sorted((self.data / "private").glob(f"{stream}_[0-9]*.jsonl")):
            for line in path.read_text().splitlines():
                try:
                    found.append(json.loads(line)["record"])
                except ValueError:
                    break  # the line that is being written right now
        return found

    def event_names(self) -> list[str]:
        return [event["name"] for event in self.records("events")]

    def samples(self) -> list[tuple[int, int]]:
        """(boot, number) of every recorded reading."""
        return [(o["board"]["boot_id"], o["board"]["seq"]) for o in self.records("sensors_raw")]

    def assert_whole(self) -> None:
        """The dataset verifies, and every reading the board numbered is there exactly once."""
        result = verify(self.data)
        assert result.ok, result
        numbers = self.samples()
        assert len(numbers) == len(set(numbers)), "a reading is there twice"
        for boot in {boot for boot, _ in numbers}:
            seqs = sorted(seq for b, seq in numbers if b == boot)
            assert seqs == list(range(seqs[0], seqs[-1] + 1)), f"a reading of boot {boot} is missing"


class Tent:
    """The true state of the simulated tent, which no host can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> dict[str, Any]:
        for _ in range(200):
            try:
                return dict(json.loads(self._path.read_text()))
            except (OSError, ValueError):
                time.sleep(0.01)
        raise AssertionError("the twin writes no state")

    def on(self, output: str) -> bool:
        return bool(self()["outputs"] & bit(output))


SEED = 3


def metered(pumped_ml: float) -> float:
    """What this installation's flow meter measures for that much water: its gain is random, and the board uses it."""
    return pumped_ml * SimulatedSensors(SEED, TentParams()).flow_gain


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
    """A host on a virtual board that outlives it, and the state of the tent."""
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
