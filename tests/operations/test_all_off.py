"""`tomato-host board off` on the real firmware: a running pulse of another host ends, and silence is no success."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.board.all_off import switch_all_off
from tomato_host.errors import TomatoError
from tomato_host.twin import server
from tomato_host.twin.server import TwinHandle

from shared_schemas.devices import OUTPUT_BY_NAME
from tests.hil.wire_host import real_time_host

FAN = OUTPUT_BY_NAME["circulation_fan"].wire_id


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinHandle]:
    handle = server.start(seed=2, state=tmp_path / "state.json", link=tmp_path / "board0")
    yield handle
    handle.close()


def test_what_a_dead_host_left_on_goes_off(twin: TwinHandle) -> None:
    host = real_time_host(twin.port_path)
    host.greet()
    for _ in range(50):  # a board that has just started looks at its sensors before it takes orders
        host.send("LEASE", lease_ms=5_000)
        host.pulse(FAN, 60_000)
        if host.await_message("RESULT").fields["status"] == 0:
            break
        time.sleep(0.2)
    host.send("HEALTH")
    assert host.await_message("HEALTH").fields["outputs"] >> FAN & 1, "the fan runs"
    host.port.close()
    done = subprocess.run(
        [sys.executable, "-m", "tomato_host", "board", "off", "--board", twin.port_path, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["still_on"] == []


def test_nobody_there_is_told_as_such() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    with pytest.raises(TomatoError) as caught:
        switch_all_off(os.ttyname(slave), timeout_s=0.5)
    os.close(master)
    os.close(slave)
    assert caught.value.code == "E-BOARD-SILENT"
