"""From the fields of a message to events in words and physical units, each once and in order."""

from __future__ import annotations

from typing import Any

from shared_schemas.devices import SENSORS
from shared_schemas.wire import EVENTS, FAULTS, REASONS, STATES, STATUSES, WEAKENED, WHY
from tomato_host.board.events import BoardEvent, Health, Result, Sample


def word(table: tuple[str, ...], code: int) -> str:
    """The word for a code; a newer board's codes are kept as numbers."""
    return table[code] if 0 <= code < len(table) else f"code_{code}"


def sample(fields: dict[str, Any], boot_id: int, host_ms: float, backlog: bool) -> Sample:
    """A SAMPLE in physical units."""
    wire: list[int | None] = fields["values"]
    values = {s.name: _physical(wire[i], s.scale) if i < len(wire) else None for i, s in enumerate(SENSORS)}
    codes: dict[int, int] = fields.get("why", {})
    why = {SENSORS[i].name: word(WHY, code) for i, code in codes.items() if 0 <= i < len(SENSORS)}
    return Sample(
        boot_id, fields["seq"], fields["t_ms"], host_ms, values, why, fields["outputs"],
        word(STATES, fields["state"]), backlog,
    )


def _physical(value: int | None, scale: int) -> float | None:
    return None if value is None else value / scale


def board_event(fields: dict[str, Any], boot_id: int, host_ms: float) -> BoardEvent:
    """An EVENT with its name."""
    name = word(tuple(row[0] for row in EVENTS), fields["event"])
    return BoardEvent(boot_id, fields["seq"], fields["t_ms"], host_ms, name, fields["a"], fields["b"])


def result(fields: dict[str, Any]) -> Result:
    """A RESULT in words."""
    return Result(
        fields["cmd_id"], word(STATUSES, fields["status"]), word(REASONS, fields["reason"]),
        float(fields["delivered"]), fields.get("config_value"),
    )


def health(fields: dict[str, Any]) -> Health:
    """A HEALTH in words."""
    faults = tuple(f.name for f in FAULTS if fields["faults"] >> f.wire_id & 1)
    return Health(
        t_ms=fields["t_ms"], state=word(STATES, fields["state"]), outputs=fields["outputs"], faults=faults,
        lease_ms=fields["lease_ms"], heap_free=fields["heap_free"], tick_worst_us=fields["tick_worst_us"],
        hour_used=tuple(fields["hour_used"]), day_used=tuple(fields["day_used"]), rx_bad=fields["rx_bad"],
        tx_dropped=fields["tx_dropped"], retained=fields["retained"], lost=fields["lost"],
        writes_today=fields["writes_today"],
        weakened=tuple(code.name for bit, code in enumerate(WEAKENED) if fields["weakened"] >> bit & 1),
    )


class SampleFile:
    """Which samples of one boot are in already, and up to where the board may forget them."""

    def __init__(self) -> None:
        self.newest = -1
        self.whole_up_to = -1
        """Everything up to here has been handed out, or is known to be lost."""
        self._beyond: set[int] = set()

    def take(self, seq: int) -> bool:
        """True when this sample is new."""
        if seq <= self.whole_up_to or seq in self._beyond:
            return False
        self._beyond.add(seq)
        self.newest = max(self.newest, seq)
        self._close_up()
        return True

    def covered(self, up_to: int) -> None:
        """The board has sent all it still has up to here."""
        self.whole_up_to = max(self.whole_up_to, up_to)
        self._beyond = {seq for seq in self._beyond if seq > self.whole_up_to}
        self._close_up()

    @property
    def gap(self) -> bool:
        """Whether something before the newest sample is not accounted for."""
        return self.newest > self.whole_up_to

    def _close_up(self) -> None:
        while self.whole_up_to + 1 in self._beyond:
            self.whole_up_to += 1
            self._beyond.discard(self.whole_up_to)
