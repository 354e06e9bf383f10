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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tomato_host.addresses import why_not_bound
from tomato_host.atomic_file import owner_only
from tomato_host.board.session import BoardSession
from tomato_host.brain.brain import Brain
from tomato_host.brain.step_data import BrainSettings
from tomato_host.commands.inbox import Inbox
from tomato_host.errors import TomatoError
from tomato_host.features import read_features
from tomato_host.first_run import is_first_run, wait_for_settings
from tomato_host.log_file import check_log_file, log_to
from tomato_host.loop.board_runtime import BoardRuntime, SerialLink
from tomato_host.loop.clock import RealClock, wall_time_at
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.loop.supervisor import LoopSettings, Supervisor
from tomato_host.recovery.crash_recovery import read_interrupted_actions
from tomato_host.recovery.recorded_agents import read_agents
from tomato_host.recovery.recorded_day import read_recorded_day
from tomato_host.recovery.stored_samples import stored_samples
from tomato_host.run_extensions import display_of, extensions_of
from tomato_host.run_options import SIM, RunOptions
from tomato_host.service.settings import why_no_tls
from tomato_host.settings import Settings, load_settings
from tomato_host.settings_file import default_file
from tomato_host.storage.budgeted_store import BudgetedStore
from tomato_host.storage.dataset import Dataset
from tomato_host.toml_file import shown
from tomato_host.world.telemetry import WorldTelemetry
from tomato_host.world.worlds.tent import TentViews

RESTART = 75
"""Exit code of a run that is to start anew (`cli/run.py` does it): EX_TEMPFAIL of sysexits.h."""
TRIAL = "TOMATO_SETTINGS_TRIAL"
"""Environment variable of a restart with new settings: their file, until the run has begun."""
REFUSED = "TOMATO_SETTINGS_REFUSED"
"""Environment variable of the restart after one that failed: why."""
HOUR_MS = 3_600_000
SYNC_ALLOWANCE_S = 5.0
"""What the sync of a slow SD card may take; until then the board keeps its own copy."""
SIM_SESSION = 1
"""A simulated run has the same session number every time; a real one is random, so that ids never repeat."""


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


def check_addresses(settings: Settings, path: Path | None, environment: Mapping[str, str]) -> None:
    """Raises TomatoError E-CONFIG-INVALID when the dashboard cannot listen on its address on this machine.

    Not under systemd: there a network that comes late, or never, must not keep the plant from being watered; the
    dashboard's process tries again by itself, and a warning is recorded.
    """
    if not settings.service.enabled:
        return
    if problem := why_no_tls(settings.service):
        raise TomatoError(
            "E-CONFIG-INVALID", f"{path or 'settings'}: {problem}.", "docs/https.md makes a pair that fits"
        )
    if "NOTIFY_SOCKET" in environment:
        return
    if reason := why_not_bound(settings.service.host):
        raise TomatoError(
            "E-CONFIG-INVALID",
            f"{path or 'settings'}: service.host = {shown(settings.service.host)}: this machine cannot listen on it"
            f" ({reason.lower()}).",
            "use 127.0.0.1, 0.0.0.0 or an address that `ip address` shows",
        )


def _with_settings_file(options: RunOptions) -> RunOptions | None:
    """The options with the settings file that holds: the one named, that of the data directory, or none.

    On the first run the set-up pages write it; None when a signal has ended them before.
    """
    is_plain = options.time_scale == 1.0 and options.duration_hours is None and not options.as_json
    is_first = is_plain and is_first_run(options.config, options.board, options.data_dir)
    if is_first and wait_for_settings(options.data_dir, sys.stdout, options.setup_port) is None:
        return None
    return replace(options, config=options.config or default_file(options.data_dir))


def _why_not_startable(options: RunOptions) -> str:
    """Why a new process could not start with the settings as they are now; empty when it could."""
    try:
        settings = load_settings(options.config or default_file(options.data_dir))
        check_addresses(settings, options.config, os.environ)
        check_log_file(settings.logs, options.config, options.data_dir)
    except TomatoError as error:
        return str(error)
    return ""


def run_host(asked: RunOptions) -> int:
    """Run until the duration is over or a signal stops it. Returns the exit code, RESTART when it is to start anew.

    Raises TomatoError for what the operator can correct: settings, port, data directory, firmware.
    """
    options = _with_settings_file(asked)
    if options is None:
        return 0
    settings = load_settings(options.config)
    check_addresses(settings, options.config, os.environ)
    check_log_file(settings.logs, options.config, options.data_dir)
    started_s = time.monotonic()
    start = (
        options.start.replace(tzinfo=UTC)
        if options.start is not None and options.start.tzinfo is None
        else options.start
    )
    url = options.board or settings.board.url
    with (
        owner_only(),
        log_to(settings.logs) as terminal,
        _dataset(options, settings, url) as dataset,
        _runtime(options, url, start) as runtime,
    ):
        supervisor = _build(options, settings, runtime, dataset)
        _record_refused_settings(supervisor)
        begun_ms = runtime.clock.monotonic_ms()
        until_ms = None if options.duration_hours is None else begun_ms + round(options.duration_hours * HOUR_MS)
        with _signals(supervisor.scheduler.stop) as received:
            supervisor.run(until_ms)
        if options.as_json:
            simulated_h = (runtime.clock.monotonic_ms() - begun_ms) / HOUR_MS
            print(json.dumps(summary(supervisor.status, time.monotonic() - started_s, simulated_h)), file=terminal)
    # Who stops a host that is ending to start anew means it: the new process would not know of the signal.
    return RESTART if supervisor.restarting and not received else 0


def _record_refused_settings(supervisor: Supervisor) -> None:
    """From here on the settings are good: an error later is none of theirs. An earlier set that failed is recorded."""
    os.environ.pop(TRIAL, None)
    if refused := os.environ.pop(REFUSED, ""):
        text = f"The host could not start with the new settings and went back to the former ones: {refused}"
        supervisor.record_warning("process", "settings_refused", text[:500])


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


def _build(options: RunOptions, settings: Settings, runtime: BoardRuntime, dataset: Dataset) -> Supervisor:
    status = Status(started_at=runtime.clock.now(), now=runtime.clock.now(), port=runtime.link.url)
    if options.time_scale > 0.0 and settings.service.enabled and settings.service.port:
        status.dashboard = settings.service.url
    number = random.SystemRandom().randrange(1, 1 << 16) if runtime.real_time else SIM_SESSION
    is_stored = (
        stored_samples(options.data_dir, partial(wall_time_at, runtime.clock)) if runtime.real_time else lambda _: False
    )
    session = BoardSession(
        runtime.link.open, number, is_stored, lambda: not dataset.waiting, *_safe_after_ms(settings, runtime.real_time)
    )
    session.open_now()
    # As fast as possible the same seed gives the same records, whatever lies in the directory.
    goes_on = runtime.real_time or options.time_scale > 0.0
    own_time = None if runtime.real_time else runtime.clock.now
    inbox = Inbox(options.data_dir, own_time) if goes_on else None
    brain, store = _brain(settings, runtime), BudgetedStore(dataset, lambda: runtime.clock.monotonic_ms() / 1000.0)
    for agent in read_agents(options.data_dir) if goes_on else ():
        brain.admission.set_agent(agent)
    recorder = Recorder(store, status)
    store.record_event = recorder.record
    views = TentViews(brain.settings.tent, brain.admission.pipeline)
    if goes_on:
        # First of the listeners: what the others pass on, every agent's view contains already.
        recorder.listeners.append(views.add)
    return Supervisor(
        loop_settings(settings),
        runtime,
        session,
        brain,
        recorder,
        status,
        display_of(options, settings, status, runtime, recorder),
        inbox,
        extensions_of(options, settings, runtime, brain, recorder, status, store, views),
        read_interrupted_actions(options.data_dir) if goes_on else None,
        WorldTelemetry(time.monotonic, read_features()),
        partial(_why_not_startable, options) if runtime.real_time else None,
        read_recorded_day(options.data_dir) if goes_on else None,
    )


def _safe_after_ms(settings: Settings, real_time: bool) -> tuple[int, int]:
    """How long after it was appended a sample, and an event, survives a power cut for sure."""
    storage = settings.storage
    if storage.fsync != "interval" or not real_time:
        return 0, 0
    samples_s, events_s = storage.fsync_telemetry_s + SYNC_ALLOWANCE_S, storage.fsync_interval_s + SYNC_ALLOWANCE_S
    return round(samples_s * 1000), round(events_s * 1000)


def _brain(settings: Settings, runtime: BoardRuntime) -> Brain:
    """The brain; its planner is bounded by wall time in real time only."""
    return Brain(brain_settings(settings), time.monotonic) if runtime.real_time else Brain(brain_settings(settings))


def recorded_settings(settings: Settings) -> dict[str, Any]:
    """What a dataset says about the settings it was recorded with; of the site the zone alone, no position."""
    brain = settings.model_dump(mode="json", include=set(BrainSettings.__dataclass_fields__))
    brain["site"] = {"timezone": settings.site.timezone}
    return brain


@contextmanager
def _dataset(options: RunOptions, settings: Settings, url: str) -> Iterator[Dataset]:
    about: dict[str, Any] = {"board": url} | (
        {"seed": options.seed, "scenario": options.scenario} if url == SIM else {}
    )
    about["settings"] = recorded_settings(settings)
    dataset = Dataset.from_settings(options.data_dir, settings.storage, about=about, now=lambda: datetime.now(UTC))
    try:
        yield dataset
    finally:
        dataset.close()


def open_board(
    url: str,
    *,
    time_scale: float = 1.0,
    seed: int = 0,
    scenario: str = "",
    start: datetime | None = None,
    flash: Path | None = None,
    data_dir: Path | None = None,
    fault_menu: bool = False,
) -> BoardRuntime:
    """Make a runtime for `url` (`sim` for the virtual board, whose buttons are pressed by a file below `data_dir`).

    `fault_menu`: at another pace than real time faults may be provoked the same way.
    Raises TomatoError: what SerialPort.open or the twin raises; E-TIME-SCALE for a scaled real board.
    """
    if url == SIM:
        from tomato_host.twin import board_runtime as twin_runtime  # a real tent needs none of it

        if time_scale == 1.0:
            return twin_runtime.free_running_board(seed, scenario, flash, data_dir)
        return twin_runtime.lock_step_board(time_scale, seed, scenario, start, flash, data_dir, fault_menu)
    if time_scale != 1.0:
        raise TomatoError(
            "E-TIME-SCALE", f"A real board cannot run at time scale {time_scale:g}.", "leave --time-scale out"
        )
    if scenario:
        raise TomatoError("E-SCENARIO-BOARD", "Scenarios exist on the virtual board only.", "use --board sim")
    link = SerialLink(url)
    return BoardRuntime(RealClock(), link, url, real_time=True)


@contextmanager
def _runtime(options: RunOptions, url: str, start: datetime | None) -> Iterator[BoardRuntime]:
    runtime = open_board(
        url,
        time_scale=options.time_scale,
        seed=options.seed,
        scenario=options.scenario,
        start=start,
        data_dir=options.data_dir,
        fault_menu=options.fault_menu,
    )
    try:
        yield runtime
    finally:
        runtime.close()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """SIGINT and SIGTERM ask for an orderly end; a second one ends at once. Gives the list of those received."""
    before: dict[int, Any] = {}
    received: list[int] = []

    def handler(number: int, _frame: object) -> None:
        received.append(number)
        stop()
        signal.signal(number, before[number])

    for number in (int(signal.SIGINT), int(signal.SIGTERM)):
        before[number] = signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, old in before.items():
            signal.signal(number, old)
