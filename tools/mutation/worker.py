"""Judges mutants, each in a fork of a process that has everything imported. For tools/mutation/gate.py.

    python -m tools.mutation.worker {"tests": [...], "files": [...], "measure": FILE}     writes a baseline
    python -m tools.mutation.worker {"tests": [...], "files": [...]}                      serves jobs from stdin

Two processes serve: one has only imported what is foreign, the other has collected the tests as well. A changed
function is put into a fork of the second, in the place of the code of the living one; code that runs at import (tables,
defaults) into a fork of the first, which then imports and collects anew. A job is a line of JSON, the answer `killed`
or `survived`.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TextIO

from tools.mutation.changes import Mutant
from tools.mutation.packages import ROOT

MEMORY_BYTES = 2 << 30
"""What a mutant may take on top, before a loop that only grows ends."""
FOREIGN = ("pytest", "hypothesis.stateful", "numpy", "pydantic", "cbor2", "cobs.cobs", "structlog", "coverage", "yaml")
LRU_CACHE = type(functools.lru_cache(len))
OURS = ("tomato", "shared_schemas", "tests", "tools")


class Replacement(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module by its file and gives it other code."""

    def __init__(self, file: Path, tree: ast.Module) -> None:
        self.module, self.file, self.tree = module_name(file), file, tree

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.module:
            return None
        return importlib.util.spec_from_file_location(fullname, self.file, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.tree, str(self.file), "exec", dont_inherit=True), module.__dict__)


def module_name(file: Path) -> str:
    """Dotted name under firmware/, host/ or the root."""
    for base in (ROOT / "firmware", ROOT / "host", ROOT):
        if file.is_relative_to(base):
            return ".".join(file.relative_to(base).with_suffix("").parts)
    raise ValueError(f"{file} is outside the repository")


def living(files: Sequence[str]) -> list[FunctionType]:
    """The functions of these files that exist now, decorated and nested ones too."""
    return [f for f in everything() if isinstance(f, FunctionType) and f.__code__.co_filename in files]


def everything() -> list[object]:
    """All objects that live, also those that tests/conftest.py has frozen after the collection."""
    gc.unfreeze()
    return gc.get_objects()


def put_in_place(file: Path, tree: ast.Module, alive: Sequence[FunctionType]) -> bool:
    """Give every living function of the file its changed code; False when none is alive or one cannot take it."""
    old = list(_codes(compile(file.read_text(encoding="utf-8"), str(file), "exec", dont_inherit=True)))
    new = list(_codes(compile(tree, str(file), "exec", dont_inherit=True)))
    if len(old) != len(new):
        return False
    changed = [(before, after) for before, after in zip(old, new, strict=True) if before != after]
    placed = False
    for function in (f for f in alive if f.__code__.co_filename == str(file)):
        for before, after in changed:
            if function.__code__ == before and function.__code__.co_qualname == before.co_qualname:
                if len(before.co_freevars) != len(after.co_freevars):
                    return False
                function.__code__ = after
                placed = True
                break
    return placed


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def pytest_arguments(tests: Sequence[str]) -> list[str]:
    """Quiet, without what costs time or writes; `-x`, for one failure is enough."""
    marks = "not soak and not web and not llm and not hil"
    off = ("no:xdist", "no:cov", "no:faulthandler")
    return ["-x", "-s", "--tb=no", "-o", "timeout=0", "-m", marks, *(f"-p{name}" for name in off), *tests]


class QuickExamples:
    """Hypothesis as in every run, but a failing example is not made smaller: nobody will read it."""

    def pytest_sessionstart(self) -> None:
        """After conftest.py, before the first test module."""
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "mutation",
            settings.get_profile("repeatable"),
            phases=(Phase.explicit, Phase.generate),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")


class Chosen:
    """Of what was collected, the chosen tests in the chosen order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.tests = tests

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        by_name = {item.nodeid: item for item in items}
        items[:] = [by_name[name] for name in self.tests if name in by_name]


class Recorder:
    """Of each test: CPU seconds and the lines it runs. Of the import: its lines."""

    def __init__(self, files: Sequence[str], target: Path) -> None:
        import coverage

        self.files, self.target = files, target
        self.watch = coverage.Coverage(data_file=None, include=list(files), config_file=False, messages=False)
        self.watch.start()
        self.seconds: dict[str, float] = {}
        self.shared: dict[str, list[str]] = {}
        self.failed: list[str] = []

    def pytest_runtest_protocol(self, item: Any) -> None:
        """Caches of earlier tests would hide what this one needs; fixtures of a whole module count for all of it."""
        for cache in everything():
            if type(cache) is LRU_CACHE and str(cache.__module__).startswith(OURS):
                cache.cache_clear()
        definitions = getattr(item, "_fixtureinfo", None)
        wide = definitions.name2fixturedefs.values() if definitions is not None else ()
        self.shared[item.nodeid] = [f"{d[-1].baseid}::{d[-1].argname}" for d in wide if d[-1].scope != "function"]
        self.seconds[item.nodeid] = -time.process_time()

    def pytest_runtest_setup(self, item: Any) -> None:
        self.watch.switch_context(f"setup|{item.nodeid}")

    def pytest_runtest_call(self, item: Any) -> None:
        self.watch.switch_context(f"call|{item.nodeid}")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not hasattr(report, "wasxfail"):
            self.failed.append(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] += time.process_time()
        self.watch.switch_context("")

    def pytest_sessionfinish(self) -> None:
        """Write what was seen."""
        self.watch.stop()
        data = self.watch.get_data()
        seen: dict[str, dict[str, set[int]]] = {}
        for file in data.measured_files():
            for line, contexts in data.contexts_by_lineno(file).items():
                for context in contexts:
                    seen.setdefault(context, {}).setdefault(file, set()).add(line)
        tests = {name: {"s": round(s, 4), "lines": self._lines(name, seen)} for name, s in self.seconds.items()}
        at_import = {file: sorted(lines) for file, lines in seen.get("", {}).items()}
        self.target.write_text(json.dumps({"tests": tests, "import": at_import, "failed": self.failed}))

    def _lines(self, name: str, seen: dict[str, dict[str, set[int]]]) -> dict[str, list[int]]:
        same_setup = [n for n in self.shared if set(self.shared[n]) & set(self.shared[name])]
        contexts = [f"call|{name}", f"setup|{name}", *(f"setup|{other}" for other in same_setup)]
        files = {file for context in contexts for file in seen.get(context, ())}
        return {file: sorted(set().union(*(seen.get(c, {}).get(file, ()) for c in contexts))) for file in files}


class Server:
    """Instead of running the tests that were collected: judge mutants with some of them, one fork each."""

    def __init__(self, files: Sequence[str], jobs: TextIO, answers: TextIO) -> None:
        self.files, self.jobs, self.answers = files, jobs, answers
        self.alive: list[FunctionType] = []

    def pytest_runtestloop(self, session: Any) -> bool:
        by_name = {item.nodeid: item for item in session.items}
        self.alive = living(self.files)
        gc.freeze()
        for line in self.jobs:
            job = json.loads(line)
            items = [by_name[name] for name in job["tests"]]
            answer = in_a_fork(lambda items=items, job=job: self._judge(session, items, job), job["seconds"])
            print(answer, file=self.answers, flush=True)
        return True

    def _judge(self, session: Any, items: list[Any], job: dict[str, Any]) -> int:
        if not put_in_place(Path(job["file"]), changed_tree(job), self.alive):
            return NOT_PLACED
        for item, following in zip(items, [*items[1:], None], strict=True):
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return 1
        return 0


NOT_PLACED = 77


def changed_tree(job: dict[str, Any]) -> ast.Module:
    """The tree of a job's mutant; of no mutant, for index -1, the tree as it is."""
    file = Path(job["file"])
    if job["index"] < 0:
        return ast.parse(file.read_text(encoding="utf-8"))
    return Mutant(file, 0, "", job["change"], "", job["index"], range(0), frozenset()).tree()


def judge_import(job: dict[str, Any]) -> int:
    """Import and collect with the changed file, then run the chosen tests."""
    import pytest

    sys.meta_path.insert(0, Replacement(Path(job["file"]), changed_tree(job)))
    files = list(dict.fromkeys(name.split("::")[0] for name in job["tests"]))
    code = int(pytest.main(pytest_arguments(files), plugins=[QuickExamples(), Chosen(job["tests"])]))
    return 0 if code == 0 else 1


def in_a_fork(judge: Callable[[], int], seconds: float) -> str:
    """`survived` when the judgement is 0, `killed` when it is not or does not come in time, `retry` for NOT_PLACED."""
    folder = tempfile.mkdtemp(prefix="mutant-")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _confine(folder, seconds)
            code = judge()
        finally:
            os._exit(code)
    _await_end(child, 5 + 4 * seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    shutil.rmtree(folder, ignore_errors=True)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == NOT_PLACED:
        return "retry"
    return "survived" if status == 0 else "killed"


def _await_end(child: int, seconds: float) -> None:
    """Return when the child has ended or `seconds` are over, not counting those in which it stood in the run queue.

    Under load a child waits for a core longer than it runs; the kernel says how long (`/proc/PID/schedstat`, second
    field, ns). Without that, a busy machine "kills" unchanged code.
    """
    started = time.monotonic()
    ends = os.pidfd_open(child)
    while (left := started + seconds + _queued_s(child) - time.monotonic()) > 0:
        if select.select([ends], [], [], left)[0]:
            break
    os.close(ends)


def _queued_s(process: int) -> float:
    """Seconds that the threads of a process were ready and had no core; 0 where the kernel does not count."""
    nanoseconds = 0
    for file in Path(f"/proc/{process}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, IndexError):
            nanoseconds = max(nanoseconds, int(file.read_text().split()[1]))
    return nanoseconds / 1e9


def _confine(folder: str, seconds: float) -> None:
    """A process group, a folder and limits of its own."""
    os.setpgid(0, 0)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.tempdir = folder
    cpu = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY_BYTES, taken + MEMORY_BYTES))


def start_collected(tests: Sequence[str], files: Sequence[str]) -> tuple[TextIO, TextIO]:
    """Fork the process that has collected the tests; returns where to write jobs and where to read answers."""
    job_end, job_start = os.pipe()
    answer_end, answer_start = os.pipe()
    if os.fork() == 0:
        os.close(job_start)
        os.close(answer_end)
        import pytest

        server = Server(files, os.fdopen(job_end), os.fdopen(answer_start, "w"))
        pytest.main(pytest_arguments(tests), plugins=[QuickExamples(), server])
        os._exit(0)
    os.close(job_end)
    os.close(answer_start)
    return os.fdopen(job_start, "w"), os.fdopen(answer_end)


def serve(tests: Sequence[str], files: Sequence[str], answers: TextIO) -> None:
    """Jobs from stdin until it ends."""
    jobs_in = sys.stdin
    to_collected, from_collected = start_collected(tests, files)
    for line in jobs_in:
        job = json.loads(line)
        answer = "retry"
        if not job["at_import"]:
            print(json.dumps(job), file=to_collected, flush=True)
            answer = from_collected.readline().strip()
        if answer == "retry":
            answer = in_a_fork(lambda job=job: judge_import(job), job["seconds"] + 20)
        print(answer, file=answers, flush=True)


def measure(tests: Sequence[str], files: Sequence[str], target: Path) -> None:
    """Write the baseline of unchanged code."""
    import pytest

    arguments = [a for a in pytest_arguments(tests) if a != "-x"]
    pytest.main(arguments, plugins=[QuickExamples(), Recorder(files, target)])


def main() -> int:
    """One argument, JSON."""
    order = json.loads(sys.argv[1])
    sys.path[:0] = [str(ROOT), str(ROOT / "host"), str(ROOT / "firmware")]
    sys.dont_write_bytecode = True
    answers = os.fdopen(os.dup(1), "w")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    if "measure" in order:
        measure(order["tests"], order["files"], Path(order["measure"]))
        return 0
    os.dup2(nowhere, 2)
    for name in FOREIGN:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    serve(order["tests"], order["files"], answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
