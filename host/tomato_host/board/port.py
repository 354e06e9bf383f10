"""The serial shell: opens a board by path or URL and moves bytes without ever blocking the deciding loop."""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path

import serial

from tomato_host.errors import TomatoError

BAUD = 115_200
BY_ID = Path("/dev/serial/by-id")
READ_MAX = 4_096
LOOK_EVERY_S = 0.02
OUT_MAX = 16_384
"""Bytes queued for a board that does not take them; beyond that the line counts as lost."""


class PortLost(Exception):
    """The line is gone: unplugged, closed by the other side, or full for good. Reopen it."""


def _error(url: str, reason: OSError) -> TomatoError:
    """The person's version of why a port did not open."""
    number = reason.errno
    text = str(reason).lower()
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text or "busy" in text:
        return TomatoError(
            "E-PORT-BUSY",
            f"{url} is in use by another program.",
            "Close the other program (another tomato-host, mpremote, a serial monitor).",
        )
    if number in (errno.EACCES, errno.EPERM) or "permission" in text or "access is denied" in text:
        return TomatoError(
            "E-PORT-PERMISSION",
            f"You may not open {url}.",
            "Add yourself to its group (`sudo usermod -aG dialout $USER`) and log in again.",
        )
    if "://" in url and ("refused" in text or "could not open port" in text):
        return TomatoError(
            "E-PORT-MISSING",
            f"Nobody answers at {url}.",
            "Check host and port, and whether the program there that holds the board runs.",
        )
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV) or "could not open port" in text:
        return TomatoError(
            "E-PORT-MISSING",
            f"There is no port {url}.",
            "Plug the board in and look at `tomato-host board info` for the ports there are.",
        )
    return TomatoError("E-PORT-FAILED", f"{url} did not open: {reason}.", "Check the cable and the address.")


class SerialPort:
    """One open line. Reads return what is there; writes queue what the line does not take yet."""

    def __init__(self, url: str, device: serial.SerialBase) -> None:
        self.url = url
        self._device = device
        self._out = bytearray()
        self.bytes_written = 0

    @classmethod
    def open(cls, url: str) -> SerialPort:
        """Open `/dev/...`, `COM3`, `socket://host:port`, `rfc2217://host:port` or a pseudo-terminal path.

        Raises TomatoError: E-PORT-BUSY, -PERMISSION, -MISSING, -FAILED, -ADDRESS.
        """
        try:
            device = serial.serial_for_url(url, baudrate=BAUD, timeout=0, write_timeout=0, do_not_open=True)
            if "://" not in url:
                device.exclusive = True
            # Some boards reset when these lines move; leave them as they are.
            device.dtr = True
            device.rts = False
            device.open()
        except ValueError as error:
            raise TomatoError(
                "E-PORT-ADDRESS",
                f"{url} is no port address: {error}.",
                "Give a path, socket://host:port or rfc2217://host:port.",
            ) from None
        except OSError as error:  # serial.SerialException is one
            raise _error(url, error) from None
        return cls(url, device)

    def fileno(self) -> int:
        """The descriptor to select on; -1 where the kind of port has none."""
        try:
            return int(self._device.fileno())
        except (AttributeError, OSError, NotImplementedError):
            return -1

    def read(self) -> bytes:
        """What has arrived, perhaps nothing. Raises PortLost."""
        try:
            fd = self.fileno()
            if fd < 0:
                return bytes(self._device.read(self._device.in_waiting))
            data = os.read(fd, READ_MAX) if select.select([fd], [], [], 0)[0] else None
        except BlockingIOError:
            return b""
        except (OSError, ValueError, TypeError) as error:
            raise PortLost(f"{self.url}: {error}") from None
        if data == b"":
            raise PortLost(f"{self.url}: closed by the other side")
        return data or b""

    def write(self, data: bytes) -> None:
        """Send, or queue what does not fit now. Raises PortLost, also when the other side has stopped taking bytes."""
        self._out += data
        self.flush()
        if len(self._out) > OUT_MAX:
            raise PortLost(f"{self.url}: the board takes no bytes")

    def flush(self) -> None:
        """Send what is queued as far as the line takes it."""
        try:
            while self._out:
                sent = self._write_some()
                if not sent:
                    return
                del self._out[:sent]
                self.bytes_written += sent
        except (OSError, ValueError, TypeError) as error:
            raise PortLost(f"{self.url}: {error}") from None

    def _write_some(self) -> int:
        fd = self.fileno()
        if fd < 0:
            return int(self._device.write(bytes(self._out)) or 0)
        try:
            return os.write(fd, self._out)
        except BlockingIOError:
            return 0

    def wait(self, timeout_s: float) -> bool:
        """Until bytes are there, `timeout_s` seconds at most. True when there are."""
        fd = self.fileno()
        try:
            if fd < 0:
                return self._look_until(time.monotonic() + timeout_s)
            return bool(select.select([fd], [], [], max(0.0, timeout_s))[0])
        except (OSError, ValueError) as error:
            raise PortLost(f"{self.url}: {error}") from None

    def _look_until(self, deadline_s: float) -> bool:
        """The wait of a port that cannot be selected on (rfc2217)."""
        while not self._device.in_waiting:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(left_s, LOOK_EVERY_S))
        return True

    def close(self) -> None:
        """Let go of the line; closing twice is fine."""
        try:
            self._device.close()
        except (OSError, ValueError, TypeError):  # it was gone already
            pass


def list_ports() -> list[str]:
    """Serial ports that may be a board, the stable names under /dev/serial/by-id first."""
    from serial.tools import list_ports as pyserial_ports

    stable = sorted(str(p) for p in BY_ID.glob("*")) if BY_ID.is_dir() else []
    real = {os.path.realpath(p) for p in stable}
    usb = [p.device for p in pyserial_ports.comports() if p.vid is not None and os.path.realpath(p.device) not in real]
    return stable + sorted(usb)
