"""Adversarial blueprints: each runs in a child process with limits of time, memory and files, and must end refused."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from tomato_host.learn.blueprints import Blueprint
from tomato_host.learn.catalogue import Catalogue

CPU_S, MEMORY_BYTES, FILE_BYTES, WALL_S = 3, 1_500_000_000, 10_000_000, 30.0

_PROBE = """
import sys
import numpy as np
from tomato_host.learn.compile.hostile import HOSTILE
x = np.zeros((16, 4))
found = HOSTILE[sys.argv[1]](x)
if found.shape != (16,):
    sys.exit("shape")
if not np.isfinite(found).all() or np.abs(found).max() > 1e6:
    sys.exit("not finite, or huge")
print("passed")
"""


@dataclass(frozen=True)
class QuarantineVerdict:
    """How a hostile block ended."""

    blueprint: int
    refused: bool
    how: str


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def run_hostile(one: Blueprint, catalogue: Catalogue | None = None) -> QuarantineVerdict:
    """Run one adversarial blueprint; it goes into quarantine. Raises ValueError for any other tier."""
    if one.tier != "adversarial":
        raise ValueError(f"{one.code} is not adversarial")
    with tempfile.TemporaryDirectory(prefix="tomato-quarantine-") as folder:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROBE, one.name], capture_output=True, timeout=WALL_S, cwd=folder,
                preexec_fn=_limits, env=environment,
            )  # fmt: skip
            refused = done.returncode != 0
            how = f"signal {-done.returncode}" if done.returncode < 0 else done.stderr.decode(errors="replace")[-100:]
        except subprocess.TimeoutExpired:
            refused, how = True, f"longer than {WALL_S:g} s"
    if catalogue is not None:
        catalogue.quarantine(one.id, how.strip() or "adversarial")
    return QuarantineVerdict(one.id, refused, how.strip())
