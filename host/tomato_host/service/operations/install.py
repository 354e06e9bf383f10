"""The systemd unit and the udev rules: their texts, and how they are installed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tomato_host.atomic_file import make_directory, replace_file
from tomato_host.errors import TomatoError

UNIT_PATH = Path("etc/systemd/system/tomato-host.service")
RULE_PATH = Path("etc/udev/rules.d/99-tomato.rules")

UNIT = """\
# The brain as a service. Made by `tomato-host install-service`; own changes belong in `systemctl edit tomato-host`.
[Unit]
Description=Embodied tomato: brain of the plant
After=network-online.target time-sync.target
Wants=network-online.target
# A plant cannot wait for an operator: restart without limit.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
SupplementaryGroups=dialout
ExecStart={program} run --board {board} --data-dir {data_dir}{config}
# However the host ended - also when it was killed - everything it asked for is switched off.
ExecStopPost=-{program} board off --board {board}
Restart=always
RestartSec=5
# The deciding loop notifies systemd every 2.4 s; one that hangs is killed and restarted.
WatchdogSec=30
WatchdogSignal=SIGKILL
TimeoutStartSec=90
TimeoutStopSec=20
KillSignal=SIGTERM
# Addresses of notification services and other secrets: KEY=value lines, readable by root only.
EnvironmentFile=-/etc/tomato-host/environment
# A leak of memory ends in a restart, not in a dead computer.
MemoryMax=1G
# What it writes is its own alone; beside the data directory it can write nothing.
UMask=0077
ProtectSystem=strict
ReadWritePaths={data_dir}
ProtectHome=read-only
PrivateTmp=yes
PrivateMounts=yes
RemoveIPC=yes
# It needs a serial line, perhaps a camera, sockets, and nothing else of the machine. Any character device that its
# groups may open: the name of a driver is looked up when the service starts, perhaps before the board is plugged in.
DevicePolicy=closed
DeviceAllow=char-* rw
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
# A call that is not allowed fails like one without rights; it does not kill the brain of a plant.
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

RULE = """\
# A board gets the stable name /dev/tomato, and group dialout may open it. ModemManager must not talk to it.
# Raspberry Pi Pico and Pico 2 with MicroPython.
SUBSYSTEM=="tty", ATTRS{idVendor}=="2e8a", ATTRS{idProduct}=="0005", SYMLINK+="tomato", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
# ESP32 family with its own USB.
SUBSYSTEM=="tty", ATTRS{idVendor}=="303a", SYMLINK+="tomato", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
# Common USB-serial bridges on ESP32 boards (CP210x, CH340, CH9102): no fixed name, they are on other gear, too.
SUBSYSTEM=="tty", ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="ea60", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
SUBSYSTEM=="tty", ATTRS{idVendor}=="1a86", GROUP="dialout", MODE="0660", ENV{ID_MM_DEVICE_IGNORE}="1"
"""  # noqa: E501 - udev knows no continuation that all its versions read alike


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The options of the service."""

    user: str = "tomato"
    program: str = "/usr/local/bin/tomato-host"
    board: str = "/dev/tomato"
    data_dir: str = "/var/lib/tomato-host"
    config: str = ""


def unit(choice: ServiceOptions) -> str:
    """The systemd unit. Raises TomatoError E-SERVICE-VALUE for values that systemd would interpret."""
    for name in ("user", "program", "board", "data_dir", "config"):
        value = getattr(choice, name)
        if any(c in value for c in " \t\n\"'\\%$;"):
            raise TomatoError(
                "E-SERVICE-VALUE", f"{name} {value!r} has a blank, quote, % or $ in it.", "choose a plain path or name"
            )
    if choice.board == "sim":
        raise TomatoError(
            "E-SERVICE-VALUE",
            "A service for the virtual board would water nothing.",
            "give the board's port, e.g. --board /dev/tomato",
        )
    config = f" --config {choice.config}" if choice.config else ""
    return UNIT.format(
        user=choice.user, program=choice.program, board=choice.board, data_dir=choice.data_dir, config=config
    )


def install(choice: ServiceOptions, root: Path = Path("/")) -> list[Path]:
    """Write both files below `root`, each in one step; with the real root also reload systemd and udev.

    Raises TomatoError E-SERVICE-VALUE, E-SERVICE-RIGHTS, E-SERVICE-SYSTEM.
    """
    files = {UNIT_PATH: unit(choice), RULE_PATH: RULE}
    written = []
    try:
        for path, text in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, text.encode(), mode=0o644)
            written.append(target)
        if root == Path("/"):
            _prepare(choice)
    except PermissionError as error:
        raise TomatoError(
            "E-SERVICE-RIGHTS", f"{error.filename} cannot be written.", "run it with sudo, or look first with --dry-run"
        ) from None
    return written


def _prepare(choice: ServiceOptions) -> None:
    """Create the data directory for its user, and reload systemd and udev."""
    data_dir = Path(choice.data_dir)
    make_directory(data_dir)
    try:
        shutil.chown(data_dir, choice.user)
    except LookupError:
        raise TomatoError(
            "E-SERVICE-SYSTEM",
            f"There is no user {choice.user!r}.",
            f"sudo useradd --system --groups dialout {choice.user}, then again",
        ) from None
    for command in (("systemctl", "daemon-reload"), ("udevadm", "control", "--reload"), ("udevadm", "trigger")):
        if shutil.which(command[0]) is None:
            raise TomatoError(
                "E-SERVICE-SYSTEM",
                f"{command[0]} is not on this machine.",
                "the files are written; a machine without systemd needs another way to start the host",
            )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise TomatoError(
                "E-SERVICE-SYSTEM",
                f"{' '.join(command)}: {done.stderr.strip()[:200]}",
                "the files are written; run that command yourself",
            )
