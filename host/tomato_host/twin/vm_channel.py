"""The twin's end of the side channel to the VM: fixed records up, fixed answers down.

The other end is `twin/vm/vm_channel.py`; a test holds the two tables together. Two pipes carry it: they cost half of
what a socket pair does, and host and VM take turns on them some ten thousand times a simulated day.
"""

from __future__ import annotations

import os
import select
import struct
from dataclasses import dataclass

RECORD = struct.Struct("<BBHIqq")
ANSWER = struct.Struct("<BBHIqqq16i")
"""Flags, new flow pulses, link bytes ready, levels, now_ms, alone_until_ms, values_ms, the block of values."""

WAIT, PIN, NEED_VALUES, RESET, WATCHDOG, HEAP, PROMPT = 1, 2, 3, 4, 5, 6, 7
GO_INPUTS = 0x02
GO_HEAP = 0x04
SENT_UNKNOWN = 0xFFFF_FFFF
"""A board that waits in `select` does not count what it has sent."""
NO_VALUES = (-1,) + (0,) * 16
"""The end of an answer without values: a moment that never comes."""
READ_BYTES = 4_096

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


@dataclass(frozen=True, slots=True)
class VmEnds:
    """The VM's ends of both pipes: descriptors it reads from and writes to."""

    reads: int
    writes: int

    def close(self) -> None:
        """Close them in this process, once the VM has its own."""
        os.close(self.reads)
        os.close(self.writes)


class VmChannel:
    """Reads and writes records; `vm_ends` is what the VM gets."""

    def __init__(self, hang_s: float) -> None:
        """A VM that says nothing for `hang_s` wall seconds counts as hung."""
        self._in, vm_out = os.pipe()
        vm_in, self._out = os.pipe()
        self.vm_ends = VmEnds(vm_in, vm_out)
        self._hang_ms = round(hang_s * 1_000.0)
        self._arrivals = select.poll()
        self._arrivals.register(self._in, select.POLLIN)
        self._buffer = b""
        self._place = 0

    def receive(self) -> tuple[int, int, int, int, int, int]:
        """The next record as (kind, a, b, c, t_ms, passed_ms). Raises VmGone or VmHangs."""
        place = self._place
        while len(self._buffer) < place + RECORD.size:
            self._fill(place)
            place = 0
        self._place = place + RECORD.size
        kind, a, b, c, t_ms, passed_ms = RECORD.unpack_from(self._buffer, place)
        return kind, a, b, c, t_ms, passed_ms

    def _fill(self, place: int) -> None:
        """Wait for more bytes; those before `place` are done with."""
        if not self._arrivals.poll(self._hang_ms):
            raise VmHangs
        data = os.read(self._in, READ_BYTES)
        if not data:
            raise VmGone
        self._buffer = self._buffer[place:] + data
        self._place = 0

    def answer(
        self, flags: int, pulses: int, ready: int, levels: int, now_ms: int, alone_until_ms: int, *values: int
    ) -> None:
        """Answer a WAIT or NEED_VALUES. `values`: the moment for which they hold, and the block; or NO_VALUES."""
        self._send(ANSWER.pack(flags, pulses, ready, levels, now_ms, alone_until_ms, *values))

    def _send(self, data: bytes) -> None:
        try:
            os.write(self._out, data)
        except BrokenPipeError:
            raise VmGone from None

    def close(self) -> None:
        """Close this end; the VM ends when it notices."""
        os.close(self._in)
        os.close(self._out)
