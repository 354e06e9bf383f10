"""A real Dask cluster on the loopback interface: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

from tomato_host.parallel.tasks import Workers

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class LocalCluster:
    """`address` of the scheduler, and its processes."""

    address: str
    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def there(self) -> Workers:
        """For `run_tasks`."""
        return Workers(scheduler=self.address)

    def add_worker(self, sources: Path = ROOT) -> subprocess.Popen[bytes]:
        """A worker process with the product's code in `sources`, which nothing starts again."""
        return self._add(sources, "--no-nanny")

    def add_nannies(self, count: int) -> subprocess.Popen[bytes]:
        """A process with `count` workers, which it starts again when they die, as `dask worker` does by default."""
        return self._add(ROOT, "--nworkers", str(count))

    def _add(self, sources: Path, *more: str) -> subprocess.Popen[bytes]:
        worker = _started(
            self.folder, sources, "worker", self.address, *more, "--nthreads", "1", "--no-dashboard",
            "--local-directory", str(self.folder),
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        """End all in order, so that their processor time is counted with that of this process's children."""
        for process in (*self.workers, self.scheduler):
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _started(folder: Path, sources: Path, *arguments: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(sources / "host"), str(sources), os.environ.get("PYTHONPATH", "")])
    log = (folder / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb")
    # Two deaths show what four would.
    environment = {**os.environ, "PYTHONPATH": path, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
    command = [sys.executable, "-m", "dask", *arguments]
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)


def _free_port() -> int:
    """A port below those that Linux gives to outgoing connections, so that nothing connects to itself."""
    while True:
        port = SystemRandom().choice(range(20_000, 32_000))
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def local_cluster(folder: Path, workers: int) -> Iterator[LocalCluster]:
    """Ends every process that it started."""
    address = f"tcp://127.0.0.1:{(port := _free_port())}"
    scheduler = _started(folder, ROOT, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    cluster = LocalCluster(address, folder, scheduler)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        for process in (*cluster.workers, scheduler):
            process.kill()
            process.wait()
