"""The same script played to each of the boards there are: the firmware in the VM, and its core on CPython."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import serial
from tomato_host.board import decoding
from tomato_host.board.events import Health, Result
from tomato_host.board.protocol import BoardProtocol, Damage
from tomato_host.twin.core_board import RENEW_MS, CoreBoard
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.world import World

from shared_schemas.wire import SCHEMA_HASH
from tests.twin.hostile_script import Act, Script, schedule, scripted_world

SENSE_MS = 10_000
LEASE_MS = 5_000
NOT_AFTER_MS = 1 << 40
DATED = ("PULSE", "CONFIG", "CLEAR_FAULT")
"""Messages that must carry the moment after which they are void."""


@dataclass
class Played:
    """What was seen of a board."""

    switched: list[tuple[int, int, bool]] = field(default_factory=list)
    """(moment in ms, output, on) of every relay that moved."""
    health: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)
    """(moment, state, outputs, faults, budgets of hour and day, flash writes) while the board could be asked."""
    results: dict[tuple[int, str], tuple[str, float]] = field(default_factory=dict)
    """(command, status) to (reason, delivered)."""


class Player(Protocol):
    """A board under a script."""

    def run_to(self, t_ms: int) -> None: ...
    def renew(self, there: bool) -> None: ...
    def command(self, name: str, **fields: Any) -> None: ...
    def health(self) -> Health | None: ...
    def results(self) -> list[Result]: ...
    def close(self) -> None: ...


class OnCPython:
    """The core; with `skip_idle` as campaigns run it, without it tick by tick."""

    def __init__(self, world: World, skip_idle: bool) -> None:
        self.board = CoreBoard(world, SENSE_MS, skip_idle)
        self.board.host_renews = True
        self._answers: list[Result] = []

    def run_to(self, t_ms: int) -> None:
        self.board.run_to(t_ms)

    def renew(self, there: bool) -> None:
        self.board.host_renews = there

    def command(self, name: str, **fields: Any) -> None:
        answer = self.board.command(name, **fields)
        self._answers += [answer] if answer is not None and answer.cmd_id else []

    def health(self) -> Health | None:
        if self.board.core is None or self.board.deaf:
            return None
        self.board.tick()
        return self.board.health()

    def results(self) -> list[Result]:
        answers, self._answers = self._answers + self.board.take_ended(), []
        return answers

    def close(self) -> None:
        pass


class InTheVm:
    """The whole firmware in a MicroPython VM, spoken to in frames; a host that renews its lease every 2 s."""

    def __init__(self, world: World, home: Path, skip_idle: bool = False) -> None:
        self.board = VirtualBoard(world, home, skip_idle=skip_idle)
        self._port = serial.Serial(self.board.port_path, timeout=0)
        self._protocol = BoardProtocol(1)
        self._results: list[Result] = []
        self._health: list[Health] = []
        self._there = True
        self._advance(0)
        self._renew()

    def run_to(self, t_ms: int) -> None:
        while (renew_ms := (self.board.now_ms // RENEW_MS + 1) * RENEW_MS) <= t_ms:
            self._advance(renew_ms)
            self._renew()
        self._advance(t_ms)

    def renew(self, there: bool) -> None:
        self._there = there

    def _renew(self) -> None:
        if not self._there:
            return
        self._send("LEASE", lease_ms=LEASE_MS)
        self._advance(self.board.now_ms)

    def command(self, name: str, **fields: Any) -> None:
        self._send(name, **fields)
        self._advance(self.board.now_ms)

    def _send(self, name: str, **fields: Any) -> None:
        # Greeted anew each time: after a reset the board must know the session before it hears a command.
        data = self._protocol.send("HELLO", schema_hash=SCHEMA_HASH) + self._protocol.send(name, **fields)
        self.board.receive(self.board.serial_link.down(data))

    def _advance(self, t_ms: int) -> None:
        while sent := self.board.run_to(t_ms):
            self.board.serial_link.wait_readable(sent)
            for message in self._protocol.receive_bytes(self._port.read(65_536)):
                assert not isinstance(message, Damage)
                if message.name == "RESULT" and "cmd_id" in message.fields:
                    self._results.append(decoding.result(message.fields))
                elif message.name == "HEALTH":
                    self._health.append(decoding.health(message.fields))

    def health(self) -> Health | None:
        self._health.clear()
        self._send("HEALTH")
        self._advance(self.board.now_ms)
        return self._health[-1] if self._health else None

    def results(self) -> list[Result]:
        results, self._results = self._results, []
        return results

    def close(self) -> None:
        self._port.close()
        self.board.close()


def play(player: Player, world: World, script: Script, end_ms: int, every_ms: int = 5_000) -> Played:
    """Play the commands of a script whose changes are on the world's timeline; look every `every_ms`."""
    seen = Played()
    _watch_relays(world, seen)
    looks = [(t_ms, None) for t_ms in range(every_ms, end_ms + 1, every_ms)]
    moments: list[tuple[int, Act | None]] = sorted([*script, *looks], key=lambda moment: moment[0])
    try:
        for number, (t_ms, act) in enumerate(moments, start=1):
            player.run_to(t_ms)
            if act is None:
                _look(player, t_ms, seen)
            elif act.name == "host":
                player.renew(bool(act.value))
            else:
                dated = {"not_after_ms": NOT_AFTER_MS} if act.name in DATED else {}
                player.command(act.name, cmd_id=number, **dated, **act.fields)
        return replace(seen, switched=list(seen.switched))  # what follows is the power going off
    finally:
        player.close()


def _look(player: Player, t_ms: int, seen: Played) -> None:
    health = player.health()
    if health is not None:
        seen.health.append((t_ms, (
            health.state, health.outputs, health.faults, health.hour_used, health.day_used, health.writes_today
        )))  # fmt: skip
    for result in player.results():
        seen.results[result.cmd_id, result.status] = (result.reason, result.delivered)


def _watch_relays(world: World, seen: Played) -> None:
    switch = world.set_output

    def watched(output: int, on: bool, t_ms: int) -> None:
        if bool(world.outputs >> output & 1) != on:
            seen.switched.append((t_ms, output, on))
        switch(output, on, t_ms)

    world.set_output = watched  # type: ignore[method-assign,assignment]


def play_on_cpython(script: Script, end_ms: int, skip_idle: bool) -> Played:
    """The script on the core."""
    world, sensors = scripted_world()
    commands = schedule(script, world, sensors)
    return play(OnCPython(world, skip_idle), world, commands, end_ms)


def play_in_the_vm(script: Script, end_ms: int, home: Path, skip_idle: bool = False) -> Played:
    """The script on the firmware in the VM."""
    world, sensors = scripted_world()
    commands = schedule(script, world, sensors)
    return play(InTheVm(world, home, skip_idle), world, commands, end_ms)
