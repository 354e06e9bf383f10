"""Tasks that workers of the tests run: they work, fail, or end their process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.parallel import dask_cluster


def square(number: int) -> int:
    return number * number


def refuse(number: int) -> int:
    raise TomatoError("E-CAMPAIGN", f"{number} is refused.", "Give another.")


class Unportable(Exception):
    """Cannot be rebuilt from its arguments, so it does not survive a pipe."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


def fail_unportably(number: int) -> int:
    raise Unportable("a", "b")


def die_once(job: tuple[str, int]) -> int:
    """The process that first meets number 3 dies of it, as by the kernel's memory killer, once there is a file `go`."""
    folder, number = job
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        while not (Path(folder) / "go").exists():
            time.sleep(0.01)
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def wait_long(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def samplers_running(number: int) -> int:
    """How many of Dask's periodic looks at this worker still run."""
    from distributed import get_worker

    callbacks = get_worker().periodic_callbacks
    return sum(callbacks[name].is_running() for name in dask_cluster.SAMPLERS if name in callbacks)
