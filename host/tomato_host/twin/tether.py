"""The twin's end of the side channel to the VM: 16-byte records, and the block of physical values.

The other end is `twin/vm/tether.py`; a test holds the two tables together.
"""

from __future__ import annotations

import socket
import struct

RECORD = struct.Struct("<BBHIq")
VALUES = struct.Struct("<16i")

WAIT, PIN, NEED_VALUES, RESET, WATCHDOG, HEAP, PROMPT = 1, 2, 3, 4, 5, 6, 7
GO_INPUTS = 0x02
GO_HEAP = 0x04
SENT_UNKNOWN = 0xFFFF_FFFF
"""A board that waits in `select` does not count what it has sent."""

VALUE_NAMES = (
    "air_mc",
    "rh_mpct",
    "co2_dppm",
    "leaf_mc",
    "case_mc",
    "lux_d",
    "soil_mc",
    "adc_26",
    "adc_27",
    "adc_28",
    "adc_29",
    "scd_mc",
    "scd_mpct",
    "spare_13",
    "spare_14",
    "absent",
)
"""Places in the block: m = 1/1000, d = 1/10; `absent` has a bit per chip, and << 8 one for spoilt CRCs."""

ABSENT_BITS = {"sht4x": 1, "scd4x": 2, "mlx90614": 4, "bh1750": 8, "ds18b20": 16}


class VmGone(Exception):
    """The VM closed its end: it crashed or ended."""


class VmHangs(Exception):
    """The VM gave no sign for longer than its watchdog allows."""


class Tether:
    """Reads and writes records on one end of a socket pair."""

    def __init__(self, sock: socket.socket, hang_s: float) -> None:
        self._sock = sock
        self._buffer = b""
        sock.settimeout(hang_s)

    def receive(self) -> tuple[int, int, int, int, int]:
        """The next record as (kind, a, b, c, t_ms). Raises VmGone or VmHangs."""
        buffer = self._buffer
        while len(buffer) < 16:
            try:
                data = self._sock.recv(4096)
            except TimeoutError:
                raise VmHangs from None
            except OSError:
                raise VmGone from None
            if not data:
                raise VmGone
            buffer += data
        self._buffer = buffer[16:]
        kind, a, b, c, t_ms = RECORD.unpack_from(buffer)
        return kind, a, b, c, t_ms

    def go(self, flags: int, pulses: int, ready: int, levels: int, now_ms: int) -> None:
        """Answer a WAIT."""
        self._send(RECORD.pack(flags, pulses, ready, levels, now_ms))

    def values(self, values: tuple[int, ...]) -> None:
        """Answer a NEED_VALUES."""
        self._send(VALUES.pack(*values))

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError:
            raise VmGone from None

    def close(self) -> None:
        """Close this end; the VM ends when it notices."""
        self._sock.close()
