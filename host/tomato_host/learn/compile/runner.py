"""Jobs compiled in child processes with low priority and a time limit; the parent needs no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.compile.jobs import NUMPY, Compiled, CompileFailed, CompileJob, CompileQueue, jobs_for
from tomato_host.learn.telemetry import Telemetry

MODULE = "tomato_host.learn.compile.child"
LIMIT_S = 900.0


def built_with() -> str:
    """What an artifact depends on: torch's version and Python's. Another one means: compile anew."""
    try:
        return f"torch {version('torch')}, python {sys.version_info.major}.{sys.version_info.minor}"
    except PackageNotFoundError:
        return "no torch"


def compile_in_child(job: CompileJob, wanted: str = "aoti", limit_s: float = LIMIT_S) -> Compiled:
    """One job. Raises CompileFailed when the child fails, or takes longer than `limit_s`."""
    if job.key == NUMPY:
        return Compiled(b"evaluated by numpy\n", NUMPY, NUMPY, 0.0)
    if built_with() == "no torch":
        raise CompileFailed("torch is not installed: pip install '.[learn]'")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="tomato-compile-") as folder:
        out = Path(folder) / "model.pt2"
        command = [sys.executable, "-m", MODULE, str(out), job.key, wanted]
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": folder, "PYTHONPATH": os.pathsep.join(sys.path)}
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=limit_s, env=environment, preexec_fn=lambda: os.nice(10)
            )
        except subprocess.TimeoutExpired:
            raise CompileFailed(f"longer than {limit_s:g} s") from None
        if done.returncode != 0:
            raise CompileFailed(done.stderr.decode(errors="replace")[-300:])
        facts = json.loads(done.stdout.splitlines()[-1])
        return Compiled(out.read_bytes(), facts["kind"], built_with(), time.perf_counter() - started)


def compile_all(
    root: Path,
    telemetry: Telemetry | None = None,
    compile_one: Callable[[CompileJob], Compiled] = compile_in_child,
    jobs: list[CompileJob] | None = None,
    report: Callable[[float], None] = lambda share: None,
) -> CompileQueue:
    """Every template that is missing; returns the queue with what was done. Raises TomatoError, OSError.

    `report` gets the share of the jobs that has ended.
    """
    with Catalogue(root) as catalogue:
        queue = CompileQueue(catalogue, compile_one, built_with(), telemetry)
        queue.run(jobs_for() if jobs is None else jobs, report)
        return queue


def compile_in_background(root: Path, telemetry: Telemetry | None = None) -> threading.Thread:
    """All templates, while the caller goes on; the thread ends with the process."""
    thread = threading.Thread(target=compile_all, args=(root, telemetry), name="compile", daemon=True)
    thread.start()
    return thread
