"""Access to the board for one command: over a port of our own, or through the running host that holds the port."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.board.events import Health, LinkEvent, Result
    from tomato_host.board.maintenance import Steps
    from tomato_host.board.session import BoardSession
    from tomato_host.commands.inbox import Kind, Reply

Port = Annotated[str, typer.Option("--port", envvar="TOMATO_PORT", help="The board's port, as for `run --board`.")]
DataDir = Annotated[Path, typer.Option("--data-dir", help="Data directory of a running host to go through.")]
DEFAULT_DATA_DIR = Path("data")
STEP_MS = 200
CONNECT_MS = 15_000
LEASE_EVERY_MS = 2_000
SETTLING_MS = 10_000
"""A board that has just started gives no lease for some seconds."""
DOSE_MS = 60_000
PATIENCE_S = {
    "calibrate": 75.0,
    "read_probe": 150.0,
    "dose": 150.0,
    "clear_fault": 40.0,
    "faults": 30.0,
    "settings": 75.0,
}
"""How long the host may take for each kind of request: a little longer than it gives the board."""


class BoardClient(Protocol):
    """What the wizards need, whichever way the board is reached."""

    def raw_count(self, probe: int) -> int:
        """The median of a few fresh raw counts of a probe."""

    def dose(self, ml: int) -> float:
        """Run the pump for one dose; seconds it was on."""

    def configure(self, values: dict[str, int]) -> None:
        """Set CONFIG entries, each confirmed."""

    def settings(self, names: tuple[str, ...]) -> dict[str, int]:
        """What the board has for these CONFIG entries, as stored integers."""

    def clear_fault(self, name: str) -> None:
        """Clear one latched fault."""

    def condition(self) -> tuple[str, tuple[str, ...]]:
        """State of the board, and names of the faults it holds."""

    def close(self) -> None:
        """Release the board."""


@dataclass(slots=True)
class DirectClient:
    """Our own session on a free port. `now_ms` is the clock, `wait_s` waits for bytes on the port."""

    session: BoardSession
    now_ms: Callable[[], int]
    wait_s: Callable[[float], object]

    def until(self, wanted: Callable[[LinkEvent], Any], within_ms: int, lease: bool = False) -> Any:
        """The first thing `wanted` makes of an event; None when `within_ms` pass without. Renews the lease if asked."""
        deadline, leased_ms = self.now_ms() + within_ms, -LEASE_EVERY_MS
        while self.now_ms() < deadline:
            if lease and self.now_ms() - leased_ms >= LEASE_EVERY_MS:
                leased_ms = self.now_ms()
                self.session.renew_lease(leased_ms)
            for event in self.session.poll(self.now_ms()):
                found = wanted(event)
                if found is not None:
                    return found
            self.wait_s(STEP_MS / 1000)
        return None

    def do(self, steps: Steps, lease: bool = False) -> Any:
        """Drive steps to their end, holding the lease if asked; returns what they found. Raises as they do."""
        try:
            wait = next(steps)
            while True:
                wait = steps.send(self.until(wait.wanted, wait.within_ms, lease))
        except StopIteration as end:
            return end.value

    def connect(self) -> None:
        """Connect to the board. Raises TomatoError E-BOARD-SILENT or E-SCHEMA-MISMATCH."""
        from tomato_host.board.events import Connected, Mismatch

        answer = self.until(lambda e: e if isinstance(e, Connected | Mismatch) else None, CONNECT_MS)
        if answer is None:
            raise TomatoError(
                "E-BOARD-SILENT",
                "No board answers on that port.",
                "check the cable; `make flash` if the board has no firmware yet",
            )
        if isinstance(answer, Mismatch):
            raise TomatoError("E-SCHEMA-MISMATCH", answer.text, "make flash")

    def result(self, cmd_id: int) -> Result:
        """The board's result for a command. Raises TomatoError E-BOARD-REFUSED or E-BOARD-SILENT."""
        from tomato_host.board import maintenance

        return self.do(maintenance.result(cmd_id))  # type: ignore[no-any-return]  # steps end in a Result

    def configure(self, values: dict[str, int]) -> None:
        """Set CONFIG entries, one by one, each confirmed. The board takes them only from who holds its lease."""
        from tomato_host.board import maintenance

        settled_ms = self.now_ms() + SETTLING_MS
        while self.condition()[0] in ("BOOT", "SAFE") and self.now_ms() < settled_ms:
            self.until(lambda event: None, 500)
        self.until(lambda event: None, 500, lease=True)
        self.do(maintenance.configure(self.session, values), lease=True)

    def settings(self, names: tuple[str, ...]) -> dict[str, int]:
        """What the board has for these CONFIG entries. Raises TomatoError E-BOARD-REFUSED or E-BOARD-SILENT."""
        from tomato_host.board import maintenance

        return self.do(maintenance.read_settings(self.session, names))  # type: ignore[no-any-return]  # as annotated

    def raw_count(self, probe: int) -> int:
        """The median of a few fresh raw counts of a probe. Raises TomatoError E-CALIBRATE-READING."""
        from tomato_host.board import maintenance

        return int(self.do(maintenance.raw_count(self.session, probe)))

    def clear_fault(self, name: str) -> None:
        """Clear one latched fault. Raises TomatoError E-FAULT-NAME, E-BOARD-REFUSED."""
        from tomato_host.board import maintenance

        self.do(maintenance.clear_fault(self.session, name))

    def condition(self) -> tuple[str, tuple[str, ...]]:
        """State of the board, and names of the faults it holds. Raises TomatoError E-BOARD-SILENT."""
        from tomato_host.board import maintenance

        board: Health = self.do(maintenance.condition(self.session, self.now_ms()))
        return board.state, board.faults

    def dose(self, ml: int) -> float:
        """Run the pump for one dose; seconds it was on, by the board's own clock. Raises TomatoError as `result`."""
        from shared_schemas.devices import PUMP
        from tomato_host.board import maintenance
        from tomato_host.board.events import Result

        self.until(lambda event: None, 500, lease=True)
        cmd_id, pump = self.session.pulse(PUMP.name, ml), maintenance.PumpTimer()

        def ended(event: LinkEvent) -> object:
            refused = isinstance(event, Result) and event.cmd_id == cmd_id and event.status in ("REJECTED", "ABORTED")
            return event if refused else (pump.update(event) or None)

        outcome = self.until(ended, DOSE_MS, lease=True)
        if isinstance(outcome, Result):
            raise maintenance.refusal(outcome.status, outcome.reason)
        if outcome is None:
            raise TomatoError("E-BOARD-SILENT", "The board did not report the end of the dose.", "try again")
        return pump.seconds

    def close(self) -> None:
        """Close the port."""
        self.session.close()


@dataclass(frozen=True, slots=True)
class HostClient:
    """Access by way of the running host: its guardrails, its record, its port."""

    data_dir: Path
    port: str
    reason: str

    def raw_count(self, probe: int) -> int:
        """As DirectClient.raw_count."""
        raw = self._ask("read_probe", probe=probe).raw
        assert raw is not None
        return raw

    def dose(self, ml: int) -> float:
        """As DirectClient.dose, but the guardrails may clip or refuse it."""
        from shared_schemas.devices import PUMP
        from tomato_host.cli.override import person_action

        seconds = self._ask("dose", **person_action(PUMP.action, self.reason, ml=float(ml), pulses=1)).seconds
        assert seconds is not None
        return seconds

    def configure(self, values: dict[str, int]) -> None:
        """As DirectClient.configure."""
        self._ask("calibrate", values=values)

    def settings(self, names: tuple[str, ...]) -> dict[str, int]:
        """As DirectClient.settings."""
        return self._ask("settings", names=names).values

    def clear_fault(self, name: str) -> None:
        """As DirectClient.clear_fault."""
        self._ask("clear_fault", fault=name)

    def condition(self) -> tuple[str, tuple[str, ...]]:
        """As DirectClient.condition."""
        reply = self._ask("faults")
        return reply.board_state, reply.faults

    def close(self) -> None:
        """Nothing to do: the host keeps its port."""

    def _ask(self, kind: Kind, **fields: Any) -> Reply:
        """The host's answer. Raises TomatoError: what the board said, E-OVERRIDE-REFUSED, E-INBOX-SILENT."""
        from tomato_host.commands.inbox import new_request, submit, wait_reply

        request = new_request(kind, self.reason, port=self.port, **fields)
        submit(self.data_dir, request)
        reply = wait_reply(self.data_dir, request, PATIENCE_S[kind])
        if not reply.ok:
            text, _, next_step = reply.text.partition(" Next: ")
            raise TomatoError(
                reply.code or "E-OVERRIDE-REFUSED",
                f"Through the running host: {text}",
                next_step or "see `tomato-host explain` for what was decided and why",
            )
        return reply


def open_client(port: str, data_dir: Path, reason: str) -> BoardClient:
    """Our own port when it is free, else the host that runs with this data directory.

    Raises TomatoError: E-PORT-MISSING when neither is there, and what SerialPort.open and DirectClient.connect raise.
    """
    from tomato_host.storage.appender import is_held

    host_runs = is_held(data_dir / "private")
    if not port:
        if host_runs:
            return HostClient(data_dir, "", reason)
        raise TomatoError(
            "E-PORT-MISSING",
            f"No port was given, and no host runs with --data-dir {data_dir}.",
            "add `--port /dev/ttyACM0`, set TOMATO_PORT, or name the running host's data directory",
        )
    try:
        return open_direct_client(port)
    except TomatoError as error:
        if error.code != "E-PORT-BUSY" or not host_runs:
            raise
        return HostClient(data_dir, port, reason)


def open_direct_client(port: str) -> DirectClient:
    """Open the port and connect to the board. Raises TomatoError as SerialPort.open and DirectClient.connect do."""
    import time

    from tomato_host.board.port import SerialPort
    from tomato_host.board.session import BoardSession

    session = BoardSession(lambda: SerialPort.open(port), os.getpid() % 65_535 + 1)
    session.open_now()
    client = DirectClient(session, lambda: time.monotonic_ns() // 1_000_000, session.wait)
    try:
        client.connect()
    except TomatoError:
        session.close()
        raise
    return client
