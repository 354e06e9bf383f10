"""`pytest -p tests.forked_run --forks N`: collect once, then run whole files in N forked processes.

Importing the tests and the product costs as much as 60 of them; workers that each collect for themselves (pytest-xdist)
pay it N times before the first test. Here the parent collects, forks, hands out files in the order in which their
first test was collected, and reports what comes back. A worker that dies fails the test it was in, and a new one goes
on with the rest of its file. POSIX only.
"""

from __future__ import annotations

import os
import random
import sys
from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any

import pytest

Group = list[int]
"""Places of a file's tests in the session's list."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The number of processes."""
    parser.addoption("--forks", type=int, default=0, help="run whole files in this many forked processes")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run what was collected; None leaves it to pytest."""
    config = session.config
    if config.option.forks < 1 or config.option.collectonly or session.testsfailed:
        return None
    places = groupby(range(len(session.items)), key=lambda place: session.items[place].path)
    Parent(session, deque(list(group) for _, group in places)).run(config.option.forks)
    return True


@dataclass
class Worker:
    """A forked process, as its parent sees it."""

    pid: int
    number: int
    line: Connection
    left: deque[int] = field(default_factory=deque)
    """Places of the tests that were handed out and have not ended."""


class Parent:
    """Hands out files and reports the results."""

    def __init__(self, session: pytest.Session, groups: deque[Group]) -> None:
        self._session = session
        self._groups = groups
        self._workers: dict[Connection, Worker] = {}

    def run(self, forks: int) -> None:
        """Until all has run, or the session is to stop. Raises Session.Failed or Session.Interrupted then."""
        _temporary_folders(self._session.config).getbasetemp()  # one for all workers
        try:
            for number in range(min(forks, len(self._groups))):
                self._fork(number)
            while self._workers:
                for line in wait(list(self._workers)):
                    self._receive(self._workers[line])  # type: ignore[index]
        finally:
            for worker in self._workers.values():
                os.kill(worker.pid, 15)
                os.waitpid(worker.pid, 0)
        if self._session.shouldfail:
            raise self._session.Failed(self._session.shouldfail)
        if self._session.shouldstop:
            raise self._session.Interrupted(self._session.shouldstop)

    def _fork(self, number: int) -> None:
        ours, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for line in (ours, *self._workers):
                    line.close()
                _Child(self._session, theirs, number).run()
                code = 0
            finally:
                os._exit(code)
        theirs.close()
        self._workers[ours] = Worker(pid, number, ours)

    def _receive(self, worker: Worker) -> None:
        try:
            kind, value = worker.line.recv()
        except (EOFError, ConnectionError):
            self._ended(worker)
            return
        hook = self._session.config.hook
        if kind == "next":
            self._hand_out(worker)
        elif kind == "ran":
            worker.left.remove(value)
        elif kind == "warning":
            hook.pytest_warning_recorded.call_historic(kwargs=value)
        else:
            report = hook.pytest_report_from_serializable(config=self._session.config, data=value)
            hook.pytest_runtest_logreport(report=report)

    def _hand_out(self, worker: Worker) -> None:
        stop = self._session.shouldfail or self._session.shouldstop
        group = self._groups.popleft() if self._groups and not stop else []
        worker.left.extend(group)
        worker.line.send(group)

    def _ended(self, worker: Worker) -> None:
        """A worker has closed its line: at its end, or because it died within a test."""
        del self._workers[worker.line]
        worker.line.close()
        _, status = os.waitpid(worker.pid, 0)
        if not worker.left:
            return
        item = self._session.items[worker.left.popleft()]
        text = f"the worker process ended in this test: exit code {os.waitstatus_to_exitcode(status)}"
        report = pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
        item.ihook.pytest_runtest_logreport(report=report)
        if worker.left:
            self._groups.appendleft(list(worker.left))
        if self._groups:
            self._fork(worker.number)


class _Child:
    """The forked process: asks for files, runs them, sends every report."""

    def __init__(self, session: pytest.Session, line: Connection, number: int) -> None:
        self._session = session
        self._line = line
        config = session.config
        capture = config.pluginmanager.getplugin("capturemanager")
        if capture is not None:  # the parent's files of captured output would be written by all at once
            capture.stop_global_capturing()
            capture.start_global_capturing()
            capture.suspend_global_capture()
        reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        reporter._tw._file = open(os.devnull, "w")  # noqa: SIM115 - the parent reports, until the end
        factory = _temporary_folders(config)
        factory._basetemp = factory.mktemp(f"worker{number}-", numbered=True)
        random.seed()
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed()
        config.pluginmanager.register(self)

    def run(self) -> None:
        """Each test is told which one follows, so that fixtures of a session live until the worker's end."""
        items = self._session.items
        group = deque(self._next_group())
        while group:
            place = group.popleft()
            group = group or deque(self._next_group())
            item = items[place]
            following = items[group[0]] if group else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self._line.send(("ran", place))

    def _next_group(self) -> Group:
        self._line.send(("next", None))
        group: Group = self._line.recv()
        return group

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send one report."""
        config = self._session.config
        data = config.hook.pytest_report_to_serializable(config=config, report=report)
        self._line.send(("report", data))

    def pytest_warning_recorded(self, warning_message: Any, when: str, nodeid: str, location: Any) -> None:
        """Send one warning."""
        parts = {"warning_message": warning_message, "when": when, "nodeid": nodeid, "location": location}
        try:
            self._line.send(("warning", parts))
        except (TypeError, AttributeError, ValueError):  # its message cannot be pickled
            return


def _temporary_folders(config: pytest.Config) -> Any:
    return config._tmp_path_factory  # type: ignore[attr-defined]
