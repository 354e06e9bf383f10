"""A bare host for firmware-in-the-loop tests: speaks the wire through the sans-I/O core, decides nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tomato_host.board.port import SerialPort
from tomato_host.board.protocol import BoardProtocol, Damage, Received
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.memory_line import MemoryPort

from shared_schemas.wire.schema_hash import compute_schema_hash

FOR_EVER_MS = (1 << 30) - 1


class WireHost:
    """Opens a port, greets, and keeps every message it heard as (moment in ms, message)."""

    def __init__(self, port: SerialPort | MemoryPort, wait: Callable[[], int], session: int = 1) -> None:
        """`wait` lets a little time pass, until bytes arrive at the latest, and returns the moment."""
        self.port = port
        self._protocol = BoardProtocol(session)
        self._wait = wait
        self._cmd_id = session * 1_000
        self.heard: list[tuple[int, Received]] = []
        self.damaged = 0

    def send(self, name: str, **fields: Any) -> None:
        self.port.write(self._protocol.send(name, **fields))

    def greet(self) -> dict[str, Any]:
        self.send("HELLO", schema_hash=compute_schema_hash())
        return self.await_message("HELLO").fields

    def command(self, name: str, **fields: Any) -> int:
        self._cmd_id += 1
        self.send(name, cmd_id=self._cmd_id, **fields)
        return self._cmd_id

    def pulse(self, output: int, amount: int) -> int:
        return self.command("PULSE", not_after_ms=FOR_EVER_MS, output=output, amount=amount)

    def listen(self) -> int:
        """Let a little time pass and take in what came; samples and events are acknowledged."""
        now_ms = self._wait()
        for message in self._protocol.receive_bytes(self.port.read()):
            if isinstance(message, Damage):
                self.damaged += 1
                continue
            self.heard.append((now_ms, message))
            if message.name == "SAMPLE":
                self.send("ACK_UPTO", up_to=message.fields["seq"])
            elif message.name == "EVENT":
                self.send("ACK_UPTO", events_up_to=message.fields["seq"])
        return now_ms

    def await_message(self, name: str, tries: int = 2_000, **wanted: Any) -> Received:
        """The next message of this name with these fields."""
        begun = len(self.heard)
        for _ in range(tries):
            self.listen()
            for _, message in self.heard[begun:]:
                if message.name == name and all(message.fields.get(k) == v for k, v in wanted.items()):
                    return message
        raise AssertionError(f"no {name} {wanted}; heard {[m.name for _, m in self.heard[-12:]]}")

    def of(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """All messages of one name with their moments."""
        return [(t, m.fields) for t, m in self.heard if m.name == name]

    def close(self) -> None:
        self.port.close()


def lock_step_host(twin: LockStep, session: int = 1, step_ms: int = 100, in_memory: bool = False) -> WireHost:
    """A bare host on a twin in lock step; each listen is at most `step_ms` long.

    It talks through the pseudo-terminal, or `in_memory` as `run --time-scale 0` does.
    """
    earlier = twin.bytes_taken  # of hosts that have gone

    def wait() -> int:
        twin.advance(twin.now_ms + step_ms, earlier + host.port.bytes_written)
        return twin.now_ms

    host = WireHost(twin.open_port() if in_memory else SerialPort.open(twin.port_path), wait, session)
    return host


def real_time_host(path: str, session: int = 1) -> WireHost:
    """A bare host on a free-running twin."""

    def wait() -> int:
        time.sleep(0.005)
        return int(time.monotonic() * 1_000)

    return WireHost(SerialPort.open(path), wait, session)
