"""Hangs the bus process on the deciding loop, by the same feed that the dashboard has."""

from __future__ import annotations

import sys
from pathlib import Path

from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.address import parse_address
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import require_extra
from tomato_host.service.feed import Feed
from tomato_host.service.settings import ServiceSettings


def build_bus(settings: BusSettings, status: Status, recorder: Recorder, data_dir: Path) -> Feed:
    """The extension. Raises TomatoError E-EXTRA-REDIS, E-EXTRA-MQTT."""
    require_extra(parse_address(settings.url))
    command = [
        sys.executable,
        "-m",
        "tomato_host.service.bus.serve",
        "--data-dir",
        str(data_dir),
        "--settings",
        settings.model_dump_json(),
    ]
    return Feed(status, recorder, ServiceSettings(), data_dir, command=command, name="bus")
