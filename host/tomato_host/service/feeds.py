"""The child processes that the deciding loop feeds: dashboard, MQTT, bus. Each factory returns a loop extension."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tomato_host.errors import TomatoError
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import parse_address, require_extra
from tomato_host.service.feed import ProcessFeed
from tomato_host.service.foreign_readings import ForeignReadings
from tomato_host.service.installation import Installation
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.plug_events import PlugEvents
from tomato_host.service.settings import PORT_TAKEN, ServiceSettings


def dashboard_command(
    data_dir: Path, settings: ServiceSettings, bus: BusSettings, installation: Installation
) -> list[str]:
    """Starts the dashboard's process; `bus` names the broker of its fleet page."""
    about = ["--bus", bus.model_dump_json(), "--installation", installation.model_dump_json()]
    return [*_command("tomato_host.service.serve", data_dir, settings), *about]


def dashboard_feed(
    settings: ServiceSettings,
    bus: BusSettings,
    status: Status,
    recorder: Recorder,
    data_dir: Path,
    installation: Installation | None = None,
) -> ProcessFeed:
    """The dashboard's process beside the deciding loop."""
    command = dashboard_command(data_dir, settings, bus, installation or Installation())
    on_exit = _port_taken_event(settings, status, recorder)

    def on_status(told: dict[str, Any], _now: datetime) -> None:
        if told.get("listens") and settings.port:
            status.dashboard, status.dashboard_detail = settings.url, ""

    return ProcessFeed(status, recorder, command, "dashboard", on_exit=on_exit, on_status=on_status)


def mqtt_feed(
    settings: MqttSettings,
    status: Status,
    recorder: Recorder,
    data_dir: Path,
    readings: ForeignReadings | None = None,
) -> ProcessFeed:
    """The MQTT process; `readings` gets the values of foreign sensors. Raises TomatoError E-EXTRA-MQTT."""
    if importlib.util.find_spec("aiomqtt") is None:
        raise TomatoError("E-EXTRA-MQTT", "aiomqtt is not installed.", "pip install '.[mqtt]'")
    command = _command("tomato_host.service.mqtt.serve", data_dir, settings)
    plugs = PlugEvents(recorder)
    events = BrokerEvents(recorder, "mqtt", f"{settings.host}:{settings.port}")

    def on_status(told: dict[str, Any], now: datetime) -> None:
        events.on_status(told, now)
        plugs.on_status(told, now)
        if readings is not None:
            readings.on_status(told, now)

    return ProcessFeed(status, recorder, command, "mqtt", on_exit=events.on_exit, on_status=on_status)


def bus_feed(settings: BusSettings, status: Status, recorder: Recorder, data_dir: Path) -> ProcessFeed:
    """The bus process. Raises TomatoError E-EXTRA-REDIS, E-EXTRA-MQTT."""
    require_extra(parse_address(settings.url))
    events = BrokerEvents(recorder, "bus", str(parse_address(settings.url)))
    command = _command("tomato_host.service.bus.serve", data_dir, settings)
    return ProcessFeed(status, recorder, command, "bus", on_exit=events.on_exit, on_status=events.on_status)


class BrokerEvents:
    """Records trouble with a broker once for each cause, its end, and each unexpected end of the process."""

    def __init__(self, recorder: Recorder, feed: str, broker: str) -> None:
        """`broker` is its address as a reader knows it, without a password."""
        self._recorder = recorder
        self._feed = feed
        self._broker = broker
        self._recorded = ""

    def on_status(self, told: dict[str, Any], now: datetime) -> None:
        """What the process says about its connection."""
        trouble = str(told.get("trouble") or "")
        if trouble and trouble != self._recorded:
            self._recorded = trouble
            text = f"The broker {self._broker}: {trouble}. Everything else continues."
            self._recorder.event(now, "WARNING", "process", f"{self._feed}_trouble", text[:500])
        elif told.get("up") and not trouble and self._recorded:
            self._recorded = ""
            text = f"The broker {self._broker} answers again."
            self._recorder.event(now, "INFO", "process", f"{self._feed}_connected", text)

    def on_exit(self, code: int, now: datetime) -> None:
        """The process has ended by itself; the feed starts it again."""
        text = f"The {self._feed} process has ended with code {code} and is started again."
        self._recorder.event(now, "WARNING", "process", f"{self._feed}_process_ended", text, code=code)


def _command(module: str, data_dir: Path, settings: BaseModel) -> list[str]:
    return [sys.executable, "-m", module, "--data-dir", str(data_dir), "--settings", settings.model_dump_json()]


def _port_taken_event(settings: ServiceSettings, status: Status, recorder: Recorder) -> Callable[[int, datetime], None]:
    """Records once that the dashboard's port is taken; the process is started again all the same."""
    is_recorded = False

    def on_exit(code: int, now: datetime) -> None:
        nonlocal is_recorded
        if code != PORT_TAKEN:
            return
        status.dashboard, status.dashboard_detail = "", f"no dashboard: {settings.host}:{settings.port} is taken"
        if is_recorded:
            return
        is_recorded = True
        recorder.event(
            now,
            "WARNING",
            "process",
            "dashboard_port_taken",
            f"No dashboard: {settings.host}:{settings.port} is taken, by another host perhaps. "
            "Everything else continues; set [service] port to a free one, or 0 for any.",
        )

    return on_exit
