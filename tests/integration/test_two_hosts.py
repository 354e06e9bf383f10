"""Somebody starts it twice: on the same data it is refused, beside it only the dashboard's port is not its own."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tomato_host.twin import server

from tests.incidents.running_host import RunningHost, running_host, until
from tests.integration.test_run_bad_input import answer


def test_a_second_host(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, _):
        reported = answer("--board", "sim", "--data-dir", str(host.data), "--config", str(host.config))
        assert reported["code"] == "E-STORAGE-BUSY" and "--data-dir" in reported["next"]

        place = tmp_path / "second"
        place.mkdir()
        with server.start(seed=4, flash=place / "flash") as twin:
            second = RunningHost(place, twin.port_path)
            second.config.write_text(host.config.read_text())
            second.port = host.port
            try:
                second.start()
                until(lambda: "dashboard_port_taken" in second.event_names(), "the word about the port")
                until(lambda: second.records("sensors_raw"), "its own readings")
                second.stop()
                said = second.log_path.read_text()
                assert "Errno" not in said and "Traceback" not in said
                assert "[service] port" in said
                assert second.event_names().count("dashboard_port_taken") == 1
            finally:
                second.end()
        assert host.status()["link"] == "up", "the first one does not notice"


@pytest.mark.parametrize("after_s", [0.3, 3.0])
def test_ctrl_c_reaches_the_host_alone(tmp_path: Path, after_s: float) -> None:
    """A terminal's Ctrl-C goes to every process of the group: only the host heeds it, and ends the others in order."""
    import os
    import time

    with server.start(seed=4, flash=tmp_path / "flash") as twin:
        host = RunningHost(tmp_path, twin.port_path)
        try:
            host.start(process_group=0)
            assert host.process is not None
            time.sleep(after_s)
            os.killpg(host.process.pid, signal.SIGINT)
            assert host.process.wait(20) == 0
            said = host.log_path.read_text()
            assert "Traceback" not in said and "KeyboardInterrupt" not in said
            assert "Dashboard: http://127.0.0.1:" in said
            lines = [line for line in said.splitlines() if line[2:3] == ":"]
            assert [line[:8] for line in lines] == sorted(line[:8] for line in lines), "told in the order it happened"
            assert not host.alive()
        finally:
            host.end()


def test_a_network_address_where_nobody_is() -> None:
    reported = answer("--board", "socket://127.0.0.1:9")
    assert reported["code"] == "E-PORT-MISSING" and "host and port" in reported["next"]


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    """`tomato-host run | head -1` ends by itself, safely and without a word."""
    import subprocess
    import sys

    run = subprocess.Popen(
        [sys.executable, "-m", "tomato_host", "run", "--board", "sim", "--data-dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout is not None and run.stderr is not None
    try:
        run.stdout.readline()
        run.stdout.close()
        assert run.wait(60) in (0, 1)
        assert b"Traceback" not in run.stderr.read()
        (events,) = (tmp_path / "private").glob("events_*.jsonl")
        assert '"name":"stopped"' in events.read_text().splitlines()[-1]
    finally:
        run.kill()
        run.wait(10)
