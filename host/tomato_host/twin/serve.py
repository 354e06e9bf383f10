"""The free-running twin as a process of its own: `python -m tomato_host.twin.serve`. It outlives any host.

Prints one JSON line with the port when it is ready. SIGTERM or SIGINT ends it; SIGUSR1 resets the board.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from tomato_host.errors import TomatoError
from tomato_host.sources.scenarios import Scenario
from tomato_host.twin import presses
from tomato_host.twin.outside import MeasuredWeather
from tomato_host.twin.params import TentParams
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.world import World

LOOK_UP_MS = 250
"""Longest wall time between two looks at the clock and the signals."""


class Pace:
    """World time from the wall clock: `scale` world seconds per wall second, beginning with `ahead_s`."""

    def __init__(self, scale: float, ahead_s: float = 0.0) -> None:
        self._scale = scale
        self._ahead_ms = ahead_s * 1_000.0
        self._zero_ns = time.monotonic_ns()

    def now_ms(self) -> int:
        """World milliseconds since the start."""
        return int(self._ahead_ms + (time.monotonic_ns() - self._zero_ns) * self._scale / 1e6)

    def wall_ms(self, world_ms: int) -> float:
        """Wall milliseconds in which `world_ms` pass."""
        return world_ms / self._scale


class Server:
    """Drives a virtual board by the wall clock and carries bytes as they come."""

    def __init__(
        self,
        board: VirtualBoard,
        scale: float,
        state: Path | None,
        linger_s: float = 0.0,
        pressed: Path | None = None,
        ahead_s: float = 0.0,
    ) -> None:
        """`linger_s`: end after so many wall seconds without a byte from any host; 0 = never.

        `pressed`: the directory in which presses of a button are asked for.
        `ahead_s`: how long the board has been on when the first host can be heard; that time passes at once.
        """
        self._board = board
        self._pace = Pace(scale, ahead_s)
        self._state = state
        self._linger_s = linger_s
        self._heard_s = time.monotonic()
        self._ending = False
        self._reset_asked = False
        self._state_due_ms = 0
        self._pressed = presses.PressedInputs(pressed)

    def end(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask the loop to end."""
        self._ending = True

    def reset(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask for a power cycle of the board."""
        self._reset_asked = True

    def run(self) -> None:
        """Serve until asked to end."""
        board, pace = self._board, self._pace
        waiter = select.poll()
        waiter.register(board.serial_link.fileno(), select.POLLIN)
        while not self._ending and not self._forgotten():
            now_ms = pace.now_ms()
            while board.now_ms < now_ms or board.next_due_ms() <= now_ms:
                board.run_to(now_ms)
            if self._reset_asked:
                self._reset_asked = False
                board.power_cycle()
            self._pressed.update(board.world, board.now_ms)
            self._write_state()
            left_ms = pace.wall_ms(max(0, board.next_due_ms() - pace.now_ms()))
            if waiter.poll(min(LOOK_UP_MS, max(0.0, left_ms))):
                board.run_to(max(board.now_ms, pace.now_ms()))
                board.receive(board.serial_link.down(board.serial_link.read()))
                self._heard_s = time.monotonic()

    def _forgotten(self) -> bool:
        return 0.0 < self._linger_s < time.monotonic() - self._heard_s

    def _write_state(self) -> None:
        """Tell the truth of the tent in a small file, for people and tests; written whole by rename."""
        if self._state is None or self._board.now_ms < self._state_due_ms:
            return
        self._state_due_ms = self._board.now_ms + 1_000
        world = self._board.world
        truth = world.tent.truth()
        told = {
            "now_ms": self._board.now_ms,
            "outputs": world.outputs,
            "boots": self._board.boots,
            "vm_pid": self._board.vm_pid,
            "air_c": truth.air_c,
            "rh_pct": truth.rh_pct,
            "co2_ppm": truth.co2_ppm,
            "theta": [truth.theta_1, truth.theta_2],
            "pumped_ml": truth.pumped_ml,
            "pump_longest_ms": world.safety.pump_longest_ms,
            "broken": world.safety.broken(),
        }
        fresh = self._state.with_suffix(".new")
        fresh.write_text(json.dumps(told))
        fresh.replace(self._state)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tomato-host twin serve", description=__doc__.splitlines()[0])
    parser.add_argument("--link", type=Path, help="symlink to make that points to the port")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time-scale", type=float, default=1.0, help="world seconds per wall second")
    parser.add_argument("--scenario", default="", help="faults: name[@hours[+length]],... or a .toml file")
    parser.add_argument("--state", type=Path, help="file to keep the truth of the tent in (JSON)")
    parser.add_argument("--flash", type=Path, help="directory that keeps what the board stores")
    parser.add_argument("--presses", type=Path, help="directory in which `twin press` asks for a button")
    parser.add_argument("--weather", type=Path, help="hourly weather as CSV instead of the generated one")
    parser.add_argument("--linger", type=float, default=0.0, help="end after so many silent wall seconds; 0 = never")
    parser.add_argument("--start", type=datetime.fromisoformat, help="wall time of the twin's beginning (default: now)")
    parser.add_argument("--ahead", type=float, default=0.0, help="seconds the board has been on at the beginning")
    parser.add_argument("--vary", action="store_true", help="vary the tent's parameters by the seed")
    return parser.parse_args(argv)


def _board(options: argparse.Namespace) -> VirtualBoard:
    if not 0.0 < options.time_scale <= 10_000.0:
        raise TomatoError(
            "E-TWIN-TIME-SCALE",
            f"--time-scale is {options.time_scale}.",
            "Give a number above 0 and at most 10000; lock step has no scale and no server.",
        )
    params = TentParams.sample(options.seed) if options.vary else None
    weather = MeasuredWeather(options.weather) if options.weather else None
    start = (options.start or datetime.now(UTC) - timedelta(seconds=options.ahead)).astimezone(UTC)
    world = World(options.seed, params, Scenario.parse(options.scenario), start, weather)
    return VirtualBoard(world, options.flash)


def _make_link(link: Path, port: str) -> None:
    fresh = link.with_name(link.name + f".{os.getpid()}")
    fresh.symlink_to(port)
    fresh.replace(link)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = _arguments(argv)
    try:
        board = _board(options)
        server = Server(board, options.time_scale, options.state, options.linger, options.presses, options.ahead)
        signal.signal(signal.SIGTERM, server.end)
        signal.signal(signal.SIGINT, server.end)
        signal.signal(signal.SIGUSR1, server.reset)
        try:
            if options.link:
                _make_link(options.link, board.port_path)
            print(json.dumps({"port": board.port_path, "pid": os.getpid()}), flush=True)
            server.run()
        finally:
            board.close()
            if options.link and options.link.is_symlink():
                options.link.unlink()
    except TomatoError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
