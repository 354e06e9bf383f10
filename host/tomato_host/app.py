"""The composition root: from the command line's arguments to a running supervisor, and the summary at the end.

The one place that wires packages together; only `cli` stands above it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.extension import AdvisorExtension
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain, BrainSettings
from tomato_host.commands.inbox import Inbox
from tomato_host.errors import TomatoError
from tomato_host.log_file import log_to
from tomato_host.loop.clock import RealClock, wall_time_at
from tomato_host.loop.disk_watch import DiskWatch
from tomato_host.loop.extensions import Display, Extension, NoDisplay
from tomato_host.loop.model_checkpoints import ModelKeeper
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.rig import Ports, Rig
from tomato_host.loop.sd_notify import from_environment
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import LoopSettings, Supervisor
from tomato_host.loop.weather_watch import WeatherWatch
from tomato_host.models.store import ModelStore
from tomato_host.recovery.crash_recovery import read_interrupted_actions
from tomato_host.recovery.stored_samples import stored_samples
from tomato_host.service.bus.extension import build_bus
from tomato_host.service.feed import Feed
from tomato_host.service.mqtt.extension import build_feed
from tomato_host.service.notify.extension import build_notifier
from tomato_host.settings import Settings, load_settings
from tomato_host.storage.budgeted import BudgetedStore
from tomato_host.storage.dataset import Dataset
from tomato_host.terminal.status_lines import LineDisplay
from tomato_host.weather.service import build_service

SIM = "sim"
HOUR_MS = 3_600_000
SYNC_TAKES_S = 5.0
"""What the sync of a slow card may take; until then the board keeps its own copy."""
SIM_SESSION = 1
"""A simulated run takes the same session number every time; a real one draws it, so that names never repeat."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asked for."""

    board: str | None
    config: Path | None
    data_dir: Path
    time_scale: float = 1.0
    duration_hours: float | None = None
    seed: int = 0
    scenario: str = ""
    start: datetime | None = None
    as_json: bool = False


def brain_settings(settings: Settings) -> BrainSettings:
    """The brain's part of the settings."""
    return BrainSettings(
        site=settings.site,
        budgets=settings.budgets,
        estimator=settings.estimator,
        control=settings.control,
        guardrails=settings.guardrails,
        safe_mode=settings.safe_mode,
        world_model=settings.world_model,
    )


def loop_settings(settings: Settings) -> LoopSettings:
    """The deciding loop's part of the settings."""
    return LoopSettings(
        zone=ZoneInfo(settings.site.timezone),
        telemetry_period_s=settings.board.telemetry_period_s,
        lease_renew_s=settings.board.lease_renew_s,
        state_period_s=settings.estimator.state_period_s,
        decision_period_s=settings.control.cycle_s,
    )


def run_job(job: Job) -> int:
    """Run until the duration is over or somebody stops it. Returns the exit code.

    Raises TomatoError for what a person can mend: settings, port, data directory, firmware.
    """
    settings = load_settings(job.config)
    started_s = time.monotonic()
    start = job.start.replace(tzinfo=UTC) if job.start is not None and job.start.tzinfo is None else job.start
    url = job.board or settings.board.url
    with log_to(settings.logs) as terminal, _dataset(job, settings, url) as dataset, _rig(job, url, start) as rig:
        supervisor = _build(job, settings, rig, dataset)
        begun_ms = rig.clock.monotonic_ms()
        until_ms = None if job.duration_hours is None else begun_ms + round(job.duration_hours * HOUR_MS)
        with _signals(supervisor.scheduler.stop):
            supervisor.run(until_ms)
        if job.as_json:
            simulated_h = (rig.clock.monotonic_ms() - begun_ms) / HOUR_MS
            print(json.dumps(summary(supervisor.status, time.monotonic() - started_s, simulated_h)), file=terminal)
    return 0


def summary(status: Status, wall_s: float, sim_h: float) -> dict[str, float]:
    """The figures of one run."""
    tally = status.tally
    return {
        "states": tally.states,
        "actions": tally.actions,
        "refused": tally.refused,
        "anomalies": tally.anomalies,
        "water_ml": round(tally.water_ml, 1),
        "wall_s": round(wall_s, 2),
        "sim_h": round(sim_h, 3),
    }


def _build(job: Job, settings: Settings, rig: Rig, dataset: Dataset) -> Supervisor:
    status = Status(started_at=rig.clock.now(), now=rig.clock.now(), port=rig.ports.url)
    if rig.real_time and settings.service.enabled and settings.service.port:
        status.dashboard = f"http://{settings.service.host}:{settings.service.port}"
    number = random.SystemRandom().randrange(1, 1 << 16) if rig.real_time else SIM_SESSION
    is_stored = stored_samples(job.data_dir, partial(wall_time_at, rig.clock)) if rig.real_time else lambda _: False
    session = BoardSession(
        rig.ports.open, number, is_stored, lambda: not dataset.waiting, *_safe_after_ms(settings, rig.real_time)
    )
    session.open_now()
    inbox = Inbox(job.data_dir) if rig.real_time or job.time_scale > 0.0 else None
    brain, store = _brain(settings, rig), BudgetedStore(dataset, lambda: rig.clock.monotonic_ms() / 1000.0)
    recorder = Recorder(store, status)
    store.tell = recorder.record
    return Supervisor(
        loop_settings(settings),
        rig,
        session,
        brain,
        recorder,
        status,
        _display(job, settings, status, rig),
        inbox,
        _extensions(job, settings, rig, brain, recorder, status, store),
        read_interrupted_actions(job.data_dir) if rig.real_time else None,
    )


def _safe_after_ms(settings: Settings, real_time: bool) -> tuple[int, int]:
    """How long after a sample, and an event, was handed to the dataset it has surely survived a power cut."""
    storage = settings.storage
    if storage.fsync != "interval" or not real_time:
        return 0, 0
    samples_s, events_s = storage.fsync_telemetry_s + SYNC_TAKES_S, storage.fsync_interval_s + SYNC_TAKES_S
    return round(samples_s * 1000), round(events_s * 1000)


def _brain(settings: Settings, rig: Rig) -> Brain:
    """The brain; only in real time is the planner bound by seconds."""
    return Brain(brain_settings(settings), time.monotonic) if rig.real_time else Brain(brain_settings(settings))


def _extensions(
    job: Job, settings: Settings, rig: Rig, brain: Brain, recorder: Recorder, status: Status, store: BudgetedStore
) -> tuple[Extension, ...]:
    """What hangs on the loop in real time. A simulation has no network and no advisor: it must repeat to the byte."""
    if not rig.real_time:
        return ()
    found: list[Extension] = [
        ModelKeeper(ModelStore(job.data_dir / "models"), brain, recorder, rig.clock.now),
        DiskWatch(store, status, job.data_dir),
    ]
    site = settings.site
    if settings.weather.provider != "none":
        service = build_service(
            settings.weather, site.latitude_deg, site.longitude_deg, site.timezone, job.data_dir / "cache"
        )
        found.append(WeatherWatch(service, brain, recorder, rig.clock.now))
    if settings.agent.enabled:
        every = timedelta(seconds=settings.agent.wake_every_s)
        advisor = Advisor(settings.agent, job.data_dir)
        found.append(AdvisorExtension(advisor, recorder, ZoneInfo(site.timezone), every, brain))
    if settings.service.enabled:
        found.append(Feed(status, recorder, settings.service, job.data_dir, bus=settings.bus))
    if settings.mqtt.enabled:
        found.append(build_feed(settings.mqtt, status, recorder, job.data_dir))
    if settings.bus.enabled:
        found.append(build_bus(settings.bus, status, recorder, job.data_dir))
    if settings.notify.enabled:
        found.append(build_notifier(settings.notify, recorder, job.data_dir, os.environ))
    if told := from_environment(os.environ, status):
        found.append(told)
    return tuple(found)


def _display(job: Job, settings: Settings, status: Status, rig: Rig) -> Display:
    zone = ZoneInfo(settings.site.timezone)
    if job.as_json or (not rig.real_time and job.time_scale == 0.0):
        return NoDisplay()
    if not sys.stdout.isatty():
        return LineDisplay(status, zone)
    from tomato_host.terminal.panel import LiveDisplay  # rich is for people at a terminal; a service does without

    return LiveDisplay(status, zone)


@contextmanager
def _dataset(job: Job, settings: Settings, url: str) -> Iterator[Dataset]:
    about = {"board": url} | ({"seed": job.seed, "scenario": job.scenario} if url == SIM else {})
    brain = settings.model_dump(mode="json", include=set(BrainSettings.__dataclass_fields__))
    brain["site"] = {"timezone": settings.site.timezone}  # the position never leaves the settings
    dataset = Dataset.from_settings(
        job.data_dir, settings.storage, about={**about, "settings": brain}, now=lambda: datetime.now(UTC)
    )
    try:
        yield dataset
    finally:
        dataset.close()


def open_rig(
    url: str,
    *,
    time_scale: float = 1.0,
    seed: int = 0,
    scenario: str = "",
    start: datetime | None = None,
    flash: Path | None = None,
) -> Rig:
    """Make a rig for `url` (`sim` for the virtual board).

    Raises TomatoError: what SerialPort.open or the twin raises; E-TIME-SCALE for a scaled real board.
    """
    if url == SIM:
        from tomato_host.twin import rig as twin_rig  # a real tent needs none of it

        if time_scale == 1.0:
            return twin_rig.free_running_rig(seed, scenario, flash)
        return twin_rig.lock_step_rig(time_scale, seed, scenario, start, flash)
    if time_scale != 1.0:
        raise TomatoError(
            "E-TIME-SCALE", f"A real board cannot run at time scale {time_scale:g}.", "leave --time-scale out"
        )
    if scenario:
        raise TomatoError("E-SCENARIO-BOARD", "Scenarios exist on the virtual board only.", "use --board sim")
    ports = Ports(url)
    return Rig(RealClock(), ports, url, real_time=True)


@contextmanager
def _rig(job: Job, url: str, start: datetime | None) -> Iterator[Rig]:
    rig = open_rig(url, time_scale=job.time_scale, seed=job.seed, scenario=job.scenario, start=start)
    try:
        yield rig
    finally:
        rig.close()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM ask for an orderly end; the second one is for the impatient."""
    before: dict[int, Any] = {}

    def handler(number: int, _frame: object) -> None:
        stop()
        signal.signal(number, before[number])

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
