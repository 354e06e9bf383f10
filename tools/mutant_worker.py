"""Runs tests with one module's source replaced, each time in a fork of its own. For tools/mutants.py.

Reads jobs as lines of JSON [real file, changed file, [tests]] (folders, files or `order:FILE`) and answers each with
`killed` or `survived`. What costs time to import and is never changed is imported once, before the first fork.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PLAIN_S, PYTEST_S = 12, 40
"""CPU time after which a mutant that loops counts as killed."""


class Replacement(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module by its file and gives it other source."""

    def __init__(self, module: str, file: Path, source: str) -> None:
        self.module, self.file, self.source = module, file, source

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
        exec(compile(self.source, str(self.file), "exec"), module.__dict__)


def module_name(file: Path) -> str:
    """Dotted name under firmware/, host/ or the root."""
    for base in (ROOT / "firmware", ROOT / "host", ROOT):
        if file.is_relative_to(base):
            return ".".join(file.relative_to(base).with_suffix("").parts)
    raise ValueError(f"{file} is outside the repository")


def plain_tests(folder: str) -> list[str]:
    """Names `module:function` of a folder's plain test functions: those that need no pytest."""
    names = []
    for file in sorted((ROOT / folder).glob("test_*.py")):
        if "import pytest" in file.read_text(encoding="utf-8"):
            continue
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        names += [f"{module}:{test}" for test in dir(importlib.import_module(module)) if test.startswith("test_")]
    return names


def run_plain(names: Sequence[str]) -> bool:
    """Call each in this process; False at the first that fails."""
    for name in names:
        module, function = name.split(":")
        try:
            getattr(importlib.import_module(module), function)()
        except Exception:
            return False
    return True


def write_baseline(target: Path, folders: Sequence[str]) -> None:
    """Of each plain test on unchanged code: CPU seconds, and the lines it runs by file. One that fails ends it all."""
    import coverage

    core = ROOT / "firmware" / "tomato" / "core"
    warnings.simplefilter("ignore")
    baseline = {}
    for name in [n for folder in folders for n in plain_tests(folder)]:
        module, function = name.split(":")
        watch = coverage.Coverage(data_file=None, source=[str(core)], config_file=False, messages=False)
        started = time.process_time()
        watch.start()
        getattr(importlib.import_module(module), function)()
        watch.stop()
        data = watch.get_data()
        baseline[name] = {
            "s": round(time.process_time() - started, 4),
            "lines": {file: data.lines(file) for file in data.measured_files()},
        }
    target.write_text(json.dumps(baseline), encoding="utf-8")


def judge(real: Path, changed: Path, tests: Sequence[str]) -> int:
    """0 when all tests pass with the changed source in the place of the real one."""
    plain = tests[0].startswith("order:")
    limit_s = PLAIN_S if plain else PYTEST_S
    resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
    sys.meta_path.insert(0, Replacement(module_name(real), real, changed.read_text(encoding="utf-8")))
    if plain:
        return 0 if run_plain(json.loads(Path(tests[0][6:]).read_text(encoding="utf-8"))) else 1
    import pytest

    return int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-m", "not soak", *tests]))


def killed_in_a_fork(real: Path, changed: Path, tests: Sequence[str]) -> bool:
    """True when a test fails, or the fork does not live to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
            code = judge(real, changed, tests)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status != 0


def serve() -> None:
    """Jobs from stdin until it ends."""
    for line in sys.stdin:
        real, changed, tests = json.loads(line)
        if not tests[0].startswith("order:"):
            for name in ("pytest", "hypothesis.stateful", "shared_schemas.records"):
                importlib.import_module(name)
        print("killed" if killed_in_a_fork(Path(real).resolve(), Path(changed), tests) else "survived", flush=True)


def main() -> int:
    """No argument: serve jobs. Or: --baseline FILE and folders."""
    sys.path[:0] = [str(ROOT), str(ROOT / "host"), str(ROOT / "firmware")]
    if sys.argv[1:2] == ["--baseline"]:
        write_baseline(Path(sys.argv[2]), sys.argv[3:])
        return 0
    serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
