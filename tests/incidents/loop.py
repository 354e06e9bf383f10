"""The whole deciding loop on the real firmware in lock step: hours in seconds, with a clock that can be set."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from tomato_host.app import brain_settings, loop_settings
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain
from tomato_host.commands.inbox import Inbox, Reply, Request, submit
from tomato_host.loop.board_runtime import BoardRuntime, SerialLink
from tomato_host.loop.clock import Wake, wall_time_at
from tomato_host.loop.extensions import NoDisplay
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import Supervisor
from tomato_host.recovery.crash_recovery import read_interrupted_actions
from tomato_host.recovery.stored_samples import stored_samples
from tomato_host.settings import Settings
from tomato_host.storage.dataset import Dataset
from tomato_host.twin.board_runtime import SIM_START, LockStepClock
from tomato_host.twin.lockstep import LockStep

from shared_schemas.records import EventV1, Record


class MemoryStore:
    """Stores records in memory as well as in the dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self.records: list[Record] = []
        self._dataset = dataset

    def offer(self, record: Record) -> bool:
        self.records.append(record)
        return self._dataset.offer(record)


class SetClock:
    """The lock step's clock, whose wall time a test may set; its monotonic count goes on."""

    def __init__(self, clock: LockStepClock) -> None:
        self._clock = clock
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self.ahead

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()

    def wait_until_ms(self, deadline_ms: int, wake: Wake | None = None) -> None:
        self._clock.wait_until_ms(deadline_ms, wake)


class Board:
    """The real firmware in its tent, and the link to it."""

    def __init__(self, place: Path, start: datetime = SIM_START) -> None:
        self.twin = LockStep(5, start=start, flash=place / "flash")
        self.link = SerialLink(self.twin.port_path, self.twin.open_port)
        self.hosts = 0

    def live_alone(self, seconds: float) -> None:
        """Let time pass with no host."""
        end_ms = self.twin.now_ms + round(seconds * 1_000)
        while self.twin.now_ms < end_ms:
            self.twin.advance(end_ms, self.link.bytes_written)


class Loop:
    """Supervisor, brain, session, board and tent; every record in order, and the inbox of requests."""

    def __init__(
        self, place: Path, settings: Settings | None = None, start: datetime = SIM_START, board: Board | None = None
    ) -> None:
        """`board`: one that an earlier loop has left behind."""
        self.board = board or Board(place, start)
        self.twin, link = self.board.twin, self.board.link
        self.data = place
        self.clock = SetClock(LockStepClock(self.twin, link, 0.0))
        runtime = BoardRuntime(self.clock, link, "lock step", real_time=False)
        self.board.hosts += 1
        self.dataset = Dataset.open(place)
        self.session = BoardSession(
            link.open, self.board.hosts, stored_samples(place, partial(wall_time_at, self.clock))
        )
        self.session.open_now()
        self.kept = MemoryStore(self.dataset)
        self.status = status = Status(started_at=runtime.clock.now(), now=runtime.clock.now(), port=link.url)
        self.recorder = Recorder(self.kept, status)
        settings = settings or Settings()
        self.brain = Brain(brain_settings(settings))
        self.supervisor = Supervisor(
            loop_settings(settings),
            runtime,
            self.session,
            self.brain,
            self.recorder,
            status,
            NoDisplay(),
            Inbox(place),
            interrupted=read_interrupted_actions(place),
        )
        self.supervisor.begin()

    def live(self, seconds: float) -> None:
        """Let this much time pass, whatever the wall clock says."""
        self.supervisor.scheduler.run(self.twin.now_ms + round(seconds * 1_000), None, self.supervisor.poll)

    def ask(self, request: Request, within_s: float) -> Reply | None:
        """The answer to one request, if it came within this much simulated time."""
        submit(self.data, request)
        path = self.data / "inbox" / "replies" / f"{request.id}.json"
        end_ms = self.twin.now_ms + round(within_s * 1_000)
        while self.twin.now_ms < end_ms and not path.exists():
            self.live(0.5)
        return Reply.model_validate_json(path.read_bytes()) if path.exists() else None

    def events(self, name: str) -> list[EventV1]:
        return [r for r in self.kept.records if isinstance(r, EventV1) and r.name == name]

    def die(self) -> Board:
        """As kill -9: no orderly shutdown. The system closes files and port; the board runs on."""
        self.session.close()
        self.dataset.close()
        return self.board

    def close(self) -> None:
        self.die()
        self.twin.close()
