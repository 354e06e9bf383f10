"""Outputs frozen when the daemon dies: here they go off, whether it is dead or only hangs, and the screen says so."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from shared_schemas.devices import LIMITS
from tests.incidents.running_host import running_host, until


def test_a_daemon_that_hangs_holds_nothing(tmp_path: Path) -> None:
    """SIGSTOP: the process is there, its connections too, but it decides nothing. (Dead ones: test_kill_9.py.)"""
    with running_host(tmp_path) as (host, tent):
        assert host.process is not None
        until(lambda: host.status()["tally"]["episodes"], "the first decision")
        code, _ = host.post("/api/switch", output="circulation_fan", state="ON", seconds=3_600.0, reason="air")
        assert code == 200
        until(lambda: tent.on("circulation_fan"), "the fan's start")
        os.kill(host.process.pid, signal.SIGSTOP)
        stopped_ms, stopped_s = tent()["now_ms"], time.monotonic()
        try:
            until(lambda: not tent()["outputs"], "all off")
            assert tent()["now_ms"] - stopped_ms <= LIMITS["lease_ms"] + 2_500
            until(lambda: not host.alive(), "the dashboard's word that the host hangs")
            assert time.monotonic() - stopped_s < 20.0
            assert host.get("/api/glance")["feed"]["connected"] is False
            assert "tomato_feed_up 0.0" in host.get("/metrics")
        finally:
            os.kill(host.process.pid, signal.SIGCONT)
        until(host.alive, "the way back")
        until(lambda: host.status()["link"] == "up", "the link")
        host.stop()
        host.assert_whole()
        assert not tent()["broken"]
