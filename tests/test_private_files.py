"""What the program writes is its owner's alone, whatever the umask: 0o700 for directories, 0o600 for files."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.advisor.memory import MemoryStore
from tomato_host.atomic_file import make_directory, owner_only, replace_file
from tomato_host.cli.checks.data import check_data_dir
from tomato_host.cli.main import main
from tomato_host.commands.inbox import Inbox
from tomato_host.log_file import BoundedFiles, LogSettings, log_to
from tomato_host.models.store import ModelStore
from tomato_host.service.operations.backup import backup, restore
from tomato_host.service.operations.install import ServiceOptions, unit
from tomato_host.storage import Dataset
from tomato_host.storage.public import export_public

from tests.storage.samples import action, event, state

UNIT = Path(__file__).resolve().parents[1] / "deploy" / "tomato-host.service"


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """The worst case: nothing is taken away by the umask."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def too_open(root: Path) -> list[str]:
    """Everything below `root`, and `root` itself, that others may read, write or enter."""
    return [
        f"{path.relative_to(root)} {stat.S_IMODE(path.stat().st_mode):o}"
        for path in (root, *sorted(root.rglob("*")))
        if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)
    ]


def a_dataset(root: Path) -> None:
    with Dataset.open(root, rotate="size", max_bytes=2_000) as dataset:
        for number in range(20):
            dataset.append(event(number))
        dataset.append(state())
        dataset.append(action(1))
    torn = sorted((root / "private").glob("events_*.jsonl"))[-1]
    with torn.open("ab") as file:
        file.write(b'{"n":99,"se')
    with Dataset.open(root, rotate="size") as dataset:
        assert dataset.repairs
    export_public(root)


def a_model_store(root: Path) -> None:
    ModelStore(root / "models").log_change(datetime.now(UTC), "kept", "wm1-0-0", "test")


def a_memory(root: Path) -> None:
    MemoryStore(root / "private" / "agent_memory.sqlite").close()


def an_inbox(root: Path) -> None:
    Inbox(root)


def a_log(root: Path) -> None:
    files = BoundedFiles(root / "tomato.log", 100, 2)
    for _ in range(5):
        files.write(b"x" * 60 + b"\n")
    files.close()


def a_restored_backup(root: Path) -> None:
    source = root.parent / "source"
    a_dataset(source)
    a_memory(source)
    backup(source, root.parent / "b.tar.gz")
    restore(root.parent / "b.tar.gz", root)


def a_simulated_day(root: Path) -> None:
    day = ["simulate", "--time-scale", "0", "--duration-hours", "2", "--output-dir", str(root)]
    with pytest.raises(SystemExit) as ended:
        main(day)
    assert not ended.value.code


WRITERS: list[Callable[[Path], None]] = [
    a_dataset, a_model_store, a_memory, an_inbox, a_log, a_restored_backup, a_simulated_day,
]  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_what_is_written_is_the_owners_alone(write: Callable[[Path], None], tmp_path: Path) -> None:
    root = tmp_path / "deep" / "data"
    if write is a_log:
        make_directory(root)
    write(root)
    assert too_open(root) == [] and stat.S_IMODE(root.parent.stat().st_mode) == 0o700


def test_a_directory_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    """Somebody may share it on purpose; `doctor` says so instead."""
    root = tmp_path / "shared"
    root.mkdir(mode=0o755)
    Dataset.open(root).close()
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    seen = check_data_dir(root)
    assert "others may read it" in seen.text and seen.next_step == f"chmod -R go= {root}"
    subprocess.run(["chmod", "-R", "go=", str(root)], check=True)
    assert check_data_dir(root).level == "ok" and too_open(root) == []


def test_other_libraries_and_child_processes_write_for_the_owner_too(tmp_path: Path) -> None:
    with owner_only():
        subprocess.run(["touch", str(tmp_path / "by_a_child")], check=True)
        (tmp_path / "by_us").write_text("x")
    (tmp_path / "afterwards").write_text("x")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"by_a_child": 0o600, "by_us": 0o600, "afterwards": 0o666}


def test_a_mode_that_is_asked_for_holds(tmp_path: Path) -> None:
    replace_file(tmp_path / "unit", b"x", mode=0o644)
    replace_file(tmp_path / "plain", b"x")
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("unit", "plain")] == [0o644, 0o600]


def test_the_log_file_is_private(tmp_path: Path) -> None:
    with log_to(LogSettings(file=str(tmp_path / "logs" / "tomato.log"))):
        print("hello")
    assert too_open(tmp_path / "logs") == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_the_unit_is_exposed_by_3_at_most() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", str(UNIT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = re.search(r"Overall exposure level for tomato-host.service: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()[:100]}")
    assert float(found[1]) <= 3.0


@pytest.mark.parametrize(
    "line",
    [
        "UMask=0077",
        "DeviceAllow=char-* rw",  # the board may be plugged in after the service has started
        "SupplementaryGroups=dialout",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",  # MQTT, weather, dashboard, systemd's own socket
        "ReadWritePaths=/var/lib/tomato-host",
        "SystemCallErrorNumber=EPERM",  # refused, not killed
        "CapabilityBoundingSet=",
    ],
)
def test_the_unit_still_lets_the_brain_work(line: str) -> None:
    lines = unit(ServiceOptions()).splitlines()
    assert line in lines
    assert not {"PrivateDevices=yes", "PrivateNetwork=yes", "MemoryDenyWriteExecute=yes"} & set(lines)
