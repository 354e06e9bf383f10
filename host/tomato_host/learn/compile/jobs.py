"""The queue of compile jobs: retry, write-ahead log, resume. Knows nothing of torch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tomato_host.learn.blueprints import Blueprint, catalogue_of_blueprints
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.telemetry import INFO, WARNING, Source, Telemetry
from tomato_host.learn.wal import WriteAheadLog, committed, compact

ATTEMPTS = 3
NUMPY = "numpy"
LOG = "compile.wal"
_MOST_ROWS = 1_000


@dataclass(frozen=True)
class CompileJob:
    """One shape, and the blueprints that it serves."""

    key: str
    blueprints: tuple[int, ...]


@dataclass(frozen=True)
class Compiled:
    """What a compiler gives for a job."""

    body: bytes
    kind: str
    """aoti, exported, numpy."""
    built_with: str
    seconds: float


Compile = Callable[[CompileJob], Compiled]
"""Raises CompileFailed, or anything else, when the job failed this time."""


class CompileFailed(Exception):
    """A job that failed; the text says why."""


def key_of(one: Blueprint) -> str:
    """The shape of a blueprint: equal keys share one artifact."""
    return NUMPY if one.kind == "trees" else f"{one.kind if one.kind == 'network' else one.name}-{_width(one)}"


def jobs_for(blueprints: Iterable[Blueprint] | None = None) -> list[CompileJob]:
    """The jobs of production and experimental blueprints, or of some. Adversarial ones are never compiled here."""
    found: dict[str, list[int]] = {}
    for one in catalogue_of_blueprints().values() if blueprints is None else blueprints:
        if one.tier != "adversarial":
            found.setdefault(key_of(one), []).append(one.id)
    return [CompileJob(key, tuple(numbers)) for key, numbers in found.items()]


def _width(one: Blueprint) -> int:
    return int(one.parameters["width"].default)


@dataclass
class CompileQueue:
    """Runs jobs one by one. What is in the catalogue, whole and made by the same versions, is not made again."""

    catalogue: Catalogue
    compile: Compile
    built_with: str
    telemetry: Telemetry | None = None
    sleep: Callable[[float], None] = time.sleep
    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    @property
    def _path(self) -> Path:
        return self.catalogue.root / LOG

    def run(self, jobs: Sequence[CompileJob], report: Callable[[float], None] = lambda share: None) -> None:
        """All jobs; a job that fails ATTEMPTS times is left out, the others go on. Raises OSError from the disk."""
        for number, job in enumerate(jobs, start=1):
            if self._present(job):
                self.skipped.append(job.key)
            else:
                self._run(job)
            report(number / len(jobs))
        self._shorten()

    def interrupted(self) -> list[str]:
        """Jobs that were begun and neither finished nor given up: a kill came in between."""
        open_jobs: dict[str, None] = {}
        for row in self._rows():
            if row["mark"] == "begin":
                open_jobs[row["job"]] = None
            else:
                open_jobs.pop(row["job"], None)
        return list(open_jobs)

    def attempts(self, key: str) -> int:
        """How often a job was begun since it last ended."""
        count = 0
        for row in self._rows():
            if row["job"] == key:
                count = count + 1 if row["mark"] == "begin" else 0
        return count

    def _present(self, job: CompileJob) -> bool:
        for number in job.blueprints:
            row = self.catalogue.artifact(number)
            if row is None or row.built_with not in (self.built_with, NUMPY):
                return False
            if not (self.catalogue.root / row.file).is_file():
                return False
        return True

    def _run(self, job: CompileJob) -> None:
        why = ""
        for attempt in range(1, ATTEMPTS + 1):
            self._record(job, "begin", attempt)
            try:
                found = self.compile(job)
            except Exception as error:  # whatever a compiler does, the queue goes on
                why = f"{type(error).__name__}: {error}"[:300]
                self._emit_retry(job, attempt, why)
                self.sleep(min(0.1 * 2**attempt, 5.0))
                continue
            for number in job.blueprints:
                self.catalogue.put(number, found.body, found.kind, found.built_with, found.seconds)
            self._record(job, "done", attempt)
            self.done.append(job.key)
            self._emit_end(job, "done", found.seconds)
            return
        self._record(job, "failed", ATTEMPTS)
        self.failed[job.key] = why
        self._emit_end(job, "failed", 0.0)

    def _emit_retry(self, job: CompileJob, attempt: int, why: str) -> None:
        if self.telemetry is not None:
            source, values = Source.TELEMETRY_SOURCE_COMPILER, {"retries": float(attempt)}
            self.telemetry.emit(source, "compile_retry", f"{job.key}: {why}", values, {"job": job.key}, WARNING)

    def _emit_end(self, job: CompileJob, result: str, seconds: float) -> None:
        if self.telemetry is not None:
            source, level = Source.TELEMETRY_SOURCE_COMPILER, INFO if result == "done" else WARNING
            labels = {"job": job.key, "result": result}
            self.telemetry.emit(source, "compile_done", f"{job.key}: {result}", {"compile_s": seconds}, labels, level)

    def _record(self, job: CompileJob, mark: str, attempt: int) -> None:
        row = {"job": job.key, "mark": mark, "attempt": attempt}
        with WriteAheadLog(self._path) as log:
            log.transaction([json.dumps(row).encode()])

    def _rows(self) -> list[dict[str, str]]:
        return [json.loads(payload) for transaction in committed(self._path) for payload in transaction]

    def _shorten(self) -> None:
        rows = self._rows()
        if len(rows) > _MOST_ROWS:
            compact(self._path, [[json.dumps(row).encode()] for row in rows[-_MOST_ROWS // 2 :]])
