"""A real OpenAI-compatible server in its own process: prints its address, then serves until its parent goes away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEY = "test-key-of-the-loopback-server"


@contextmanager
def serving(weights: Path, projector: Path | None = None) -> Iterator[str]:
    """Start one; yields its base address."""
    argv = [sys.executable, "-m", "tests.advisor.model_server", str(weights), str(projector or "")]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             env=environment, text=True)  # fmt: skip
    try:
        assert child.stdout is not None
        yield child.stdout.readline().strip() + "/v1"
    finally:
        child.kill()
        child.wait()


def main() -> None:
    """Serve until standard input closes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.mmproj.path = sys.argv[2]
    params.image_max_tokens = 16
    params.n_ctx = 4096
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.api_keys = [KEY]
    params.ui = False
    params.warmup = False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
