"""The free-running twin: a process of its own that outlives its hosts, resets by signal, and keeps its flash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.twin import server
from tomato_host.twin.server import TwinHandle

from tests.hil.wire_host import real_time_host

SCALE = 20.0


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[TwinHandle]:
    handle = server.start(
        seed=2, time_scale=SCALE, state=tmp_path / "state.json", flash=tmp_path / "board", link=tmp_path / "board0"
    )
    yield handle
    handle.close()


def eventually(true: Callable[[], bool], seconds: float = 8.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return False


def reported(path: Path) -> dict[str, object]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def test_it_answers_on_its_link_and_ends_on_request(twin: TwinHandle, tmp_path: Path) -> None:
    assert (tmp_path / "board0").resolve() == Path(twin.port_path)
    host = real_time_host(str(tmp_path / "board0"))
    assert host.greet()["board"] == "virtual"
    host.await_message("SAMPLE")
    host.close()
    twin.close()
    assert not twin.alive()
    assert not (tmp_path / "board0").is_symlink()


def test_it_serves_one_host_after_the_other(twin: TwinHandle) -> None:
    for session in (1, 2, 3):
        host = real_time_host(twin.port_path, session)
        assert host.greet()["boot_id"] == 1, "no host's coming or going resets the board"
        host.await_message("SAMPLE")
        host.close()


def test_a_reset_keeps_the_flash(twin: TwinHandle, tmp_path: Path) -> None:
    assert eventually(lambda: reported(tmp_path / "state.json").get("boots") == 1)
    os.kill(twin.pid, signal.SIGUSR1)
    assert eventually(lambda: reported(tmp_path / "state.json").get("boots") == 2)
    host = real_time_host(twin.port_path)
    assert host.greet()["boot_id"] == 2
    host.close()


def test_time_runs_at_its_scale(twin: TwinHandle, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    assert eventually(lambda: bool(reported(path)))
    first, begun = int(str(reported(path)["now_ms"])), time.monotonic()
    time.sleep(1.5)
    passed = int(str(reported(path)["now_ms"])) - first
    assert passed == pytest.approx((time.monotonic() - begun) * 1_000 * SCALE, rel=0.2)


def test_it_outlives_the_process_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import sys; from pathlib import Path; from tomato_host.twin import server; "
        "h = server.start(seed=1, time_scale=20.0, state=Path(sys.argv[1])); print(h.pid, flush=True); "
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    )
    state = tmp_path / "state.json"
    run = subprocess.run([sys.executable, "-c", starter, str(state)], capture_output=True, timeout=60, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()
    pid = int(run.stdout)
    try:
        assert eventually(lambda: bool(reported(state)))
        before = reported(state)["now_ms"]
        assert eventually(lambda: reported(state)["now_ms"] != before), "it went on after its starter was killed"
    finally:
        os.kill(pid, signal.SIGTERM)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in _state(pid))


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


def test_bad_options_are_one_line_and_code_2() -> None:
    for bad in (["--scenario", "hailstorm"], ["--time-scale", "0"], ["--weather", "/nowhere.csv"]):
        run = subprocess.run(
            [sys.executable, "-m", "tomato_host.twin.serve", *bad], capture_output=True, timeout=60, check=False
        )
        assert run.returncode == 2
        assert len(run.stderr.decode().strip().splitlines()) == 1 and "Traceback" not in run.stderr.decode()


def test_a_twin_that_cannot_start_says_why() -> None:
    with pytest.raises(TomatoError) as caught:
        server.start(scenario="hailstorm")
    assert caught.value.code == "E-TWIN-SCENARIO" and "hailstorm" in caught.value.message
    with pytest.raises(TomatoError) as caught:
        server.start(time_scale=-1.0)
    assert caught.value.code == "E-TWIN-NOT-STARTED" and "time-scale" in caught.value.message


def test_a_forgotten_twin_ends_by_itself() -> None:
    with server.start(time_scale=SCALE, linger_s=1.0) as twin:
        host = real_time_host(twin.port_path)
        host.greet()
        assert twin.alive()
        host.close()
        assert eventually(lambda: not twin.alive())
