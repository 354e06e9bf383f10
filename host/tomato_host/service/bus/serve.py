"""The bus process: `python -m tomato_host.service.bus.serve`, fed by the deciding loop like the dashboard."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tomato_host.service.bus.message import Priority, priority_of_record
from tomato_host.service.bus.node_summary import summarize_node
from tomato_host.service.bus.outbox import LIMIT_BYTES, Outbox
from tomato_host.service.bus.publisher import BusPublisher
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import Transport, parse_address, require_extra
from tomato_host.service.history import lines_of
from tomato_host.service.live_state import FeedReader, LiveState
from tomato_host.service.process_priority import lower_priority
from tomato_host.storage.public_fields import LEDGER_EVENTS

STATUS_EVERY_S = 1.0
STREAMS = ("anomalies", "events", "plans", "actions")
TAIL_BYTES = 500_000
MOST_STORED = 500
"""Of each priority; what a broker missed beyond that can be read from the dataset."""


class BusProcess:
    """Feed in, broker out, and a node summary now and then."""

    def __init__(self, settings: BusSettings, publisher: BusPublisher, outbox: Outbox) -> None:
        self._settings = settings
        self._publisher = publisher
        self._outbox = outbox
        self._state = LiveState()
        self._has_news = False

    async def read_feed(self, reader: FeedReader) -> None:
        """Publish what the loop sends until it closes the connection."""
        async for line in reader.lines():
            self._state.connected = self._has_news = True
            self._state.update(line)
            record = _record(line)
            if record is not None:
                self._publisher.add(record)

    async def publish_summaries(self) -> None:
        """Only while the loop sends: for a loop that hangs no summary may claim that it is alive."""
        while True:
            summary = summarize_node(self._state, self._settings.node, self.dropped()) if self._has_news else None
            self._has_news = False
            if summary is not None:
                self._publisher.set_summary(summary.model_dump_json().encode())
            await asyncio.sleep(self._settings.summary_every_s if summary is not None else STATUS_EVERY_S / 4)

    async def report_status(self, reader: FeedReader) -> None:
        """Send the publisher's counts to the loop."""
        while True:
            reader.send_status(self._publisher.status())
            await asyncio.sleep(STATUS_EVERY_S)

    def dropped(self) -> dict[str, int]:
        """Lost on the way to the broker: before this process (in the feed) and in it."""
        fed = self._state.status.get("feeds", {}).get("bus", {}).get("dropped", {})
        return {label: count + int(fed.get(label, 0)) for label, count in self._outbox.dropped_counts().items()}


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line of the feed; shadow records and the grower's journal are for the dataset alone."""
    try:
        record = json.loads(line).get("record")
    except ValueError:
        return None
    if not isinstance(record, dict) or record.get("shadow") or record.get("schema_version") == "journal_v1":
        return None
    return record


def stored_records(data_dir: Path, now: datetime, hours: float) -> list[dict[str, Any]]:
    """Alarms and actions of the dataset not older than `hours`: what a crash may have left unpublished.

    As the feed would have sent them; alarms first, oldest first within a stream.
    """
    since = now - timedelta(hours=hours)
    out: list[dict[str, Any]] = []
    for priority in (Priority.ALARM, Priority.ACTION):
        found = [
            record
            for stream in STREAMS
            for record in lines_of(data_dir, stream, TAIL_BYTES)
            if priority_of_record(record) is priority and _is_published(record, since)
        ]
        out += found[-MOST_STORED:]
    return out


def _is_published(record: dict[str, Any], since: datetime) -> bool:
    is_ledger = str(record.get("name", "")).startswith(LEDGER_EVENTS)
    return not is_ledger and not record.get("shadow") and datetime.fromisoformat(record["ts"]) >= since


def open_transport(settings: BusSettings) -> Transport:
    """The transport that the address asks for; its library is loaded only now. Raises TomatoError E-EXTRA-*."""
    address = parse_address(settings.url)
    require_extra(address)
    password = os.environ.get(settings.password_from) or None
    if address.is_redis:
        from tomato_host.service.bus.redis_transport import RedisTransport

        return RedisTransport(address, password, settings.node, settings.stream_length)
    from tomato_host.service.bus.mqtt_transport import MqttTransport

    return MqttTransport(address, password, settings.node)


async def serve(settings: BusSettings, data_dir: Path, fd: int) -> None:
    """Run until the host closes the connection or SIGTERM; what waits is published before, if the broker takes it."""
    outbox = Outbox({**LIMIT_BYTES, Priority.TELEMETRY: settings.telemetry_room_kb * 1_000})
    publisher = BusPublisher(settings.node, open_transport(settings), outbox)
    if settings.catch_up_h > 0.0:
        publisher.stored_records = lambda: stored_records(data_dir, datetime.now(UTC), settings.catch_up_h)
    process, reader, ended = BusProcess(settings, publisher, outbox), await FeedReader.open(fd), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    running = (publisher.run(), process.publish_summaries(), process.report_status(reader))
    jobs = [asyncio.create_task(job) for job in running]
    ends = [asyncio.create_task(process.read_feed(reader)), asyncio.create_task(ended.wait())]
    await asyncio.wait([*jobs, *ends], return_when=asyncio.FIRST_COMPLETED)
    for task in (*jobs, *ends):
        task.cancel()
    await asyncio.gather(*jobs, *ends, return_exceptions=True)
    await publisher.close()


def main() -> None:
    """As started by the feed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--settings", default="{}", help="BusSettings as JSON")
    args = parser.parse_args()
    lower_priority()
    settings = BusSettings.model_validate_json(args.settings)
    asyncio.run(serve(settings, args.data_dir, int(os.environ["TOMATO_FEED_FD"])))


if __name__ == "__main__":
    main()
