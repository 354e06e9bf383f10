"""The runner of `make test`: collected once, whole files in forked processes, a dead worker fails its test alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SESSION = """
import os, pytest
@pytest.fixture(scope="session")
def lives():
    path = f"{os.environ['SEEN']}/life-{os.getpid()}"
    open(path, "a").write("begun ")
    yield path
    open(path, "a").write("ended ")
"""
FILE = """
import os
open(f"{os.environ['SEEN']}/imports", "a").write("x")
def test_first(lives, tmp_path):
    open(f"{os.environ['SEEN']}/{__name__}", "a").write(f"{os.getpid()} ")
    (tmp_path / "own").touch()
def test_second(lives):
    open(f"{os.environ['SEEN']}/{__name__}", "a").write(f"{os.getpid()} ")
"""
BAD = """
import os, warnings
def test_dies(): os._exit(7)
def test_after(): warnings.warn("worn out")
def test_fails():
    print("said before")
    assert 1 == 2
"""


def _run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "seen").mkdir()
    environment = {**os.environ, "SEEN": str(folder / "seen"), "PYTEST_ADDOPTS": "", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "tests.forked_run", "--forks", "2", "-q", "-c", os.devnull]
    command += ["--rootdir", str(folder), "--import-mode=importlib", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_whole_files_run_in_forked_workers_and_are_imported_once(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SESSION)
    for name in "abcd":
        (tmp_path / f"test_{name}.py").write_text(FILE)
    done = _run(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
    seen = tmp_path / "seen"
    assert (seen / "imports").read_text() == "xxxx"
    workers = {tuple(set((seen / f"test_{name}").read_text().split())) for name in "abcd"}
    assert all(len(pids) == 1 for pids in workers) and len(workers) <= 2
    assert {path.read_text() for path in seen.glob("life-*")} == {"begun ended "}
    assert len(list(seen.glob("life-*"))) == len(workers)


def test_a_dead_worker_fails_the_test_it_was_in_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SESSION)
    (tmp_path / "test_a.py").write_text(BAD)
    (tmp_path / "test_b.py").write_text(FILE)
    done = _run(tmp_path)
    assert done.returncode == 1
    assert "2 failed, 3 passed, 1 warning" in done.stdout, done.stdout + done.stderr
    assert "the worker process ended in this test: exit code 7" in done.stdout
    assert "said before" in done.stdout and "assert 1 == 2" in done.stdout and "worn out" in done.stdout


def test_it_stops_where_the_session_is_to_stop(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SESSION)
    for number in range(6):
        (tmp_path / f"test_{number}.py").write_text("def test_it():\n    assert False\n")
    done = _run(tmp_path, "--maxfail=1")
    assert done.returncode == 1
    assert "stopping after" in done.stdout and "6 failed" not in done.stdout  # what is under way ends


LEAVES = """
kept = []
def test_leaves_much(): kept.extend([] for _ in range(50_000))
"""
LOOKS = """
import gc
def test_looks(): assert len(gc.get_objects()) < 50_000
"""


def test_what_a_file_leaves_behind_is_in_no_later_collection(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_a.py").write_text(LEAVES)
    (tmp_path / "test_b.py").write_text(LOOKS)
    done = _run(tmp_path, "--forks", "1")
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
