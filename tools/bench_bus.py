"""What the bus costs the deciding loop, and how fast an alarm gets through a flood: real redis-server, real process."""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.feeds import bus_feed
from tomato_host.sources.synthetic import SyntheticSource

from shared_schemas.records import EventV1, ObservationV1, Record

SITE_ZONE = ZoneInfo("Europe/Vienna")
TITLE = "Bus: cost to the loop, an alarm through a flood"
NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
FLOOD_PER_S = 500
TICK_S = 0.05


class NoStore:
    """Keeps nothing."""

    def offer(self, record: Record) -> bool:
        """StepResult."""
        return True


@contextmanager
def redis_server() -> Iterator[int]:
    """A broker of its own; gives its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        try:
            yield port
        finally:
            process.terminate()
            process.wait(10)


def run(quick: bool) -> dict[str, object]:
    """Microseconds in the loop, milliseconds to the broker, messages dropped in the flood."""
    if shutil.which("redis-server") is None:
        return {"skipped": "no redis-server here"}
    import redis

    with redis_server() as port, tempfile.TemporaryDirectory() as folder:
        client = redis.Redis(port=port)
        status = Status(NOW, NOW, link="up")
        recorder = Recorder(NoStore(), status)
        wanted = BusSettings(enabled=True, url=f"redis://127.0.0.1:{port}", node="bench")
        feed = bus_feed(wanted, status, recorder, Path(folder))
        feed.start()
        try:
            return _flood(client, feed, recorder, status, alarms=20 if quick else 100)
        finally:
            feed.stop()


def _flood(client: Any, feed: Any, recorder: Recorder, status: Status, alarms: int) -> dict[str, object]:
    arrived: dict[str, float] = {}
    ending = threading.Event()
    listener = threading.Thread(target=_listen, args=(client, arrived, ending))
    listener.start()
    _until(feed, lambda: status.feeds.get("bus", {}).get("up"))
    sent, hears, ticks = {}, [], []
    reading = _reading()
    for n in range(alarms):
        alarm = EventV1(schema_version="event_v1", ts=NOW, level="ALARM", kind="board", name=f"a{n}", text="leak")
        for i in range(round(FLOOD_PER_S * TICK_S)):
            told = reading.model_copy(update={"air_temp_c": 20.0 + (n * 100 + i) / 1e4})
            hears.append(_timed(lambda told=told: feed.on_record(told)))
        sent[alarm.name] = time.perf_counter()
        feed.on_record(alarm)
        ticks.append(_timed(lambda: feed.tick(NOW)))
        time.sleep(TICK_S)
    _until(feed, lambda: len(arrived) == alarms)
    ending.set()
    listener.join()
    latency_ms = [(arrived[name] - at) * 1e3 for name, at in sent.items()]
    rss = Path(f"/proc/{feed._process.pid}/status").read_text().split("VmRSS:")[1].split()[0]
    return {
        "flood_readings_per_s": FLOOD_PER_S,
        "alarms_sent": alarms,
        "alarms_arrived": len(arrived),
        "alarm_to_redis_ms": {"p50": statistics.median(latency_ms), "most": max(latency_ms)},
        "loop_hear_us": _quantiles(hears),
        "loop_tick_us": _quantiles(ticks),
        "bus_process_mb": round(int(rss) / 1e3, 1),
    }


def _reading() -> ObservationV1:
    found = SyntheticSource(1, NOW, 1.0, 10.0, zone=SITE_ZONE).next_observation()
    assert found is not None
    return found


def _listen(client: Any, arrived: dict[str, float], ending: threading.Event) -> None:
    last = "0"
    while not ending.is_set():
        for _, entries in client.xread({"tomato/bench/alarm": last}, block=50):
            for entry, fields in entries:
                last = entry
                arrived[fields[b"m"].split(b'"name":"')[1].split(b'"')[0].decode()] = time.perf_counter()


def _until(feed: Any, wanted: Any) -> None:
    end = time.monotonic() + 30.0
    while not wanted():
        if time.monotonic() > end:
            raise TimeoutError("the bus did not do it within 30 s")
        feed.tick(NOW)
        time.sleep(0.02)


def _timed(work: Any) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1e6


def _quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)], "most": ordered[-1]}
