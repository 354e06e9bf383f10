"""The disk runs full. The host goes on controlling, says so loudly, and has recorded everything when space returns."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.incidents.running_host import RunningHost, Tent, running_host, until


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own with 4 MB, where this machine lets us mount one."""
    disk = place / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Leave no byte."""
    ballast = disk / "somebody-elses-film"
    with ballast.open("wb", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return ballast


def live_through_it(host: RunningHost, tent: Tent, refuse: Callable[[], object], allow: Callable[[], object]) -> None:
    until(lambda: len(host.samples()) >= 3, "the first readings")
    host.token("admin")
    refuse()
    (reported,) = until(lambda: host.dashboard_events("records_waiting"), "the alarm on the dashboard")
    assert reported["level"] == "ALARM" and "Control goes on" in reported["text"]
    stored = len(host.samples())

    # Control goes on: new readings on the screen, and a command that reaches the relay and is answered.
    count = host.status()["tally"]["observations"]
    until(lambda: host.status()["tally"]["observations"] >= count + 3, "new readings on the dashboard")
    assert host.status()["link"] == "up" and host.process is not None and host.process.poll() is None
    lamp = not tent.on("light")
    code, answer = host.post("/api/switch", output="light", state="ON" if lamp else "OFF", reason="look", seconds=60.0)
    if answer.get("code") == "E-INBOX-UNWRITABLE":
        assert code == 503 and "make room" in answer["next"], "a person's word needs a byte of room, and is told so"
    else:
        until(lambda: tent.on("light") is lamp, "the lamp's switching")
    assert len(host.samples()) == stored, "the disk is really full"

    allow()
    until(lambda: host.dashboard_events("records_stored"), "the all-clear on the dashboard")
    until(lambda: "records_stored" in host.event_names(), "the all-clear in the record")
    host.stop()
    assert len(host.samples()) >= stored + 4
    host.assert_whole()
    names = host.event_names()
    assert names.count("records_waiting") == names.count("records_stored") == 1
    assert "records_not_stored" not in names, "nothing was let go"
    acts = [a["id"] for a in host.records("actions") if a["outcome"] is None]
    assert len(acts) == len(set(acts))


def test_a_full_file_system(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk, running_host(tmp_path, data=disk / "data") as (host, tent):
        live_through_it(host, tent, lambda: fill(disk), (disk / "somebody-elses-film").unlink)


def test_a_quota(tmp_path: Path) -> None:
    """The kernel refuses every byte beyond a limit that is set on the running process, as a quota does."""
    with running_host(tmp_path) as (host, tent):
        assert host.process is not None
        pid, free = host.process.pid, resource.RLIM_INFINITY
        live_through_it(
            host,
            tent,
            lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, free)),
            lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (free, free)),
        )


def test_a_host_killed_meanwhile_gets_its_readings_again_from_the_board(tmp_path: Path) -> None:
    """What was not on the disk was never acknowledged, so the board still has it."""
    with running_host(tmp_path) as (host, _):
        assert host.process is not None
        until(lambda: len(host.samples()) >= 8, "the first readings")
        resource.prlimit(host.process.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        until(lambda: host.dashboard_events("records_waiting"), "the alarm")
        count = host.status()["tally"]["observations"]
        until(lambda: host.status()["tally"]["observations"] >= count + 8, "readings that only memory holds")
        newest = host.get("/api/glance")["observation"]["board"]["seq"]
        host.kill()
        assert max(seq for _, seq in host.samples()) <= newest - 8
        host.start()
        until(lambda: host.samples() and max(seq for _, seq in host.samples()) > newest, "newer readings")
        until(lambda: newest in [seq for _, seq in host.samples()], "the lost ones")
        host.stop()
        host.assert_whole()


def test_a_start_on_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        fill(disk)
        from tests.integration.test_run_bad_input import answer

        reported = answer("--board", "sim", "--data-dir", str(disk / "data"))
        assert reported["code"] == "E-STORAGE-UNWRITABLE" and "No space left" in reported["what"]
        assert set(os.listdir(disk)) <= {"somebody-elses-film", "data"}
