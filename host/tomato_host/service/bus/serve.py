"""The bus process: `python -m tomato_host.service.bus.serve`, fed by the deciding loop like the dashboard."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tomato_host.service.bus.earlier import earlier
from tomato_host.service.bus.intake import Intake
from tomato_host.service.bus.node_summary import card_of
from tomato_host.service.bus.outbox import ROOM_BYTES, Outbox
from tomato_host.service.bus.priorities import Rank
from tomato_host.service.bus.publisher import Courier
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import open_carrier
from tomato_host.service.present import Present
from tomato_host.service.process_priority import give_way

SAY_EVERY_S = 1.0


class BusProcess:
    """Feed in, broker out, and a card now and then."""

    def __init__(self, settings: BusSettings, data_dir: Path) -> None:
        self._settings = settings
        self._present = Present()
        self._has_news = False
        self._outbox = Outbox({**ROOM_BYTES, Rank.TELEMETRY: settings.telemetry_room_kb * 1_000})
        self.courier = Courier(settings.node, open_carrier(settings), self._outbox)
        if settings.catch_up_h > 0.0:
            self.courier.earlier = lambda: earlier(data_dir, datetime.now(UTC), settings.catch_up_h)

    async def hear(self, intake: Intake) -> None:
        """Take in what the loop says until it hangs up."""
        async for line in intake.lines():
            self._present.connected = self._has_news = True
            self._present.take(line)
            record = _record(line)
            if record is not None:
                self.courier.offer(record)

    async def show(self) -> None:
        """Put the card up while the loop speaks: of a loop that hangs this process must not say that it lives."""
        while True:
            card = card_of(self._present, self._settings.node, self.dropped()) if self._has_news else None
            self._has_news = False
            if card is not None:
                self.courier.show(card.model_dump_json().encode())
            await asyncio.sleep(self._settings.card_every_s if card is not None else SAY_EVERY_S / 4)

    async def say(self, intake: Intake) -> None:
        """Tell the loop how it goes."""
        while True:
            intake.say(self.courier.word())
            await asyncio.sleep(SAY_EVERY_S)

    def dropped(self) -> dict[str, int]:
        """Lost on the way to the broker: before this process (the feed) and in it."""
        fed = self._present.status.get("feeds", {}).get("bus", {}).get("dropped", {})
        return {word: count + int(fed.get(word, 0)) for word, count in self._outbox.counts().items()}


def _record(line: bytes) -> dict[str, Any] | None:
    """The record in a line of the feed; what was only thought of (shadow) is for the dataset alone."""
    try:
        record = json.loads(line).get("record")
    except ValueError:
        return None
    return record if isinstance(record, dict) and not record.get("shadow") else None


async def serve(settings: BusSettings, data_dir: Path, fd: int) -> None:
    """Run until the host hangs up or SIGTERM; what waits is told before the end, if the broker takes it."""
    process, intake, ended = BusProcess(settings, data_dir), await Intake.open(fd), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    jobs = [asyncio.create_task(job) for job in (process.courier.run(), process.show(), process.say(intake))]
    ends = [asyncio.create_task(process.hear(intake)), asyncio.create_task(ended.wait())]
    await asyncio.wait([*jobs, *ends], return_when=asyncio.FIRST_COMPLETED)
    for task in (*jobs, *ends):
        task.cancel()
    await asyncio.gather(*jobs, *ends, return_exceptions=True)
    await process.courier.close()


def main() -> None:
    """As started by the feed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--settings", default="{}", help="BusSettings as JSON")
    args = parser.parse_args()
    give_way()
    settings = BusSettings.model_validate_json(args.settings)
    asyncio.run(serve(settings, args.data_dir, int(os.environ["TOMATO_FEED_FD"])))


if __name__ == "__main__":
    main()
