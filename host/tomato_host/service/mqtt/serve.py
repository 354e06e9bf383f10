"""The MQTT process: `python -m tomato_host.service.mqtt.serve`, fed by the deciding loop like the dashboard."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from tomato_host.service.live_state import FeedReader, LiveState
from tomato_host.service.mqtt.bridge import MqttBridge
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.process_priority import lower_priority

STATUS_EVERY_S = 1.0


async def _read_feed(reader: FeedReader, state: LiveState, bridge: MqttBridge) -> None:
    """Apply the deciding loop's lines until it closes the connection."""
    state.connected = True
    async for line in reader.lines():
        record = state.update(line)
        if record is not None:
            bridge.on_record(record)
    state.connected = False


async def _report_status(reader: FeedReader, bridge: MqttBridge) -> None:
    """Send the connection's state and counts to the loop."""
    while True:
        reader.send_status(bridge.status())
        await asyncio.sleep(STATUS_EVERY_S)


async def serve(settings: MqttSettings, data_dir: Path, fd: int) -> None:
    """Run until the host closes the connection or SIGTERM."""
    state, reader = LiveState(), await FeedReader.open(fd)
    bridge = MqttBridge(settings, data_dir, state)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    running = (bridge.run(), _read_feed(reader, state, bridge), _report_status(reader, bridge), ended.wait())
    tasks = [asyncio.ensure_future(job) for job in running]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """As started by the feed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--settings", default="{}", help="MqttSettings as JSON")
    args = parser.parse_args()
    lower_priority()
    settings = MqttSettings.model_validate_json(args.settings)
    asyncio.run(serve(settings, args.data_dir, int(os.environ["TOMATO_FEED_FD"])))


if __name__ == "__main__":
    main()
