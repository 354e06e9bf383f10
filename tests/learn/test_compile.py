"""Compile jobs: retry, what a kill leaves, resume, and blueprints that attack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.learn.blueprints import blueprint, catalogue_of_blueprints
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.compile.jobs import ATTEMPTS, Compiled, CompileFailed, CompileJob, CompileQueue, jobs_for
from tomato_host.learn.compile.quarantine import run_hostile
from tomato_host.learn.compile.runner import compile_in_child
from tomato_host.learn.telemetry import Telemetry

from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tests.learn.views import signer


class Heard(Telemetry):
    """Telemetry that a test reads."""

    def __init__(self) -> None:
        super().__init__(signer())
        self.events: list[TelemetryEvent] = []

    def emit(self, *words: object, **named: object) -> TelemetryEvent:
        self.events.append(super().emit(*words, **named))  # type: ignore[arg-type]
        return self.events[-1]


def good(job: CompileJob) -> Compiled:
    return Compiled(job.key.encode(), "exported", "torch 1", 0.5)


def queue(root: Path, compile_one: object = good, heard: Telemetry | None = None) -> CompileQueue:
    return CompileQueue(Catalogue(root), compile_one, "torch 1", heard, sleep=lambda _: None)  # type: ignore[arg-type]


def test_one_job_a_shape_and_none_for_the_adversarial() -> None:
    jobs = jobs_for()
    numbers = sorted(number for job in jobs for number in job.blueprints)
    assert numbers == list(range(1, 43)) and len(jobs) == 1 + 11 + 7
    assert {job.key for job in jobs if 6 in job.blueprints} == {"network-16"}
    assert next(job for job in jobs if 6 in job.blueprints).blueprints == (6, 35)


def test_all_templates_are_compiled_once(tmp_path: Path) -> None:
    first, second = queue(tmp_path), queue(tmp_path)
    first.run(jobs_for())
    assert len(first.done) == 19 and not first.failed and len(first.catalogue.artifacts()) == 42
    second.run(jobs_for())
    assert second.done == [] and len(second.skipped) == 19
    other = CompileQueue(Catalogue(tmp_path), good, "torch 2")
    other.run([CompileJob("network-16", (6, 35))])
    assert other.done == ["network-16"], "another torch: compiled anew"


def test_a_job_that_fails_once_is_tried_again_and_says_so(tmp_path: Path) -> None:
    calls: list[str] = []

    def flaky(job: CompileJob) -> Compiled:
        calls.append(job.key)
        if len(calls) == 1:
            raise CompileFailed("no space for the cache")
        return good(job)

    heard = Heard()
    one = queue(tmp_path, flaky, heard)
    one.run([CompileJob("network-16", (6,)), CompileJob("network-8", (7,))])
    assert one.done == ["network-16", "network-8"] and calls == ["network-16", "network-16", "network-8"]
    assert [event.name for event in heard.events] == ["compile_retry", "compile_done", "compile_done"]
    assert heard.events[0].values["retries"] == 1.0 and "no space" in heard.events[0].text


def test_a_job_that_always_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    def fails(job: CompileJob) -> Compiled:
        if job.key == "network-16":
            raise CompileFailed("broken")
        return good(job)

    heard = Heard()
    one = queue(tmp_path, fails, heard)
    one.run([CompileJob("network-16", (6,)), CompileJob("network-8", (7,))])
    assert one.done == ["network-8"] and "broken" in one.failed["network-16"]
    assert [e.name for e in heard.events].count("compile_retry") == ATTEMPTS and one.interrupted() == []


KILLED = """
import sys, time
from pathlib import Path
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.compile.jobs import Compiled, CompileQueue, jobs_for
def slow(job):
    print(job.key, flush=True)
    time.sleep(0.03)
    return Compiled(job.key.encode(), "exported", "torch 1", 0.1)
CompileQueue(Catalogue(Path(sys.argv[1])), slow, "torch 1").run(jobs_for())
"""


@pytest.mark.parametrize("after", [1, 4, 9, 15])
def test_after_kill_9_a_restart_repeats_one_job_at_most(tmp_path: Path, after: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    begun = [child.stdout.readline().strip() for _ in range(after)]
    time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    begun += child.stdout.read().split()
    child.wait()
    again = queue(tmp_path)
    assert set(again.interrupted()) <= {begun[-1]}
    repeated: list[str] = []

    def counts(job: CompileJob) -> Compiled:
        repeated.append(job.key)
        return good(job)

    again.compile = counts
    again.run(jobs_for())
    assert len(set(repeated) & set(begun)) <= 1 and not again.failed
    assert len(again.catalogue.artifacts()) == 42 and again.interrupted() == []


def test_a_log_cut_at_every_byte_is_read(tmp_path: Path) -> None:
    one = queue(tmp_path)
    one.run([CompileJob("network-16", (6,)), CompileJob("network-8", (7,))])
    path = tmp_path / "compile.wal"
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert set(queue(tmp_path).interrupted()) <= {"network-16", "network-8"}


def test_trees_need_no_torch_and_a_child_that_fails_says_why(tmp_path: Path) -> None:
    assert compile_in_child(CompileJob("numpy", (1,))).kind == "numpy"
    with pytest.raises(CompileFailed):
        compile_in_child(CompileJob("nonsense-16", (6,)), limit_s=60.0)


@pytest.mark.parametrize("number", range(43, 51))
def test_each_adversarial_blueprint_is_refused_within_its_limits(tmp_path: Path, number: int) -> None:
    with Catalogue(tmp_path) as catalogue:
        verdict = run_hostile(blueprint(number), catalogue)
        assert verdict.refused and verdict.how, verdict
        assert catalogue.facts([number])[number]["quarantined"] == 1.0
    assert list(tmp_path.glob("large")) == []


def test_only_adversarial_blueprints_run_there() -> None:
    with pytest.raises(ValueError):
        run_hostile(catalogue_of_blueprints()[1])


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def output(*words: str) -> dict[str, object]:
        with pytest.raises(SystemExit) as end:
            main(["learn", *words, "--data", str(tmp_path), "--json"])
        assert end.value.code == 0
        return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]

    assert output("compile", "--only", "1")["done"] == ["numpy"]
    assert output("compile", "--only", "1")["skipped"] == ["numpy"]
    rows = output("blueprints", "--kind", "trees")["blueprints"]
    assert rows[0]["compiled"] == "numpy" and rows[0]["code"] == "BP001"  # type: ignore[index]
    assert output("fetch", "1")["kind"] == "numpy"
