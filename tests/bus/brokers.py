"""Real brokers on free loopback ports, and nodes that talk to them through the real feed and the real process."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import parse_address
from tomato_host.service.feeds import bus_feed
from tomato_host.service.fleet.read import read_fleet
from tomato_host.service.fleet.rows import FleetRow, rows_of

from shared_schemas.records import ActionV1, EventV1, ObservationV1, Record
from tests.stores import NoStore

REDIS = shutil.which("redis-server")
MOSQUITTO = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
needs_redis = pytest.mark.skipif(REDIS is None, reason="redis-server is not here (apt install redis-server)")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not here (apt install mosquitto)")
NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def until(wanted: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


class RealBroker:
    """A broker's process; `start` and `stop` keep port and files."""

    scheme = ""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._listens)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True


class RealRedis(RealBroker):
    """Without a memory over restarts, unless `persistent`."""

    scheme = "redis"

    def __init__(self, folder: Path, *, persistent: bool = False, password: str | None = None) -> None:
        self._options = ["--appendonly", "yes", "--appendfsync", "always"] if persistent else []
        self._options += ["--requirepass", password] if password else []
        self._password = password
        super().__init__(folder)

    def command(self) -> list[str]:
        assert REDIS is not None
        return [
            REDIS,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(self.folder),
            *self._options,
        ]

    def client(self) -> Any:
        from redis import Redis

        return Redis(port=self.port, password=self._password, socket_timeout=5.0)

    def texts(self, topic: str) -> list[bytes]:
        """All messages of a stream, oldest first."""
        with self.client() as client:
            return [fields[b"m"] for _, fields in client.xrange(topic)]


class RealMosquitto(RealBroker):
    """Open to everybody on this machine."""

    scheme = "mqtt"

    def command(self) -> list[str]:
        assert MOSQUITTO is not None
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        return [MOSQUITTO, "-c", str(config)]


class Node:
    """A deciding loop's stand-in that ticks: real recorder, real feed, real bus process."""

    def __init__(self, folder: Path, url: str, name: str, store: Any = None, **settings: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.name = name
        self.status = Status(NOW, NOW, link="up")
        self.recorder = Recorder(store or NoStore(), self.status)
        wanted = BusSettings(enabled=True, url=url, node=name, **{"summary_every_s": 1.0, **settings})
        self.feed = bus_feed(wanted, self.status, self.recorder, folder)
        self.longest_tick_s = 0.0
        self.is_frozen = False
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self.feed.start()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def keep(self, *records: Record) -> None:
        with self._lock:
            for record in records:
                if isinstance(record, ObservationV1):  # received now: an old reading says nothing about the present
                    record = record.model_copy(update={"received_ts": datetime.now(UTC)})
                self.recorder.record(record)

    def _live(self) -> None:
        while not self._ending.wait(0.05):
            if self.is_frozen:
                continue
            with self._lock:
                self.status.now = datetime.now(UTC)
                began = time.perf_counter()
                self.feed.tick(self.status.now)
                self.longest_tick_s = max(self.longest_tick_s, time.perf_counter() - began)

    @property
    def word(self) -> dict[str, Any]:
        """What the status says of the bus."""
        return self.status.feeds.get("bus", {})

    def pid(self) -> int:
        assert self.feed._process is not None
        return self.feed._process.pid

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self.feed.stop()


def fleet(broker: RealBroker, stale_after_s: float = 30.0) -> dict[str, FleetRow]:
    """Every node the broker knows, by name."""
    return {row.node: row for row in rows_of(read_fleet(parse_address(broker.url), None), stale_after_s)}


def alarm(n: int, ts: datetime = NOW) -> EventV1:
    return EventV1(schema_version="event_v1", ts=ts, level="ALARM", kind="board", name=f"alarm_{n}", text="a leak")


def action_event(n: int, ts: datetime = NOW) -> EventV1:
    return EventV1(schema_version="event_v1", ts=ts, level="INFO", kind="process", name=f"action_{n}", text="as asked")


def reading(n: int, air_temp_c: float = 24.5, soil: float = 30.0) -> ObservationV1:
    return ObservationV1.model_validate_json(f"""{{"schema_version": "observation_v1", "ts":
        "2026-05-01T08:{n // 60 % 60:02d}:{n % 60:02d}.{n // 3600:06d}+00:00", "origin": "board",
        "air_temp_c": {air_temp_c}, "rh_pct": 61.0, "co2_ppm": null, "leaf_temp_c": null, "light_lux": null,
        "soil_temp_c": null, "flow_ml": null, "reservoir_ok": true, "leak": false, "door_open": false,
        "soil": [{{"id": "P1", "moisture_pct": {soil}, "raw": 1, "missing": null}},
                 {{"id": "P2", "moisture_pct": {soil + 4.0}, "raw": 1, "missing": null}}],
        "missing": {{"co2_ppm": "not_measured", "leaf_temp_c": "not_measured", "light_lux": "not_measured",
                    "soil_temp_c": "not_measured", "flow_ml": "not_measured"}}}}""")


def watering(ml: float = 120.0) -> ActionV1:
    return ActionV1.model_validate_json(f"""{{"schema_version": "action_v1", "id": "a1", "ts":
        "2026-05-01T08:00:00+00:00", "type": "WATER", "params": {{"ml": {ml}}}, "origin": "controller",
        "safety": {{"validated": true}}}}""")
