"""Tasks on processes of this machine, a pipe to each; a process that dies costs only the task it was at.

`multiprocessing.Pool` waits for ever for the task of a process that was killed, and for a result it cannot unpickle.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tomato_host.errors import TomatoError

TASKS_PER_PROCESS = 64
"""After so many a process is replaced, so that no leak of memory grows over a campaign of days."""
ATTEMPTS = 4
"""Tries of one task before it is held to be what ends its process; Dask's scheduler allows as many by default."""
_SPAWN = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class _Child:
    """A process, our end of its pipe, and the index of what it is at."""

    process: BaseProcess
    pipe: Connection
    index: int | None = None
    given: int = 0


def run_on_processes(function: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> Iterator[tuple[int, Any, str]]:
    """Yields (index, result, name of the process) as they come; no process is left when the iterator ends.

    Raises what a task raises, and TomatoError E-WORKER-DIED for a task that ended `ATTEMPTS` processes.
    """
    waiting, died = deque(range(len(items))), Counter[int]()
    children = [_start(function) for _ in range(min(jobs, len(items)))]
    try:
        while waiting or any(child.index is not None for child in children):
            for place, child in enumerate(children):
                if child.index is None and waiting:
                    children[place] = _give(child, function, waiting.popleft(), items)
            by_pipe = {child.pipe: child for child in children if child.index is not None}
            for pipe in wait(list(by_pipe)):
                child = by_pipe[pipe]  # type: ignore[index]  # `wait` returns what it was given
                index, child.index = child.index, None
                assert index is not None
                try:
                    failed, value = child.pipe.recv()
                except (EOFError, OSError):
                    died[index] += 1
                    _check_attempts(died[index], items[index], child.process)
                    waiting.appendleft(index)
                    children[children.index(child)] = _restarted(child, function)
                    continue
                if failed:
                    raise value
                yield index, value, str(child.process.pid)
    finally:
        for child in children:
            _end(child)


def _give(child: _Child, function: Callable[[Any], Any], index: int, items: Sequence[Any]) -> _Child:
    """The child, or a fresh one in its place, at its next task."""
    if child.given >= TASKS_PER_PROCESS:
        child = _restarted(child, function)
    child.index = index
    child.given += 1
    try:
        child.pipe.send(items[index])
    except OSError:
        pass  # died while idle: reading finds that out
    return child


def _check_attempts(count: int, item: Any, process: BaseProcess) -> None:
    if count >= ATTEMPTS:
        process.join(1.0)
        raise TomatoError(
            "E-WORKER-DIED",
            f"{item} ended its process {count} times (exit code {process.exitcode}; -9 is mostly too little memory).",
            "Use fewer --jobs; where it goes on, run this one alone.",
        )


def _start(function: Callable[[Any], Any]) -> _Child:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_work, args=(theirs, function), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process ends the pipe
    return _Child(process, ours)


def _restarted(child: _Child, function: Callable[[Any], Any]) -> _Child:
    _end(child)
    return _start(function)


def _end(child: _Child) -> None:
    child.pipe.close()
    child.process.terminate()
    child.process.join()
    child.process.close()


def _work(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """The child: an item in, (failed, result or exception) out, until the parent has gone. Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            item = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer: tuple[bool, Any] = (False, function(item))
        except Exception as error:
            answer = (True, _portable(error))
        try:
            pipe.send(answer)
        except OSError:
            os._exit(0)  # nobody is left to read it


def _portable(error: Exception) -> Exception:
    """The exception, or its text where it does not survive the pipe."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
