"""Two full runs with the same seed leave the same bytes: alone, beside each other, and on a busy machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SCENARIO = "link_noise@0.1+0.2,board_reset@0+1,sensor_dropout@0.5+0.2,heatwave@0.4+1"
HOURS = "0.8"


def start_run(where: Path, seed: int = 7) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-c",
        "from tomato_host.cli.main import main; main()",
        "run",
        "--board",
        "sim",
        "--time-scale",
        "0",
        "--duration-hours",
        HOURS,
        "--seed",
        str(seed),
        "--scenario",
        SCENARIO,
        "--data-dir",
        str(where),
        "--json",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finished(run: subprocess.Popen[bytes]) -> None:
    _, errors = run.communicate(timeout=200)
    assert run.returncode == 0, errors.decode()


def fingerprints(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@contextmanager
def load(processes: int) -> Iterator[None]:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def test_same_seed_same_bytes_side_by_side_and_under_load(tmp_path: Path) -> None:
    side_by_side = [start_run(tmp_path / name) for name in ("a", "b")]
    for run in side_by_side:
        finished(run)
    with load(2):
        finished(start_run(tmp_path / "c"))
    first = fingerprints(tmp_path / "a")
    assert len(first) > 10 and any("sensors_raw" in name for name in first)
    assert first == fingerprints(tmp_path / "b") == fingerprints(tmp_path / "c")


@pytest.mark.soak
def test_another_seed_leaves_other_bytes(tmp_path: Path) -> None:
    for seed in (1, 2):
        finished(start_run(tmp_path / str(seed), seed))
    one, two = fingerprints(tmp_path / "1"), fingerprints(tmp_path / "2")
    assert one.keys() == two.keys()
    assert one["private/sensors_raw_2026-05.jsonl"] != two["private/sensors_raw_2026-05.jsonl"]


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_thirty_days_end_with_flat_memory() -> None:
    """The VM's memory and heap do not grow at all. The host's is judged from day 15 on: until then the world model
    makes its copies and the history of hours fills up, some 70 KiB a day until `keep_hours` are reached."""
    from tools.bench_twin import full_stack

    figures = full_stack(30.0)
    memory, heap = figures["memory_each_half_day"], figures["vm_heap_bytes_each_half_day"]
    assert len(memory) >= 59 and len(heap) >= 59
    assert memory[-1]["vm_rss_kb"] <= memory[2]["vm_rss_kb"] * 1.01
    assert max(heap[2:]) <= min(heap[2:]) * 1.01
    assert memory[-1]["host_rss_kb"] <= memory[28]["host_rss_kb"] * 1.08
