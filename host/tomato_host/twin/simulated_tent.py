"""A tent with its board, without line and bytes, as a source of observations: for campaigns, learning and training.

The physics of `world.py`, the firmware's core of `core_board.py`, and the person of `grower.py`. What the board reports
becomes records by the same code as with a real board (`sources/board.py`). Commands are the wire's, by their names.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import DeviceStatusV1, ObservationV1
from shared_schemas.wire import SCHEMA_HASH
from tomato_host.board.events import Connected, Result
from tomato_host.board.protocol import Hello
from tomato_host.sources.board import BoardSource
from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.core_board import SENSE_PERIOD_MS, CoreBoard
from tomato_host.twin.grower import Grower
from tomato_host.twin.outside import Weather
from tomato_host.twin.params import TentParams
from tomato_host.twin.world import World

DAY_MS = 86_400_000
POWER_ON, HARD_RESET = 1, 2
NOT_AFTER_MS = 10_000
"""How long a command may be under way."""


class SimulatedTent:
    """One tent, moved on by `advance` and `next_observation`. The same arguments give the same tent."""

    lacking: Final[frozenset[str]] = frozenset()

    def __init__(
        self,
        seed: int = 0,
        params: TentParams | None = None,
        scenario: Scenario | str | None = None,
        start: datetime | None = None,
        period_s: float = 10.0,
        weather: Weather | None = None,
        timezone: str = "UTC",
    ) -> None:
        """`period_s` is the time between observations, whose days and stamps are those of `timezone`.

        Raises TomatoError for an unknown scenario, or without the firmware's files.
        """
        faults = scenario if isinstance(scenario, Scenario) else Scenario.parse(scenario)
        self.world = World(seed, params, faults, start, weather)
        self.period_ms = round(period_s * 1_000)
        self.board = CoreBoard(self.world, min(SENSE_PERIOD_MS, max(10_000, self.period_ms)))
        self.board.host_renews = True
        self._grower = Grower(self.board)
        self._source = BoardSource(timezone, core_in_process=True)
        self._greeted = 0
        self._commands = 0
        self._open: set[int] = set()
        self._results: list[Result] = []
        self._news = (0, 0)
        self._meet_boot()

    @property
    def now(self) -> datetime:
        """Wall time in the tent."""
        return self.world.start + timedelta(milliseconds=self.board.now_ms)

    @property
    def now_ms(self) -> int:
        """Milliseconds since the start."""
        return self.board.now_ms

    # -- observing

    def next_observation(self, after_ms: int | None = None) -> ObservationV1 | None:
        """Advance by one period (or `after_ms`) and observe. While the line is cut, time passes unobserved."""
        self.advance((self.period_ms if after_ms is None else after_ms) / 1_000.0)
        for _ in range(7 * DAY_MS // self.period_ms):
            if not self.silent:
                return self.observe()
            self.advance(self.period_ms / 1_000.0)
        return None

    @property
    def silent(self) -> bool:
        """Whether nobody can hear the board just now: the line is cut, the host is gone, or the board boots."""
        return self.board.deaf or self.board.core is None

    def observe(self) -> ObservationV1:
        """Readings of this moment, as a sample of the board would carry them. Only while the board is not silent."""
        board, now, now_ms = self.board, self.now, self.board.now_ms
        board.measure()
        self._collect()
        if board.news != self._news:
            self._news = board.news
            self._source.on_health(board.health(), now)
        observation, self._devices = self._source.on_sample(board.sample(), now, now_ms)
        return observation

    def device_status(self) -> DeviceStatusV1:
        """The outputs and the board as the last observation found them (before the first: after its boot)."""
        return self._devices

    def take_acknowledgement(self) -> bool:
        """True once after the person has cleared a fault."""
        return self._grower.take_acknowledgement()

    # -- commanding

    def pulse(self, output: str, amount: int) -> int:
        """Ask for a pulse in ms, or ml for the pump; returns the command's id. What came of it is in `take_results`."""
        return self._send("PULSE", output=OUTPUT_BY_NAME[output].wire_id, amount=amount)

    def stop(self, output: str) -> int:
        """End the pulse of one output."""
        return self._stop("STOP", output=OUTPUT_BY_NAME[output].wire_id)

    def stop_all(self) -> int:
        """End the pulses of all outputs."""
        return self._stop("STOP_ALL")

    def _stop(self, name: str, **fields: int) -> int:
        """A command that ends pulses is never too late: it has no `not_after_ms`."""
        self._commands += 1
        self._keep(self.board.command(name, cmd_id=self._commands, **fields))
        return self._commands

    def take_results(self) -> list[Result]:
        """What the board has said to commands since the last call, the ends of pulses included, in order."""
        self._collect()
        results, self._results = self._results, []
        return results

    @property
    def has_results(self) -> bool:
        """Whether `take_results` has something to return."""
        return bool(self._results) or self.board.has_ended

    def _send(self, name: str, **fields: int) -> int:
        self._commands += 1
        not_after_ms = self.board.board_ms + NOT_AFTER_MS
        self._keep(self.board.command(name, cmd_id=self._commands, not_after_ms=not_after_ms, **fields))
        return self._commands

    def _keep(self, answer: Result | None) -> None:
        self._collect()
        if answer is None:
            answer = Result(self._commands, "REJECTED", "no_answer", 0.0)
        if answer.status == "ACCEPTED":
            self._open.add(answer.cmd_id)
        self._results.append(answer)

    def _collect(self) -> None:
        """Ends of pulses, in order, as the board tells them at once."""
        for result in self.board.take_ended():
            self._open.discard(result.cmd_id)
            self._results.append(result)

    # -- time

    def advance(self, seconds: float) -> None:
        """Let time pass; the person comes when it is time."""
        self.advance_to(self.board.now_ms + round(seconds * 1_000))

    def advance_to(self, target_ms: int, until_result: bool = False) -> None:
        """Let time pass to `target_ms`, with `until_result` no further than to the end of a pulse."""
        board, grower = self.board, self._grower
        while grower.next_ms <= target_ms:
            board.run_to(max(grower.next_ms, board.now_ms))
            grower.act()
        board.run_to(target_ms, until_result)
        grower.look()
        if board.boots != self._greeted:
            self._meet_boot()

    def _meet_boot(self) -> None:
        """A board that has started anew: what was under way has ended with its reset, as the link's session says."""
        board = self.board
        again = self._greeted > 0
        self._collect()
        self._greeted = board.boots
        for cmd_id in sorted(self._open):
            self._results.append(Result(cmd_id, "ABORTED", "reset", 0.0))
        self._open.clear()
        hello = Hello(
            schema_hash=SCHEMA_HASH, boot_id=board.boots, firmware="core", board="simulated", uid=b"",
            uptime_ms=board.board_ms, reset_cause=HARD_RESET if again else POWER_ON, config_crc=0,
        )  # fmt: skip
        self._source.on_connected(Connected(hello, new_boot=again), self.now)
        if not self.silent:
            self._news = board.news
            self._devices = self._source.on_health(board.health(), self.now)
