"""Tasks on a Dask cluster over TCP: who may take part, and what happens when one of its workers dies.

Dask's scheduler gives out tasks, notices workers that died and gives their tasks to others. Two things are added here.
Results must not depend on who computed them: each task first compares its worker's sources, Python and numpy with those
of the client, so that a worker that joins an hour later is checked too. And nothing waits for ever: a cluster without
workers and a scheduler that is gone end the run with what to do next.

A task has its process to itself (a lock), for runs of a tent change the process's garbage collector.
"""

from __future__ import annotations

import logging
import queue
import re
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.twin.source_fingerprint import source_fingerprint

CONNECT_S = 10.0
"""How long the scheduler may take to answer."""
WORKERS_S = 120.0
"""How long a cluster may be without a worker, at the start and after."""
LOOK_S = 5.0
"""After so long without a result it is looked whether scheduler and workers are there."""
START = (
    "Start it with `dask scheduler`, and `dask worker tcp://HOST:8786 --nworkers 2 --nthreads 1` on each machine, "
    "or use --jobs."
)
_ADDRESS = re.compile(r"(?P<protocol>tcp|tls)://(?P<host>\[[0-9A-Fa-f:]+\]|[^\s:/\[\]]+):(?P<port>[0-9]{1,5})")
_ONE_AT_A_TIME = threading.Lock()


def run_on_cluster(
    function: Callable[[Any], Any], items: Sequence[Any], scheduler: str
) -> Iterator[tuple[int, Any, str]]:
    """Yields (index, result, address of the worker) as they come.

    Raises what a task raises, TomatoError E-EXTRA-CLUSTER, E-CLUSTER-ADDRESS, E-CLUSTER-UNREACHABLE, E-CLUSTER-VERSION,
    E-CLUSTER-WORKERS, E-CLUSTER-LOST and E-WORKER-DIED.
    """
    with _connected(scheduler) as client:
        _wait_for_worker(client, scheduler)
        check_versions(client)
        yield from _results(client, function, items)


def _connected(scheduler: str) -> Any:
    """A client of the scheduler, as a context manager."""
    parts = _ADDRESS.fullmatch(scheduler)
    if parts is None:
        raise TomatoError(
            "E-CLUSTER-ADDRESS", f"'{scheduler}' is no address of a scheduler.", "Write tcp://HOST:8786, or tls://."
        )
    try:
        from distributed import Client, Security
    except ImportError as error:
        raise TomatoError(
            "E-EXTRA-CLUSTER", f"Dask is not installed ({error}).", "pip install '.[cluster]', or use --jobs."
        ) from error
    # A worker that dies is a page of warnings, a line that breaks a traceback; both are reported as errors below.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    _wait_for_line(scheduler, parts["host"].strip("[]"), int(parts["port"]))
    try:
        if parts["protocol"] == "tls" and Security().get_connection_args("client").get("ssl_context") is None:
            raise TomatoError(
                "E-CLUSTER-ADDRESS",
                "tls:// needs certificates, and Dask's configuration names none.",
                "Set ca-file, and cert and key of client, under distributed.comm.tls in Dask's configuration.",
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions are judged below
            return Client(scheduler, timeout=CONNECT_S, set_as_default=False)
    except OSError as error:
        raise TomatoError("E-CLUSTER-UNREACHABLE", f"No scheduler answers at {scheduler} ({error}).", START) from error
    except ImportError as error:  # what Dask makes of versions that cannot understand each other
        raise TomatoError("E-CLUSTER-VERSION", f"{error}", "Install the same Dask everywhere.") from error


def _wait_for_line(scheduler: str, host: str, port: int) -> None:
    """Until something listens there. Asked without Dask, whose client leaves a trace of each attempt that fails."""
    until = time.monotonic() + CONNECT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=CONNECT_S).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() >= until:
                raise TomatoError(
                    "E-CLUSTER-UNREACHABLE", f"No scheduler answers at {scheduler} ({error}).", START
                ) from error
        time.sleep(0.2)


def _wait_for_worker(client: Any, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError:
        raise TomatoError("E-CLUSTER-WORKERS", f"The scheduler at {scheduler} has no worker.", START) from None


COMPARED = ("python", "dask", "distributed", "msgpack", "cloudpickle", "numpy")
"""Packages that must have one version everywhere; a scheduler needs no numpy."""


def check_versions(client: Any) -> None:
    """Raise TomatoError E-CLUSTER-VERSION with a line for each package that differs."""
    found = client.get_versions(check=False)
    ours = found["client"]["packages"]
    others = {"scheduler": found["scheduler"], **found["workers"]}
    lines = [
        f"{place} has {name} {theirs['packages'].get(name)}, here it is {ours[name]}"
        for name in COMPARED
        for place, theirs in others.items()
        if theirs["packages"].get(name) != ours[name] and not (place == "scheduler" and name == "numpy")
    ]
    if lines:
        raise TomatoError(
            "E-CLUSTER-VERSION", "; ".join(lines) + ".", "Install the same tomato-host[cluster] in all environments."
        )


def _results(client: Any, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any, str]]:
    ended: queue.SimpleQueue[int] = queue.SimpleQueue()
    task = partial(_run_task, source_fingerprint(), function)
    futures = dict(enumerate(client.map(task, items, pure=False, key="tomato")))
    for index, future in futures.items():
        future.add_done_callback(partial(_note, ended, index))
    try:
        alone_since = None
        while futures:
            try:
                index = ended.get(timeout=LOOK_S)
            except queue.Empty:
                alone_since = _look(client, alone_since)
                continue
            if index not in futures:
                continue  # it ended twice
            try:
                worker, value = _result(futures[index], items[index])
            except TimeoutError:  # its worker died before the result was fetched: it runs once more, somewhere
                alone_since = _look(client, alone_since)
                ended.put(index)
                continue
            del futures[index]
            yield index, value, worker
    finally:
        client.cancel(list(futures.values()), force=True)


def _note(ended: queue.SimpleQueue[int], index: int, _: Any) -> None:
    ended.put(index)


def _look(client: Any, alone_since: float | None) -> float | None:
    """Since when the cluster has been without a worker. Raises TomatoError when that, or its silence, is too long."""
    try:
        workers = client.nthreads()
    except Exception as error:  # whatever Dask raises for a line that is gone
        raise _lost(error) from error
    if workers:
        return None
    now = time.monotonic()
    if alone_since is not None and now - alone_since > WORKERS_S:
        raise TomatoError("E-CLUSTER-WORKERS", "The cluster has no worker any more.", START)
    return now if alone_since is None else alone_since


def _lost(error: Exception) -> TomatoError:
    return TomatoError(
        "E-CLUSTER-LOST",
        f"The scheduler is gone ({type(error).__name__}).",
        "Start it again; a campaign goes on with --resume.",
    )


def _result(future: Any, item: Any) -> tuple[str, Any]:
    """What the task has made, and where. Raises TimeoutError when it cannot be had now, and as `run_on_cluster`."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        worker, value = future.result(timeout=LOOK_S)
    except TomatoError:
        raise
    except TimeoutError as error:
        raise (_lost(error) if future.status == "error" else error) from None
    except KilledWorker as error:
        raise TomatoError(
            "E-WORKER-DIED",
            f"{item} ended its worker {error.allowed_failures + 1} times.",
            "The workers' logs tell why; mostly memory is short: start fewer workers.",
        ) from error
    except (CancelledError, CommClosedError, OSError) as error:
        raise _lost(error) from error
    except ModuleNotFoundError as error:
        raise TomatoError(
            "E-CLUSTER-VERSION", f"A worker lacks a module: {error}.", "Install the same tomato-host there."
        ) from error
    return str(worker), value


SAMPLERS = ("profile", "profile-cycle", "tick")
"""Dask looks at a running task's stack every 10 ms and at its own loop every 20 ms; each look takes the interpreter
from the task."""


def _stop_sampling(worker: Any) -> None:
    for name in SAMPLERS:
        callback = worker.periodic_callbacks.get(name)
        if callback is not None and callback.is_running():
            worker.loop.add_callback(callback.stop)


def _run_task(fingerprint: str, function: Callable[[Any], Any], item: Any) -> tuple[str, Any]:
    """On the worker: (its address, the result). Raises TomatoError E-CLUSTER-VERSION when its code is another."""
    from distributed import get_worker

    worker = get_worker()
    _stop_sampling(worker)
    address = str(worker.address)
    if source_fingerprint() != fingerprint:
        raise TomatoError(
            "E-CLUSTER-VERSION",
            f"The worker {address} runs other code than this, or another Python or numpy.",
            "Install the same tomato-host there and restart the worker; a campaign goes on with --resume.",
        )
    with _ONE_AT_A_TIME:
        return address, function(item)
