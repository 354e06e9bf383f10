"""The main job in real time on the free-running virtual board: telemetry, a decision, a clean end, a lost line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomato_host.twin import server

from shared_schemas.records import parse_record


@contextmanager
def host(*words: str) -> Iterator[subprocess.Popen[str]]:
    """`tomato-host run` as its own process; whatever happens it does not outlive the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tomato_host", "run", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def records(data_dir: Path, stream: str) -> list[dict]:  # type: ignore[type-arg]
    """Whole lines of one stream so far."""
    found = []
    for path in sorted((data_dir / "private").glob(f"{stream}_*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                found.append(json.loads(line)["record"])
            except ValueError:
                break  # the line that is being written right now
    return found


def until(wanted, seconds: float = 40.0) -> None:  # type: ignore[no-untyped-def]
    """Wait until `wanted()` holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if wanted():
            return
        time.sleep(0.1)
    raise AssertionError("it never happened")


def names(data_dir: Path) -> list[str]:
    return [event["name"] for event in records(data_dir, "events")]


def test_it_lives_decides_and_ends_cleanly(tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "truth.json"
    with server.start(seed=3, state=state) as twin, host("--board", twin.port_path, "--data-dir", str(data)) as run:
        until(lambda: "pulse_start" in names(data))
        until(lambda: json.loads(state.read_text())["outputs"] != 0)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=20)
        assert run.returncode == 0, err
        assert "Board virtual answers" in out
        until(lambda: json.loads(state.read_text())["outputs"] == 0, seconds=3.0)
    assert names(data)[-1] == "stopped"
    assert [plan["controller"] for plan in records(data, "plans")] == ["rules"]
    for path in (data / "private").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            parse_record(json.dumps(json.loads(line)["record"]))
    closed = {a["id"] for a in records(data, "actions") if a["outcome"]}
    assert closed == {a["id"] for a in records(data, "actions") if a["safety"]["validated"]}, "no action is left open"


def test_a_port_that_vanishes_is_told_and_the_host_lives_on(tmp_path: Path) -> None:
    data, link = tmp_path / "data", tmp_path / "board"
    first = server.start(seed=3, link=link, flash=tmp_path / "flash")
    with host("--board", str(link), "--data-dir", str(data)) as run:
        until(lambda: "link_up" in names(data) and records(data, "sensors_raw"))
        first.close()
        until(lambda: "link_down" in names(data))
        assert run.poll() is None
        with server.start(seed=3, link=link, flash=tmp_path / "flash"):
            until(lambda: names(data).count("link_up") == 2)
            until(lambda: len({o["board"]["boot_id"] for o in records(data, "sensors_raw")}) == 2)
            os.kill(run.pid, signal.SIGTERM)
            _, err = run.communicate(timeout=20)
    assert run.returncode == 0, err
    assert "Traceback" not in err
