"""Which boards are there, and what one of them says about itself."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from shared_schemas.wire import SCHEMA_HASH
from tomato_host.board import decoding
from tomato_host.board.events import Health
from tomato_host.board.port import BY_ID, PortLost, SerialPort, list_ports
from tomato_host.board.protocol import BoardProtocol, Hello, Received
from tomato_host.errors import TomatoError

HELLO_EVERY_S = 1.0
CTRL_D = b"\x04"
GREETINGS = 8
"""More than `ask` sends before it gives up."""


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
    protocol = BoardProtocol(_quiet_session())
    hello: Hello | None = None
    deadline, next_hello = now_s() + timeout_s, now_s()
    try:
        while (now := now_s()) < deadline:
            if hello is None and now >= next_hello:
                next_hello = now + HELLO_EVERY_S
                port.write(protocol.send("HELLO", schema_hash=SCHEMA_HASH))
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


def _quiet_session() -> int:
    """A session number whose greetings hold no Ctrl-D: to a board with nothing but a REPL that is a soft reset."""
    for _ in range(100):
        session = secrets.randbelow(0xFFFF) + 1
        greeting = BoardProtocol(session)
        if not any(CTRL_D in greeting.send("HELLO", schema_hash=SCHEMA_HASH) for _ in range(GREETINGS)):
            return session
    return session


def ask_after_reset(url: str, timeout_s: float = 25.0) -> Hello | None:
    """HELLO of a board that is starting: its port may be gone for some seconds."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            hello, _ = ask(url, min(4.0, deadline - time.monotonic()))
        except TomatoError as error:
            if error.code not in ("E-PORT-MISSING", "E-PORT-FAILED"):
                raise
            hello = None
        if hello:
            return hello
        time.sleep(0.3)
    return None
