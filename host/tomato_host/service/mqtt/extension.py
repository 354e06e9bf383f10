"""Hangs the MQTT process on the deciding loop, by the same feed that the dashboard has."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.feed import Feed
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.settings import ServiceSettings


def build_feed(settings: MqttSettings, status: Status, recorder: Recorder, data_dir: Path) -> Feed:
    """The extension. Raises TomatoError E-EXTRA-MQTT."""
    if importlib.util.find_spec("aiomqtt") is None:
        raise TomatoError("E-EXTRA-MQTT", "aiomqtt is not installed.", "pip install 'tomato-host[mqtt]'")
    command = [
        sys.executable,
        "-m",
        "tomato_host.service.mqtt.serve",
        "--data-dir",
        str(data_dir),
        "--settings",
        settings.model_dump_json(),
    ]
    return Feed(status, recorder, ServiceSettings(), data_dir, command=command, name="mqtt")
