"""The link session with one board: hello, clock sync, commands with repeats, backfill, reconnect.

Single-threaded and free of waiting: the deciding loop calls `poll(now_ms)`, which reads what has arrived, sends what
is due and returns what happened as events in order. The bytes are handled by `protocol.py` (sans-I/O), the port by
`port.py`; this file holds the state of one conversation. The lease is renewed by the deciding loop, never from in
here: a loop that hangs must let the board drop its outputs.

States:

    no port --opened--> greeting --HELLO with our session and schema--> up
    up --17 s without a good frame, HELLO of another session (board reset)--> greeting (Disconnected)
    any --read or write fails--> no port (Disconnected if it was up); reopened after 0.5, 1, 2, 5, 10 s

*Identity.* Each process has a session number, which is in every frame. The board answers HELLO with it; frames with
another number belong to an earlier process and are ignored. `boot_id` names the board's time base: a new one resets
clock sync, sample numbering and all open commands (they ended with the reset). A different schema hash allows HELLO,
HEALTH and STOP_ALL only; the session stays in greeting and reports `Mismatch`.

*Commands* get an id that never repeats within the board's memory, and (stops excepted) a `not_after` in board time.
One without an answer is sent again every second under the same id; the board returns the stored result and moves
nothing twice, so a lost RESULT is harmless. After 20 s the command is reported as REJECTED(no_answer); its
`not_after` (10 s) has passed by then, so the board would refuse it even if it still arrived. An accepted pulse is
queried when it should have ended 5 s ago.

*Samples and events* are numbered, and acknowledged only when they are safe on disk; `record_receipt.py` says how. Live
samples come first; a gap in the numbers is closed by BACKFILL, in order of age.

*Time.* Four timestamps per exchange, minimum-delay filter, fitted offset and drift (`clock_sync.py`); four exchanges
in quick succession after a connect, then one a minute. Records keep the board's own `(boot_id, t_ms)` beside the UTC.

Alternatives rejected: a reader thread (the lease would then outlive a hung decision, and the order of events would
depend on the machine); acknowledging what was merely received (a power cut would lose it on both sides);
sequence-numbered commands without ids (a repeat after a reset could move water twice).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from shared_schemas.devices import LIMITS, OUTPUT_BY_NAME
from shared_schemas.wire import CONFIG_KEYS, FAULTS, SCHEMA_HASH
from tomato_host.board import decoding
from tomato_host.board.clock_sync import ClockSync, Exchange
from tomato_host.board.events import (
    BoardEvent,
    Connected,
    Disconnected,
    Health,
    LinkEvent,
    Mismatch,
    ProtocolFault,
    Result,
    Sample,
)
from tomato_host.board.pending_commands import PendingCommand, PendingCommands
from tomato_host.board.port import PortLost
from tomato_host.board.protocol import BoardProtocol, Damage, Hello, Received, calm_session
from tomato_host.board.record_receipt import RecordReceipt
from tomato_host.errors import TomatoError

HELLO_MS = 1_000
PING_MS = 12_000
"""Silence after which the board is pinged (HEALTH)."""
SILENT_MS = 17_000
"""Silence after which the link counts as down: two pings went unanswered."""
TIME_MS = 60_000
TIME_FIRST = 4
"""Exchanges in quick succession after a connect, for a first good offset."""
NOT_AFTER_MS = 10_000
BOARD_RESET = "the board was reset"
"""Why a link went down that will be back within seconds."""
BACKOFF_MS = (500, 1_000, 2_000, 5_000, 10_000)

__all__ = [
    "BoardEvent",
    "BoardSession",
    "Connected",
    "Disconnected",
    "Health",
    "LinkEvent",
    "Mismatch",
    "ProtocolFault",
    "Result",
    "Sample",
]


class Port(Protocol):
    """What a session needs of a serial port; see port.SerialPort."""

    def read(self) -> bytes: ...
    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def wait(self, timeout_s: float) -> bool: ...
    def close(self) -> None: ...


class BoardSession:
    """The host's end. `port_factory` opens the port again; `session` is this process's number, 1 to 65535.

    `poll` must be called whenever bytes have arrived and at least every few seconds.
    """

    def __init__(
        self,
        port_factory: Callable[[], Port],
        session: int,
        is_stored: Callable[[Sample | BoardEvent], bool] = lambda _: False,
        may_acknowledge: Callable[[], bool] = lambda: True,
        samples_safe_after_ms: int = 0,
        events_safe_after_ms: int = 0,
    ) -> None:
        """`session` becomes one that holds no bytes of MicroPython's console; the rest is for `RecordReceipt`."""
        self._open_port = port_factory
        self._port: Port | None = None
        session = calm_session(session)
        self.protocol = BoardProtocol(session)
        self.clock = ClockSync()
        self.hello: Hello | None = None
        self.up = False
        self._commands = PendingCommands(session)
        self._receipt = RecordReceipt(is_stored, may_acknowledge, samples_safe_after_ms, events_safe_after_ms)
        self._next_open_ms = 0
        self._attempt = 0
        self._hello_ms = -HELLO_MS
        self._last_received_ms = 0
        self._ping_ms = 0
        self._time_ms = 0
        self._time_left = 0
        self._now_ms = 0

    # -- called by the loop -----------------------------------------------------------------------------------

    @property
    def awaiting(self) -> int:
        """Commands without a final result."""
        return len(self._commands.open)

    def open_now(self) -> None:
        """Open the port at once, at the start of the program. Raises TomatoError when it cannot be opened."""
        self._port = self._open_port()

    def poll(self, now_ms: int) -> list[LinkEvent]:
        """Read what came, send what is due, return what happened, in order. Never raises for what the link does."""
        self._now_ms = now_ms
        self._receipt.begin_poll(now_ms)
        events: list[LinkEvent] = []
        try:
            if self._port is None and not self._reopen(now_ms):
                return events
            self._read(now_ms, events)
            self._send_due(now_ms, events)
        except PortLost as lost:
            self._drop(str(lost), now_ms, events)
        return events

    def wait(self, timeout_s: float) -> bool:
        """Wait until bytes have arrived, `timeout_s` at most; short sleeps while there is no port."""
        if self._port is None:
            import time

            time.sleep(min(timeout_s, 0.25))
            return timeout_s > 0.25
        try:
            return self._port.wait(timeout_s)
        except PortLost:
            return True

    def fileno(self) -> int:
        """The line's descriptor, to wait on together with others; -1 while there is none."""
        fileno = getattr(self._port, "fileno", None)
        try:
            return -1 if fileno is None else int(fileno())
        except PortLost:
            return -1

    def renew_lease(self, now_ms: int) -> None:
        """Acquire or renew the lease (the right to command, 5 s)."""
        self._now_ms = now_ms
        self._send("LEASE", lease_ms=LIMITS["lease_ms"])

    def pulse(self, output: str, amount: int) -> int:
        """Ask for one pulse in ms, or ml for the pump. Returns the command's id; its Result comes from `poll`."""
        return self._command("PULSE", output=OUTPUT_BY_NAME[output].wire_id, amount=amount).cmd_id

    def stop(self, output: str) -> int:
        """End the pulse of one output."""
        return self._command("STOP", output=OUTPUT_BY_NAME[output].wire_id).cmd_id

    def stop_all(self, now_ms: int) -> int:
        """End every pulse."""
        self._now_ms = now_ms
        return self._command("STOP_ALL").cmd_id

    def set_sampling(self, period_ms: int) -> int:
        """Set the sampling period."""
        return self._command("SET_SAMPLING", period_ms=period_ms).cmd_id

    def configure(self, key: str, value: int | None) -> int:
        """Set one CONFIG entry (the stored integer), or read it with None."""
        found = next((row for row in CONFIG_KEYS if row.name == key), None)
        if found is None:
            raise TomatoError(
                "E-CONFIG-KEY",
                f"There is no board setting {key!r}.",
                f"take one of: {', '.join(row.name for row in CONFIG_KEYS)}",
            )
        fields = {"config_key": found.key} | ({} if value is None else {"config_value": value})
        return self._command("CONFIG", **fields).cmd_id

    def clear_fault(self, name: str) -> int:
        """Clear one latched fault by its name."""
        found = next((row for row in FAULTS if row.name == name), None)
        if found is None:
            raise TomatoError(
                "E-FAULT-NAME", f"There is no fault {name!r}.", f"take one of: {', '.join(row.name for row in FAULTS)}"
            )
        return self._command("CLEAR_FAULT", fault=found.wire_id).cmd_id

    def ask_health(self, now_ms: int) -> None:
        """Ask for the board's condition."""
        self._now_ms = now_ms
        self._send("HEALTH")

    def host_ms(self, t_ms: int) -> float:
        """Host monotonic ms at a board time of the present boot; never later than now."""
        if not self.clock.known:
            return float(self._now_ms)
        return min(self.clock.host_from_board_ms(t_ms), float(self._now_ms))

    def close(self) -> None:
        """Close the port."""
        if self._port is not None:
            self._port.close()
            self._port = None
        self.up = False

    # -- the port ----------------------------------------------------------------------------------------------

    def _reopen(self, now_ms: int) -> bool:
        if now_ms < self._next_open_ms:
            return False
        try:
            self._port = self._open_port()
        except TomatoError:
            self._next_open_ms = now_ms + BACKOFF_MS[min(self._attempt, len(BACKOFF_MS) - 1)]
            self._attempt += 1
            return False
        self._last_received_ms = now_ms
        self._hello_ms = now_ms - HELLO_MS
        return True

    def _drop(self, why: str, now_ms: int, events: list[LinkEvent]) -> None:
        """Close a port that was lost."""
        was_up = self.up
        self.close()
        self._next_open_ms = now_ms + BACKOFF_MS[0]
        self._attempt = 1
        if was_up:
            events.append(Disconnected(why))

    def _write(self, data: bytes) -> None:
        if self._port is not None:
            try:
                self._port.write(data)
            except PortLost:
                # `poll` meets the same loss when it reads, and reports it there.
                return

    def _send(self, name: str, **fields: Any) -> None:
        self._write(self.protocol.send(name, **fields))

    def _read(self, now_ms: int, events: list[LinkEvent]) -> None:
        assert self._port is not None
        self._port.flush()
        while data := self._port.read():
            for message in self.protocol.receive_bytes(data):
                if isinstance(message, Damage):
                    events.append(ProtocolFault(f"{message.size} bytes discarded: {message.why}"))
                else:
                    self._handle(message, now_ms, events)

    def _send_due(self, now_ms: int, events: list[LinkEvent]) -> None:
        if not self.up:
            if now_ms - self._hello_ms >= HELLO_MS:
                self._hello_ms = now_ms
                self._write(self.protocol.send_calm("HELLO", schema_hash=SCHEMA_HASH))
            return
        silent_ms = now_ms - self._last_received_ms
        if silent_ms > SILENT_MS:
            self.up = False
            events.append(Disconnected(f"no answer for {silent_ms / 1000:.0f} s"))
            return
        if silent_ms > PING_MS and now_ms - self._ping_ms > SILENT_MS - PING_MS:
            self._ping_ms = now_ms
            self._send("HEALTH")
        if self._time_left or now_ms - self._time_ms >= TIME_MS:
            self._ask_time(now_ms)
        for command in self._commands.due(now_ms):
            self._send_command(command)
        events += self._commands.pop_unanswered(now_ms)
        self._catch_up(now_ms)

    def _ask_time(self, now_ms: int) -> None:
        if now_ms != self._time_ms:
            self._time_ms = now_ms
            self._time_left = max(0, self._time_left - 1)
            self._send("TIME", t1_ms=now_ms)

    def _catch_up(self, now_ms: int) -> None:
        """Acknowledge what earlier polls returned, request what is missing."""
        if acks := self._receipt.pop_acknowledgement():
            self._send("ACK_UPTO", **acks)
        if missing := self._receipt.pop_backfill(now_ms):
            self._send("BACKFILL", **missing)

    # -- messages ----------------------------------------------------------------------------------------------

    def _handle(self, message: Received, now_ms: int, events: list[LinkEvent]) -> None:
        if message.name == "HELLO":
            self._on_hello(message, now_ms, events)
            return
        if message.session != self.protocol.session or not self.up:
            return  # an answer to another host, or of an earlier session
        self._last_received_ms = now_ms
        fields = message.fields
        if message.name == "SAMPLE" or message.name == "EVENT":
            self._on_record(message.name, fields, events)
        elif message.name == "RESULT":
            found = decoding.result(fields) if "cmd_id" in fields else None
            if found is not None and self._commands.on_result(found, now_ms):
                events.append(found)
        elif message.name == "HEALTH":
            events.append(decoding.health(fields))
        elif message.name == "TIME":
            self.clock.add(Exchange(fields["t1_ms"], fields["t2_ms"], fields["t3_ms"], now_ms))
        elif message.name == "BACKFILL":
            self._receipt.on_backfill_end(fields)

    def _on_hello(self, message: Received, now_ms: int, events: list[LinkEvent]) -> None:
        hello = Hello.from_fields(message.fields)
        if message.session != self.protocol.session:
            # The board does not know our session: it was reset. Send HELLO as at the start.
            if self.up:
                self.up = False
                events.append(Disconnected(BOARD_RESET))
            self._hello_ms = now_ms - HELLO_MS
            return
        self._last_received_ms = now_ms
        if hello.schema_hash != SCHEMA_HASH:
            self._hello_ms = now_ms + 10 * HELLO_MS
            events.append(
                Mismatch(
                    f"The board has schema {hello.schema_hash.hex()}, this host {SCHEMA_HASH.hex()}"
                    f" (firmware {hello.firmware})."
                )
            )
            return
        if not self.up:
            self._begin(hello, now_ms, events)

    def _begin(self, hello: Hello, now_ms: int, events: list[LinkEvent]) -> None:
        new_boot = self.hello is None or self.hello.boot_id != hello.boot_id
        if new_boot:
            self.clock.reset()
            events += self._commands.close_all("reset")
        self._receipt.begin_connection(new_boot)
        self.hello = hello
        self.up = True
        self._attempt = 0
        self._time_left = TIME_FIRST
        self.clock.seed(now_ms, hello.uptime_ms)
        events.append(Connected(hello, new_boot))

    def _on_record(self, name: str, fields: dict[str, Any], events: list[LinkEvent]) -> None:
        assert self.hello is not None
        receive = self._receipt.on_sample if name == "SAMPLE" else self._receipt.on_event
        item = receive(fields, self.hello.boot_id, self.host_ms(fields["t_ms"]))
        if item is not None:
            events.append(item)

    # -- commands ----------------------------------------------------------------------------------------------

    def _command(self, name: str, **fields: Any) -> PendingCommand:
        command = self._commands.new(name, fields, self._now_ms)
        if name not in ("STOP", "STOP_ALL", "SET_SAMPLING"):
            command.fields["not_after_ms"] = max(0, round(self.clock.board_from_host_ms(self._now_ms))) + NOT_AFTER_MS
        self._send_command(command)
        return command

    def _send_command(self, command: PendingCommand) -> None:
        if self.up:
            self._send(command.name, cmd_id=command.cmd_id, **command.fields)
