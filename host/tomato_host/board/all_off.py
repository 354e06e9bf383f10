"""`tomato-host board off`: command the board to end every pulse, and check that it did."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from shared_schemas.devices import OUTPUTS
from shared_schemas.wire import SCHEMA_HASH
from tomato_host.board import decoding
from tomato_host.board.port import PortLost, SerialPort
from tomato_host.board.protocol import BoardProtocol, Received, calm_session
from tomato_host.errors import TomatoError

AGAIN_S = 0.5


@dataclass(frozen=True, slots=True)
class OffReport:
    """The board's condition afterwards."""

    state: str
    still_on: tuple[str, ...] = field(default=())
    """Outputs the board itself keeps on: ventilation against heat, its survival programme."""


def switch_all_off(url: str, timeout_s: float = 5.0) -> OffReport:
    """End every pulse of the board at `url`. Works with firmware of another contract, too.

    Raises TomatoError E-PORT-*, and E-BOARD-SILENT when nothing confirms it in time.
    """
    port = SerialPort.open(url)
    protocol = BoardProtocol(calm_session(secrets.randbelow(1 << 16)))
    end_s, next_s, greeted = time.monotonic() + timeout_s, 0.0, False
    try:
        while time.monotonic() < end_s:
            if time.monotonic() >= next_s:
                next_s = time.monotonic() + AGAIN_S
                # STOP_ALL is heeded from anybody in any session; HELLO and HEALTH are for the answer only.
                port.write(protocol.send_calm("STOP_ALL"))
                port.write(
                    protocol.send_calm("HEALTH") if greeted else protocol.send_calm("HELLO", schema_hash=SCHEMA_HASH)
                )
            port.wait(0.1)
            for message in protocol.receive_bytes(port.read()):
                if not isinstance(message, Received) or message.session != protocol.session:
                    continue
                if message.name == "HELLO" and not greeted:
                    greeted, next_s = True, 0.0
                elif message.name == "HEALTH":
                    health = decoding.health(message.fields)
                    on = tuple(row.name for row in OUTPUTS if health.outputs >> row.wire_id & 1)
                    return OffReport(health.state, on)
    except PortLost:
        pass  # reported below: nothing confirmed it
    finally:
        port.close()
    raise TomatoError(
        "E-BOARD-SILENT",
        f"No board at {url} confirmed that everything is off.",
        "check the plant; a board without a host switches its outputs off by itself within 5 s",
    )
