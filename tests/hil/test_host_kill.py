"""SIGKILL of the host in the middle of a pump pulse: nothing unsafe follows, and a new host is served."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tomato_host.twin import server

from shared_schemas.devices import LIMITS, OUTPUT_BY_NAME
from tests.hil.doomed_host import PUMP_ML
from tests.hil.wire_host import real_time_host

ROOT = Path(__file__).resolve().parents[2]
SCALE = 10.0
LIGHT = 1 << OUTPUT_BY_NAME["light"].wire_id
PUMP = 1 << OUTPUT_BY_NAME["water_pump"].wire_id


def truth(path: Path) -> dict[str, Any]:
    for _ in range(200):
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError):
            time.sleep(0.01)
    raise AssertionError("the twin tells nothing")


def until(path: Path, wanted: Any, seconds: float = 30.0) -> dict[str, Any]:
    """The truth when `wanted(truth)` first holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = truth(path)
        if wanted(now):
            return now
        time.sleep(0.01)
    raise AssertionError(f"never happened; the truth is {truth(path)}")


def test_sigkill_during_a_pump_pulse(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "host")))}
    with server.start(seed=1, time_scale=SCALE, state=state, flash=tmp_path / "board") as twin:
        host = subprocess.Popen(
            [sys.executable, "-m", "tests.hil.doomed_host", twin.port_path, "1"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert host.stdout is not None
        assert host.stdout.readline() == b"pumping\n"
        until(state, lambda t: t["outputs"] & PUMP and t["outputs"] & LIGHT)
        os.kill(host.pid, signal.SIGKILL)
        assert host.wait() == -signal.SIGKILL
        host.stdout.close()
        killed_ms = truth(state)["now_ms"]

        dark = until(state, lambda t: not t["outputs"] & LIGHT)
        assert dark["now_ms"] - killed_ms <= LIMITS["lease_ms"] + 2_500, "lease end, and the pace of the telling"
        still = until(state, lambda t: not t["outputs"] & PUMP)
        assert still["pump_longest_ms"] <= OUTPUT_BY_NAME["water_pump"].max_on_ms
        assert PUMP_ML * 0.9 <= still["pumped_ml"] <= PUMP_ML * 1.1, "the pulse reached its own end and no further"
        assert still["broken"] == []

        again = real_time_host(twin.port_path, session=2)
        assert again.greet()["boot_id"] == 1, "the board never restarted because its host was gone"
        before = len(again.of("SAMPLE"))
        again.await_message("SAMPLE")
        assert len(again.of("SAMPLE")) > before
        ended = [f for _, f in again.of("EVENT") if f["event"] == 3 and f["a"] == OUTPUT_BY_NAME["water_pump"].wire_id]
        again.listen()
        assert ended or again.await_message("EVENT", event=3), "the pulse's end was kept for the new host"
        again.close()


def sampled(data: Path) -> list[dict[str, Any]]:
    """Observations in a dataset so far, whole lines only."""
    found: list[dict[str, Any]] = []
    for path in sorted(data.glob("private/sensors_raw_*.jsonl")):
        found += [json.loads(line)["record"] for line in path.read_text().splitlines() if line.endswith("}")]
    return found


def wait_for_samples(data: Path, count: int, seconds: float) -> list[dict[str, Any]]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = sampled(data)
        if len(found) >= count:
            return found
        time.sleep(0.5)
    raise AssertionError(f"only {len(sampled(data))} samples")


@pytest.mark.soak
def test_the_whole_host_is_killed_and_started_again(tmp_path: Path) -> None:
    """`tomato-host run` on a free-running twin, SIGKILL, start again: the same dataset goes on, nothing is lost."""
    data = tmp_path / "data"
    begin = "from tomato_host.cli.main import main; main()"
    command = [sys.executable, "-c", begin, "run", "--data-dir", str(data), "--json", "--board"]
    with server.start(seed=1, state=tmp_path / "state.json", flash=tmp_path / "board") as twin:
        first = subprocess.Popen([*command, twin.port_path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = wait_for_samples(data, 3, 60.0)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        until(tmp_path / "state.json", lambda t: not t["outputs"], 20.0)
        time.sleep(15.0)  # a sample is taken while nobody listens
        second = subprocess.Popen([*command, twin.port_path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        after = wait_for_samples(data, len(before) + 4, 90.0)
        second.send_signal(signal.SIGTERM)
        _, errors = second.communicate(timeout=30)
        assert second.returncode == 0, errors.decode()
        seqs = sorted(o["board"]["seq"] for o in after)
        assert {o["board"]["boot_id"] for o in after} == {1}, "the board never restarted"
        assert seqs == list(range(seqs[0], seqs[-1] + 1)), "what was measured meanwhile came out of the board's store"
        assert truth(tmp_path / "state.json")["broken"] == []
