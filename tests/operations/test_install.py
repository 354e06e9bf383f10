"""The unit promises what the plant needs, the committed files are the installed ones, looking writes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.service.operations.install import RULE, RULE_PATH, UNIT_PATH, ServiceOptions, install, unit

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def test_the_committed_files_are_what_the_command_writes() -> None:
    assert (DEPLOY / "tomato-host.service").read_text() == unit(ServiceOptions())
    assert (DEPLOY / "99-tomato.rules").read_text() == RULE


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "WatchdogSec=30",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "SupplementaryGroups=dialout",
        "ExecStopPost=-/usr/local/bin/tomato-host board off --board /dev/tomato",
        "EnvironmentFile=-/etc/tomato-host/environment",
        "ReadWritePaths=/var/lib/tomato-host",
    ],
)
def test_the_unit_promises(line: str) -> None:
    assert line in unit(ServiceOptions()).splitlines()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_reads_the_unit_without_a_complaint(tmp_path: Path) -> None:
    path = tmp_path / "tomato-host.service"
    path.write_text(unit(ServiceOptions(user="root", program=sys.executable, data_dir=str(tmp_path))))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    if "connect" in done.stderr or "bus" in done.stderr.lower():
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()[:100]}")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_udev_line_gives_rights_and_keeps_modem_manager_away() -> None:
    lines = [line for line in RULE.splitlines() if line and not line.startswith("#")]
    assert len(lines) == 4
    for line in lines:
        assert 'GROUP="dialout"' in line
        assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in line
        assert "0666" not in line


@pytest.mark.parametrize(
    "bad",
    [
        {"board": "/dev/x y"},
        {"board": "sim"},
        {"user": "a;b"},
        {"data_dir": "/x\nExecStart=/bin/evil"},
        {"config": "/a%b"},
        {"program": "/x'y"},
    ],
)
def test_words_that_systemd_would_read_otherwise_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(TomatoError) as caught:
        unit(ServiceOptions(**bad))
    assert caught.value.code == "E-SERVICE-VALUE"


def test_it_writes_below_a_root(tmp_path: Path) -> None:
    written = install(ServiceOptions(config="/etc/tomato.toml"), tmp_path)
    assert written == [tmp_path / UNIT_PATH, tmp_path / RULE_PATH]
    assert "--config /etc/tomato.toml\n" in written[0].read_text()
    assert written[0].stat().st_mode & 0o777 == 0o644
    assert not list(tmp_path.rglob("*.part"))


def test_dry_run_shows_both_and_writes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tomato_host", "install-service", "--dry-run", "--root", str(tmp_path), "--user", "ana"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "User=ana\n" in done.stdout
    assert RULE in done.stdout
    assert list(tmp_path.iterdir()) == []
