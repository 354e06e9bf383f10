"""Which extensions and which display a run has: what its settings, its board and its pace ask for."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from shared_schemas.records.targets_v1 import TargetSet
from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.advisor_agent import ADVISOR, AdvisorAgent
from tomato_host.advisor.extension import AdvisorExtension
from tomato_host.brain.brain import Brain
from tomato_host.brain.control.targets import base_targets
from tomato_host.loop.board_runtime import BoardRuntime
from tomato_host.loop.disk_watch import DiskWatch
from tomato_host.loop.extensions import Display, Extension, NoDisplay
from tomato_host.loop.grown_blocks import GrownBlocks
from tomato_host.loop.model_checkpoints import ModelCheckpoints
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.sd_notify import from_environment
from tomato_host.loop.status import Status
from tomato_host.loop.weather_watch import WeatherWatch
from tomato_host.models.blocks import BlockStore
from tomato_host.models.store import ModelStore
from tomato_host.models.what_if import pack_inputs
from tomato_host.recovery.recorded_agents import read_advisor_tokens
from tomato_host.run_options import SIM, RunOptions
from tomato_host.service.feeds import bus_feed, dashboard_feed, mqtt_feed
from tomato_host.service.foreign_readings import ForeignReadings
from tomato_host.service.installation import Installation
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.notify.extension import build_notifier
from tomato_host.service.recent_day import recent_day
from tomato_host.service.world_gateway import WorldGateway
from tomato_host.settings import Settings
from tomato_host.storage.budgeted_store import BudgetedStore
from tomato_host.terminal.status_lines import LineDisplay
from tomato_host.weather.service import build_service
from tomato_host.world.worlds.tent import TentViews


def plugs_of_real_boards(settings: Settings, board: str | None) -> MqttSettings:
    """The settings of MQTT; a virtual board moves no real plug, whatever its simulated lamp does."""
    if (board or settings.board.url) != SIM:
        return settings.mqtt
    return settings.mqtt.model_copy(update={"plugs": ()})


def extensions_of(
    options: RunOptions,
    settings: Settings,
    runtime: BoardRuntime,
    brain: Brain,
    recorder: Recorder,
    status: Status,
    store: BudgetedStore,
    views: TentViews,
) -> tuple[Extension, ...]:
    """What the settings ask for. A simulation has no network and no advisor: it must repeat to the byte. One that keeps
    a pace is watched by a person: the page, and the world that its process serves, with the routes of both.
    """
    if not runtime.real_time:
        has_page = options.time_scale > 0.0
        return _page(options, settings, runtime, brain, recorder, status, views) if has_page else ()
    extensions: list[Extension] = [
        ModelCheckpoints(ModelStore(options.data_dir / "models"), brain, recorder, runtime.clock.now),
        GrownBlocks(BlockStore(options.data_dir / "models" / "blocks"), brain, recorder),
        DiskWatch(store, status, options.data_dir, report=recorder.report_stored),
    ]
    site = settings.site
    if settings.weather.provider != "none":
        service = build_service(
            settings.weather, site.latitude_deg, site.longitude_deg, site.timezone, options.data_dir / "cache"
        )
        extensions.append(WeatherWatch(service, brain, recorder, runtime.clock.now))
    if settings.advisor.enabled:
        every = timedelta(seconds=settings.advisor.wake_every_s)
        advisor = Advisor(settings.advisor, options.data_dir)
        record = brain.admission.pipeline.accounts[ADVISOR].record
        agent = AdvisorAgent(record, read_advisor_tokens(options.data_dir))
        extensions.append(AdvisorExtension(advisor, recorder, ZoneInfo(site.timezone), every, brain, agent))
    extensions += _page(options, settings, runtime, brain, recorder, status, views)
    if settings.mqtt.enabled:
        mqtt = plugs_of_real_boards(settings, options.board)
        readings = ForeignReadings(mqtt.sensors, recorder, brain.add_extra_reading, site.zone)
        extensions.append(mqtt_feed(mqtt, status, recorder, options.data_dir, readings))
    if settings.bus.enabled:
        extensions.append(bus_feed(settings.bus, status, recorder, options.data_dir))
    if settings.notify.enabled:
        zone = settings.site.timezone
        extensions.append(
            build_notifier(settings.notify, recorder, options.data_dir, os.environ, settings.bus.node, zone)
        )
    if notifier := from_environment(os.environ, status):
        extensions.append(notifier)
    return tuple(extensions)


def _installation(options: RunOptions, settings: Settings) -> Installation:
    """What the dashboard is told about this installation."""
    return Installation(
        settings_file=str(options.config.absolute()) if options.config else "",
        board_given=options.board is not None,
        tent=settings.tent,
        stage=settings.control.stage,
        stage_since=settings.control.stage_since,
        usual_targets=_usual_targets(settings),
        push=settings.notify.enabled and settings.notify.push,
        push_services=settings.notify.push_services,
    )


def _page(
    options: RunOptions,
    settings: Settings,
    runtime: BoardRuntime,
    brain: Brain,
    recorder: Recorder,
    status: Status,
    views: TentViews,
) -> tuple[Extension, ...]:
    """The dashboard's process, and this end of the world that it serves."""
    if not settings.service.enabled:
        return ()
    about = _installation(options, settings)
    if not runtime.real_time:
        about = about.model_copy(update={"present": status.started_at, "demo": options.fault_menu})
    dashboard = dashboard_feed(settings.service, settings.bus, status, recorder, options.data_dir, about)
    forecast_inputs = partial(pack_inputs, brain)
    return dashboard, WorldGateway(dashboard, brain.admission, views, recorder, runtime.clock.now, forecast_inputs)


def _usual_targets(settings: Settings) -> TargetSet:
    """What the settings ask for, before any weather is known."""
    return base_targets(settings.control, settings.budgets)


def display_of(
    options: RunOptions, settings: Settings, status: Status, runtime: BoardRuntime, recorder: Recorder
) -> Display:
    zone = ZoneInfo(settings.site.timezone)
    if options.as_json or (not runtime.real_time and options.time_scale == 0.0):
        return NoDisplay()
    if not sys.stdout.isatty():
        return LineDisplay(status, zone)
    from tomato_host.terminal.panel import LiveDisplay  # rich is for people at a terminal; a service does without

    return LiveDisplay(status, zone, recent_day(options.data_dir, recorder, _usual_targets(settings)))
