"""The child processes that the deciding loop feeds: dashboard, MQTT, bus. Each factory returns a loop extension."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from tomato_host.errors import TomatoError
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import parse_address, require_extra
from tomato_host.service.feed import ProcessFeed
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.settings import PORT_TAKEN, ServiceSettings


def dashboard_feed(
    settings: ServiceSettings, bus: BusSettings, status: Status, recorder: Recorder, data_dir: Path
) -> ProcessFeed:
    """The dashboard's process; `bus` names the broker of its fleet page."""
    command = [*_command("tomato_host.service.serve", data_dir, settings), "--bus", bus.model_dump_json()]
    return ProcessFeed(status, recorder, command, "dashboard", on_exit=_port_taken_event(settings, recorder))


def mqtt_feed(settings: MqttSettings, status: Status, recorder: Recorder, data_dir: Path) -> ProcessFeed:
    """The MQTT process. Raises TomatoError E-EXTRA-MQTT."""
    if importlib.util.find_spec("aiomqtt") is None:
        raise TomatoError("E-EXTRA-MQTT", "aiomqtt is not installed.", "pip install 'tomato-host[mqtt]'")
    return ProcessFeed(status, recorder, _command("tomato_host.service.mqtt.serve", data_dir, settings), "mqtt")


def bus_feed(settings: BusSettings, status: Status, recorder: Recorder, data_dir: Path) -> ProcessFeed:
    """The bus process. Raises TomatoError E-EXTRA-REDIS, E-EXTRA-MQTT."""
    require_extra(parse_address(settings.url))
    return ProcessFeed(status, recorder, _command("tomato_host.service.bus.serve", data_dir, settings), "bus")


def _command(module: str, data_dir: Path, settings: BaseModel) -> list[str]:
    return [sys.executable, "-m", module, "--data-dir", str(data_dir), "--settings", settings.model_dump_json()]


def _port_taken_event(settings: ServiceSettings, recorder: Recorder) -> Callable[[int, datetime], None]:
    """Records once that the dashboard's port is taken; the process is started again all the same."""
    is_recorded = False

    def on_exit(code: int, now: datetime) -> None:
        nonlocal is_recorded
        if code != PORT_TAKEN or is_recorded:
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
