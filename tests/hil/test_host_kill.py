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
        host = subprocess.Popen([sys.executable, "-m", "tests.hil.doomed_host", twin.port_path, "1"], cwd=ROOT,
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
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
