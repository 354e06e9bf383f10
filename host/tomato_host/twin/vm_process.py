"""One power cycle of the virtual board's processor: a MicroPython VM with its link and its side channel."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tomato_host.twin.firmware_files import VM_DIR, micropython
from tomato_host.twin.vm.ports import DEFAULT
from tomato_host.twin.vm_channel import VmChannel

POWER_ON = 1
WATCHDOG_BITE = 3
BROWN_OUT = 1
"""RP2 reports a brown-out as a power-on."""
HANG_S = 20.0
"""Wall seconds without a sign of life after which the watchdog is taken to have reset the board."""


@dataclass(frozen=True, slots=True)
class VmSettings:
    """How to start the processor."""

    firmware: Path
    flash: Path
    """Working directory of the board: what it writes stays here over resets."""
    heap: str = "480K"
    """A Pico has ~241 KB free; the same work takes 1.8 times as much on a 64-bit VM."""
    wait_cap_ms: int = 0
    """50 lets no safety tick be skipped; 0 lets the board sleep to its next due moment."""
    unique_id: str = "746f6d61746f0001"
    flow_gpio: int = -1
    port: str = DEFAULT
    """The port and version of MicroPython whose `machine` the stand-ins are as strict as; vm/ports.py has the table."""
    platform: str = ""
    """`sys.platform` as the firmware sees it; "" = the virtual board."""
    ticks_from: int = 0
    """What the millisecond counter holds at power-on."""

    @property
    def retained(self) -> Path:
        """The register that outlives a reset; whoever cuts the power removes it."""
        return self.flash.parent / "retained"


class VmProcess:
    """The running processor. `link` carries the serial bytes, `channel` everything else."""

    def __init__(self, settings: VmSettings, reset_cause: int) -> None:
        self.channel = VmChannel(HANG_S)
        ends = self.channel.vm_ends
        link, board_link = socket.socketpair()
        board_link.setblocking(False)
        environment = {
            "MICROPYPATH": f"{VM_DIR}:{settings.firmware}:.frozen",
            "TOMATO_CHANNEL_FDS": f"{ends.reads} {ends.writes}",
            "TOMATO_RESET_CAUSE": str(reset_cause),
            "TOMATO_UNIQUE_ID": settings.unique_id,
            "TOMATO_FLOW_GPIO": str(settings.flow_gpio),
            "TOMATO_WAIT_CAP_MS": str(settings.wait_cap_ms),
            "TOMATO_PORT_PROFILE": settings.port,
            "TOMATO_PLATFORM": settings.platform,
            "TOMATO_TICKS_FROM": str(settings.ticks_from),
            "TOMATO_PROVISION": "1" if settings.platform else "",
            "TOMATO_RETAINED": str(settings.retained),
            "HOME": str(settings.flash),
            "PATH": os.environ.get("PATH", ""),
        }
        settings.flash.mkdir(parents=True, exist_ok=True)
        with (settings.flash.parent / "board.stderr").open("ab") as stderr:
            self._process = subprocess.Popen(
                [micropython(), "-X", f"heapsize={settings.heap}", str(VM_DIR / "start.py")],
                stdin=board_link.fileno(),
                stdout=board_link.fileno(),
                stderr=stderr,
                cwd=settings.flash,
                env=environment,
                pass_fds=[ends.reads, ends.writes],
                start_new_session=True,
            )
        ends.close()
        board_link.close()
        link.setblocking(False)
        self.link = link

    @property
    def pid(self) -> int:
        """Process id of the VM."""
        return self._process.pid

    def read_link(self, count: int | None = None) -> bytes:
        """Bytes the board has written: all that are there, or exactly `count`."""
        if count == 0:
            return b""
        data = b""
        while True:
            try:
                chunk = self.link.recv(65_536)
            except BlockingIOError:
                return data
            except OSError:
                return data
            data += chunk
            if not chunk or (count is not None and len(data) >= count):
                return data

    def cut_power(self) -> None:
        """End at once, as a board without power does; what it had not yet written is lost."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.link.close()
        self.channel.close()
