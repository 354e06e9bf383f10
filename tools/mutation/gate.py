"""The gate: takes mutants of each package, has them judged, and compares the survivors with those that have a reason.

    make mutants                                   a seeded sample of 150 of each package
    make mutants-all                               every mutant
    python -m tools.mutation storage --sample 40   a quick look at one package

A package fails when less than 90 % are killed, when a survivor has no reason in its survivors.md, and when a line there
is stale: its mutant is killed or gone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import queue
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.mutation.baseline import Baseline, measured
from tools.mutation.changes import Mutant, mutants_of
from tools.mutation.packages import PACKAGE_BY_NAME, PACKAGES, ROOT, GatedPackage

LEAST_KILLED = 0.9
SAMPLE = 150
ENOUGH_FOR_IMPORT = 20
"""Tests that show that unchanged code survives a fresh import; all of them have shown it without one."""


@dataclass(frozen=True)
class Judged:
    """What came of one package."""

    package: str
    killed: int
    survived: int
    of_all: int
    problems: list[str]


class Worker:
    """A process that judges one mutant after the other, each in a fork."""

    def __init__(self, package: GatedPackage) -> None:
        order = {"tests": list(package.tests), "files": [str(file) for file in package.files]}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tools.mutation.worker", json.dumps(order)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def killed(self, path: Path, index: int, change: str, tests: list[str], seconds: float, at_import: bool) -> bool:
        """True when a test fails, or none ends. Raises RuntimeError when the worker itself is gone."""
        job = {"file": str(path), "index": index, "change": change, "tests": tests}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({**job, "seconds": seconds, "at_import": at_import}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if answer not in ("killed", "survived"):
            raise RuntimeError(f"the worker ended at {path.name}, node {index}")
        return answer == "killed"

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def sampled(mutants: Sequence[Mutant], number: int, seed: int) -> list[Mutant]:
    """A sample that stays nearly the same when code elsewhere changes: those whose keys have the lowest digests."""

    def rank(mutant: Mutant) -> bytes:
        return hashlib.sha256(f"{seed}:{mutant.key}".encode()).digest()

    chosen = {m.key for m in sorted(mutants, key=rank)[:number]}
    return [m for m in mutants if m.key in chosen]


def limit_s(baseline: Baseline, tests: Sequence[str]) -> float:
    """CPU time after which a mutant that loops counts as killed: three times what its tests take under coverage."""
    return 2.0 + 3.0 * sum(baseline.seconds[name] for name in tests)


def verdicts(package: GatedPackage, mutants: Sequence[Mutant], processes: int) -> list[bool]:
    """For each mutant whether it was killed. Raises SystemExit when unchanged code would be killed, too."""
    baseline = measured(package)
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for _ in range(processes):
        idle.put(Worker(package))

    def killed(mutant: Mutant) -> bool:
        tests = baseline.chosen_for(mutant)
        if not tests:
            return False
        worker = idle.get()
        at_import = baseline.runs_at_import(mutant)
        dead = worker.killed(mutant.path, mutant.index, mutant.change, tests, limit_s(baseline, tests), at_import)
        idle.put(worker)
        return dead

    with ThreadPoolExecutor(processes) as pool:
        _check_harness(package, baseline, idle)
        found = list(_reported(mutants, pool.map(killed, mutants)))
    for _ in range(processes):
        idle.get().close()
    return found


def _check_harness(package: GatedPackage, baseline: Baseline, idle: queue.SimpleQueue[Worker]) -> None:
    """A harness in which even unchanged code fails would kill everything, and say nothing."""
    worker = idle.get()
    every = list(baseline.seconds)
    for at_import, tests in ((False, every), (True, every[:ENOUGH_FOR_IMPORT])):
        if worker.killed(package.files[0], -1, "", tests, limit_s(baseline, tests), at_import):
            raise SystemExit(f"{package.name}: its tests fail without any change, in the order quickest first")
    idle.put(worker)


def _reported(mutants: Sequence[Mutant], found: Iterator[bool]) -> Iterator[bool]:
    """Pass the verdicts on; print on stderr how far the run is, and each survivor as soon as it is known."""
    alive = 0
    for count, (mutant, dead) in enumerate(zip(mutants, found, strict=True), 1):
        if not dead:
            alive += 1
            print(f"survived: {describe(mutant)}", file=sys.stderr, flush=True)
        if count % 50 == 0 or count == len(mutants):
            print(f"{count} of {len(mutants)}, {alive} survived so far", file=sys.stderr, flush=True)
        yield dead


def describe(mutant: Mutant) -> str:
    """One line: key, place, change, text."""
    return f"{mutant.key}  {mutant.path.name}:{mutant.line} {mutant.change}: {mutant.original}"


def read_survivors(path: Path) -> dict[str, str]:
    """Listed survivors: key -> reason. Lines look like "- `key` reason"; a line without a reason is an error."""
    listed: dict[str, str] = {}
    if not path.exists():
        return listed
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("- `"):
            continue
        key, _, reason = line[3:].partition("`")
        if len(reason.strip()) < 10:
            raise SystemExit(f"{path.name}: {key} has no reason")
        if key in listed:
            raise SystemExit(f"{path.name}: {key} stands there twice")
        listed[key] = reason.strip()
    return listed


def judge(
    mutants: Sequence[Mutant], results: Sequence[bool], existing: set[str], listed: dict[str, str]
) -> Iterator[str]:
    """What is wrong: survivors nobody listed, listed ones that are stale, too few killed."""
    dead = {m.key: result for m, result in zip(mutants, results, strict=True)}
    yield from (f"not listed: {describe(m)}" for m in mutants if not dead[m.key] and m.key not in listed)
    for key in listed:
        if key not in existing:
            yield f"stale line: {key} (no such mutant)"
        elif dead.get(key):
            yield f"stale line: {key} (killed now)"
    share = sum(results) / len(results)
    if share < LEAST_KILLED:
        yield f"too few killed: {share:.1%}, {LEAST_KILLED:.0%} at least"


def check(package: GatedPackage, number: int | None, seed: int, processes: int) -> Judged:
    """Judge one package: `number` mutants, or all for None."""
    every = [mutant for file in package.files for mutant in mutants_of(file)]
    mutants = every if number is None else sampled(every, number, seed)
    results = verdicts(package, mutants, processes)
    listed = read_survivors(ROOT / package.survivors)
    problems = list(judge(mutants, results, {m.key for m in every}, listed))
    return Judged(package.name, sum(results), len(results) - sum(results), len(every), problems)


def _cpu_minutes() -> float:
    """CPU time of the workers that have ended, with all their forks."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 60.0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="tools.mutation", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=", ".join(PACKAGE_BY_NAME))
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants of each package (150)")
    parser.add_argument("--seed", type=int, default=1, help="which sample (1)")
    parser.add_argument("--all", action="store_true", help="every mutant")
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def main() -> int:
    """Run, print one line per problem and one per package; 0 when the gate holds for each."""
    options = arguments()
    started = time.monotonic()
    chosen = [PACKAGE_BY_NAME[name] for name in options.packages] or PACKAGES
    wrong = False
    for package in chosen:
        print(f"{package.name}:", file=sys.stderr, flush=True)
        found = check(package, None if options.all else options.sample, options.seed, options.processes)
        for line in found.problems:
            print(line)
        wrong = wrong or bool(found.problems)
        judged = found.killed + found.survived
        minutes = (time.monotonic() - started) / 60
        print(
            f"{found.package}: {found.killed} of {judged} killed ({found.killed / judged:.1%}), "
            f"{found.of_all} mutants in all; so far {minutes:.1f} min, {_cpu_minutes():.1f} min of CPU",
            flush=True,
        )
    return 1 if wrong else 0
