"""The one way to run many independent tasks: `run_tasks`, here, on processes of this machine, or on a Dask cluster.

A task is a function that a module exports (or a `functools.partial` of one) and one item; it depends on nothing else.
So its result is the same wherever it runs, and a task whose worker died is simply run again. Results come in the order
in which they finish; whoever needs the order of the items sorts them by index.

Rejected: an executor interface as that of `concurrent.futures` (its pool of processes cannot say which task killed a
worker, and with a bound on tasks per child it may stop for ever), and Dask for one machine too (four more processes and
30 MB, for what a pipe to each child does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from tomato_host.errors import TomatoError
from tomato_host.parallel.process_pool import run_on_processes

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Workers:
    """Where tasks run: `jobs` processes of this machine, or the cluster of `scheduler` (tcp://host:port)."""

    jobs: int = 1
    scheduler: str = ""

    def __post_init__(self) -> None:
        if self.scheduler and self.jobs > 1:
            raise TomatoError("E-CLUSTER-ADDRESS", "--jobs and --scheduler were both given.", "Leave one of them out.")

    @property
    def engine(self) -> str:
        """Which row of `ENGINES`."""
        if self.scheduler:
            return "cluster"
        return "processes" if self.jobs > 1 else "serial"


class TaskResult(NamedTuple, Generic[Value]):
    """What one task returned."""

    item_index: int
    """Which item it was."""
    value: Value
    worker: str
    """Name of the process that ran it."""


def _serial(function: Callable[[Any], Any], items: Sequence[Any], workers: Workers) -> Iterator[tuple[int, Any, str]]:
    for index, item in enumerate(items):
        yield index, function(item), "here"


def _processes(
    function: Callable[[Any], Any], items: Sequence[Any], workers: Workers
) -> Iterator[tuple[int, Any, str]]:
    yield from run_on_processes(function, items, workers.jobs)


def _cluster(function: Callable[[Any], Any], items: Sequence[Any], workers: Workers) -> Iterator[tuple[int, Any, str]]:
    from tomato_host.parallel.dask_cluster import run_on_cluster

    yield from run_on_cluster(function, items, workers.scheduler)


ENGINES: dict[str, Callable[[Callable[[Any], Any], Sequence[Any], Workers], Iterator[tuple[int, Any, str]]]] = {
    "serial": _serial,
    "processes": _processes,
    "cluster": _cluster,
}


def run_tasks(
    function: Callable[[Item], Value], items: Sequence[Item], workers: Workers
) -> Iterator[TaskResult[Value]]:
    """Run `function` on each item; yields results as they finish, each item's exactly once.

    Raises what a task raises, TomatoError E-WORKER-DIED for a task that ended its worker again and again, and with a
    scheduler TomatoError E-EXTRA-CLUSTER and E-CLUSTER-*. What was yielded before holds.
    """
    for index, value, worker in ENGINES[workers.engine](function, items, workers):
        yield TaskResult(index, value, worker)
