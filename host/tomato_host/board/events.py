"""Events of the link for the deciding loop, in physical units and names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tomato_host.board.protocol import Hello

Level = Literal["INFO", "WARNING", "ALARM"]


@dataclass(frozen=True, slots=True)
class Connected:
    """The board answers with our schema. `new_boot`: its time base is not the one known before."""

    hello: Hello
    new_boot: bool


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The port or the board is gone; the session reconnects by itself."""

    why: str


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A board with another schema answers: no command is possible until it is flashed."""

    text: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One set of readings. `host_ms` is the host's monotonic time at which the board took it."""

    boot_id: int
    seq: int
    t_ms: int
    host_ms: float
    values: dict[str, float | None]
    """By sensor name, in the unit of the sensor table; None: see `why`."""
    why: dict[str, str]
    outputs: int
    """Bit n set: output with wire_id n is on."""
    state: str
    backlog: bool


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """Something that happened on the board."""

    boot_id: int
    seq: int
    t_ms: int
    host_ms: float
    name: str
    a: int
    b: int


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a command. `delivered` in ms or ml. Reasons `no_answer` and `reset` come from the host itself."""

    cmd_id: int
    status: str
    reason: str
    delivered: float
    value: int | None = None
    """For CONFIG: the entry's stored integer."""


@dataclass(frozen=True, slots=True)
class Health:
    """The board's own condition; fields as in the HEALTH message, state and faults by name."""

    t_ms: int
    state: str
    outputs: int
    faults: tuple[str, ...]
    lease_ms: int
    heap_free: int
    tick_worst_us: int
    hour_used: tuple[int, ...]
    day_used: tuple[int, ...]
    rx_bad: int
    tx_dropped: int
    retained: int
    lost: int
    writes_today: int
    weakened: tuple[str, ...] = ()
    """What the board's configuration takes away from its protection, by name of `wire.WEAKENED`."""


@dataclass(frozen=True, slots=True)
class ProtocolFault:
    """Bytes that were no message, or a malformed message; the link goes on."""

    text: str


LinkEvent = Connected | Disconnected | Mismatch | Sample | BoardEvent | Result | Health | ProtocolFault
