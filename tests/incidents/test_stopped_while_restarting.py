"""A stop that comes while the host ends to start anew is a stop. The new process knew nothing of it and ran on."""

from __future__ import annotations

import signal
from pathlib import Path

from tomato_host.commands.inbox import new_request, submit, wait_reply

from tests.incidents.running_host import running_host, until


def test_a_stop_during_a_restart_stops(tmp_path: Path) -> None:
    with running_host(tmp_path) as (host, _):
        until(lambda: host.status()["link"] == "up", "the link")
        assert host.process is not None
        request = new_request("restart", "test")
        submit(host.data, request)
        assert wait_reply(host.data, request, 10.0).ok
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(20) == 0, host.log_path.read_text()
        assert not host.alive()
