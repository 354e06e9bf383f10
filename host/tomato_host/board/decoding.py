"""Decodes message fields into events with names and physical units; tracks which samples have arrived."""

from __future__ import annotations

from typing import Any

from shared_schemas.devices import SENSORS
from shared_schemas.wire import EVENTS, FAULTS, REASONS, STATES, STATUSES, WEAKENED, WHY
from tomato_host.board.events import BoardEvent, Health, Result, Sample


def name_of(table: tuple[str, ...], code: int) -> str:
    """The name of a code; unknown codes of a newer board become `code_N`."""
    return table[code] if 0 <= code < len(table) else f"code_{code}"


def sample(fields: dict[str, Any], boot_id: int, host_ms: float, backlog: bool) -> Sample:
    """A SAMPLE in physical units."""
    wire: list[int | None] = fields["values"]
    values = {s.name: _physical(wire[i], s.scale) if i < len(wire) else None for i, s in enumerate(SENSORS)}
    codes: dict[int, int] = fields.get("why", {})
    why = {SENSORS[i].name: name_of(WHY, code) for i, code in codes.items() if 0 <= i < len(SENSORS)}
    return Sample(
        boot_id,
        fields["seq"],
        fields["t_ms"],
        host_ms,
        values,
        why,
        fields["outputs"],
        name_of(STATES, fields["state"]),
        backlog,
    )


def _physical(value: int | None, scale: int) -> float | None:
    return None if value is None else value / scale


def board_event(fields: dict[str, Any], boot_id: int, host_ms: float) -> BoardEvent:
    """An EVENT with its name."""
    name = name_of(tuple(row[0] for row in EVENTS), fields["event"])
    return BoardEvent(boot_id, fields["seq"], fields["t_ms"], host_ms, name, fields["a"], fields["b"])


def result(fields: dict[str, Any]) -> Result:
    """A RESULT with names."""
    return Result(
        fields["cmd_id"],
        name_of(STATUSES, fields["status"]),
        name_of(REASONS, fields["reason"]),
        float(fields["delivered"]),
        fields.get("config_value"),
    )


def health(fields: dict[str, Any]) -> Health:
    """A HEALTH with names."""
    faults = tuple(f.name for f in FAULTS if fields["faults"] >> f.wire_id & 1)
    return Health(
        t_ms=fields["t_ms"],
        state=name_of(STATES, fields["state"]),
        outputs=fields["outputs"],
        faults=faults,
        lease_ms=fields["lease_ms"],
        heap_free=fields["heap_free"],
        tick_worst_us=fields["tick_worst_us"],
        hour_used=tuple(fields["hour_used"]),
        day_used=tuple(fields["day_used"]),
        rx_bad=fields["rx_bad"],
        tx_dropped=fields["tx_dropped"],
        retained=fields["retained"],
        lost=fields["lost"],
        writes_today=fields["writes_today"],
        weakened=tuple(code.name for bit, code in enumerate(WEAKENED) if fields["weakened"] >> bit & 1),
    )


class SampleTracker:
    """Which samples of one boot have arrived, and up to where the board may discard them."""

    def __init__(self) -> None:
        self.newest = -1
        self.whole_up_to = -1
        """Everything up to here has arrived, or is known to be lost."""
        self._beyond: set[int] = set()

    def add(self, seq: int) -> bool:
        """Add a sample; True when it is new."""
        if seq <= self.whole_up_to or seq in self._beyond:
            return False
        self._beyond.add(seq)
        self.newest = max(self.newest, seq)
        self._advance()
        return True

    def mark_covered(self, up_to: int) -> None:
        """The board has sent all it still has up to here."""
        self.whole_up_to = max(self.whole_up_to, up_to)
        self._beyond = {seq for seq in self._beyond if seq > self.whole_up_to}
        self._advance()

    @property
    def gap(self) -> bool:
        """Whether something before the newest sample is not accounted for."""
        return self.newest > self.whole_up_to

    def _advance(self) -> None:
        while self.whole_up_to + 1 in self._beyond:
            self.whole_up_to += 1
            self._beyond.discard(self.whole_up_to)
