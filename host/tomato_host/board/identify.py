"""Which boards are there, and what one of them says about itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from shared_schemas.wire import SCHEMA_HASH
from tomato_host.board import decoding
from tomato_host.board.events import Health
from tomato_host.board.port import BY_ID, PortLost, SerialPort, list_ports
from tomato_host.board.protocol import BoardProtocol, Hello, Received, calm_session
from tomato_host.errors import TomatoError

HELLO_EVERY_S = 1.0
REOPEN_S = 0.3


def find_board(port: str | None) -> str:
    """The port given, or the only one there is. Raises TomatoError E-BOARD-NOT-FOUND, E-BOARD-SEVERAL."""
    if port:
        return port
    found = list_ports()
    if not found:
        raise TomatoError(
            "E-BOARD-NOT-FOUND",
            f"No board found: looked in {BY_ID} and for USB serial ports, and there are none.",
            "Plug the board in with a data cable, or name its port with --port.",
        )
    likely = [path for path in found if "micropython" in path.lower()] or found
    if len(likely) > 1:
        raise TomatoError("E-BOARD-SEVERAL", f"There are several ports: {', '.join(likely)}.", "Name one with --port.")
    return likely[0]


def ask(
    url: str, timeout_s: float = 5.0, now_s: Callable[[], float] = time.monotonic
) -> tuple[Hello | None, Health | None]:
    """HELLO and HEALTH of the firmware on a port; None where nothing like it answers. Raises TomatoError E-PORT-*."""
    port = SerialPort.open(url)
    protocol = BoardProtocol(calm_session(secrets.randbelow(1 << 16)))
    hello: Hello | None = None
    deadline, next_hello = now_s() + timeout_s, now_s()
    try:
        while (now := now_s()) < deadline:
            if hello is None and now >= next_hello:
                next_hello = now + HELLO_EVERY_S
                port.write(protocol.send_calm("HELLO", schema_hash=SCHEMA_HASH))
            port.wait(0.1)
            for message in protocol.receive_bytes(port.read()):
                if not isinstance(message, Received) or message.session != protocol.session:
                    continue
                if message.name == "HELLO" and hello is None:
                    hello = Hello.from_fields(message.fields)
                    port.write(protocol.send("HEALTH"))
                elif message.name == "HEALTH":
                    return hello, decoding.health(message.fields)
    except PortLost:
        return hello, None  # a board that has just been reset may take its port with it
    finally:
        port.close()
    return hello, None


def ask_after_reset(
    url: str, quiet_s: float = 20.0, longest_s: float = 90.0, now_s: Callable[[], float] = time.monotonic
) -> Hello | None:
    """HELLO of a board that is starting, waiting by what the board shows; None when it shows nothing for `quiet_s`.

    A port that goes, a port that comes and a byte that arrives are signs of life. One open line is used as long as it
    holds: opening it anew resets some boards. Raises TomatoError E-PORT-BUSY, -PERMISSION, -ADDRESS.
    """
    protocol = BoardProtocol(calm_session(secrets.randbelow(1 << 16)))
    begun = sign_of_life = now_s()
    next_hello = 0.0
    port: SerialPort | None = None
    try:
        while (now := now_s()) - sign_of_life < quiet_s and now - begun < longest_s:
            if port is None:
                port = _open_again(url)
                if port is None:
                    time.sleep(REOPEN_S)
                    continue
                sign_of_life, next_hello = now, now
            try:
                if now >= next_hello:
                    next_hello = now + HELLO_EVERY_S
                    port.write(protocol.send_calm("HELLO", schema_hash=SCHEMA_HASH))
                port.wait(0.1)
                data = port.read()
            except PortLost:
                port.close()
                port, sign_of_life = None, now
                continue
            sign_of_life = now if data else sign_of_life
            for message in protocol.receive_bytes(data):
                if isinstance(message, Received) and message.name == "HELLO":
                    return Hello.from_fields(message.fields)
    finally:
        if port is not None:
            port.close()
    return None


def _open_again(url: str) -> SerialPort | None:
    """The port, or None while it is gone. Raises TomatoError for anything that waiting does not mend."""
    try:
        return SerialPort.open(url)
    except TomatoError as error:
        if error.code not in ("E-PORT-MISSING", "E-PORT-FAILED"):
            raise
        return None
