"""A local weather service that answers like GeoSphere and Open-Meteo do, errors included: for tests and demos.

    python -m tomato_host.weather.stub --port 8765 --seed 1 --fault late,nulls

The weather is made from the seed, the same for the same hour whatever run is asked, plus an error that grows with
the lead time. Faults can be switched while it runs: `stub.faults = {"http_429"}`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

FAULTS: dict[str, str] = {
    "http_429": "every request is one too many (Retry-After: 1)",
    "http_500": "the service is broken",
    "http_400": "every place is outside the grid",
    "null_lead_0": "fluxes of the run's first hour are null",
    "nulls": "every seventh value is missing",
    "stale": "the newest run is 30 h old",
    "late": "the newest run is 10 h old",
    "slow": "answers take 3 s",
    "cut": "the connection breaks in the middle of the answer",
    "no_json": "a proxy answers with a page",
    "ensemble_down": "the ensemble does not answer",
}
"""Every fault by name."""

_UNITS = {
    "2t": "degree Celsius",
    "2r": "%",
    "10u": "m s-1",
    "10v": "m s-1",
    "10fg": "m s-1",
    "tcc": "%",
    "tp": "kg m-2",
    "ssrd": "W m-2",
}
_FLUXES = frozenset({"tp", "ssrd", "10fg"})
_GRID = ((43.002, 51.498), (5.0317, 22.5682))
_RUN_EVERY_H, _RUN_READY_H, _RUN_LENGTH_H = 3, 5, 61
SLOW_S = 3.0


class StubWeather:
    """Seeded weather of a central European climate (about 48 degrees north) at any hour."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def at(self, when: datetime) -> dict[str, float]:
        """GeoSphere's fields at an hour."""
        day = when.timetuple().tm_yday + when.hour / 24.0
        season = -math.cos(2.0 * math.pi * (day - 15.0) / 365.0)
        spell = self._smooth("spell", when, 72) * 4.0
        cloud = min(max(0.5 + 0.45 * self._smooth("cloud", when, 18), 0.0), 1.0)
        swing = (3.0 + 2.5 * season) * (1.3 - 0.8 * cloud)
        temp = 11.3 + 10.4 * season + spell + swing * math.cos(2.0 * math.pi * (when.hour - 13.0) / 24.0)
        rh = 70.0 - 6.0 * season - 2.2 * (temp - 11.3 - 10.4 * season - spell) + 14.0 * (cloud - 0.5)
        sun = max(0.0, math.sin(math.pi * (when.hour + 1.1 - 6.0 + 2.0 * season) / (12.0 + 4.0 * season)))
        sun = sun if 4 <= when.hour <= 19 else 0.0
        wind = max(0.3, 3.4 + 2.0 * self._smooth("wind", when, 9))
        turn = 2.0 * math.pi * self._smooth("turn", when, 36)
        rain = max(0.0, self._smooth("rain", when, 6) - 0.75) * 8.0 if cloud > 0.7 else 0.0
        return {
            "2t": temp,
            "2r": min(max(rh, 18.0), 100.0),
            "10u": wind * math.cos(turn),
            "10v": wind * math.sin(turn),
            "10fg": wind * 1.7 + 0.3,
            "tcc": 100.0 * cloud,
            "tp": rain,
            "ssrd": 880.0 * (0.55 + 0.45 * season) * sun * (1.0 - 0.72 * cloud**2),
        }

    def _smooth(self, name: str, when: datetime, span_h: int) -> float:
        """Noise in -1..1 that changes over `span_h` hours."""
        position = when.timestamp() / 3_600.0 / span_h
        left = math.floor(position)
        part = position - left
        a, b = (random.Random(f"{self.seed}-{name}-{left + k}").uniform(-1.0, 1.0) for k in (0, 1))
        return a + (b - a) * part * part * (3.0 - 2.0 * part)


class WeatherStub:
    """The server: start it, point the settings' URLs at `url`, stop it."""

    def __init__(
        self, seed: int = 0, faults: Iterable[str] = (), now: Callable[[], datetime] | None = None, port: int = 0
    ) -> None:
        self.weather = StubWeather(seed)
        self.faults = set(faults)
        self.now = now or (lambda: datetime.now(UTC))
        self.requests: list[str] = []
        stub = self

        class Handler(_Handler):
            owner = stub

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """Base URL; GeoSphere lives under it, Open-Meteo under `/open_meteo`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> WeatherStub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5.0)

    def serve(self) -> None:
        """Serve in this thread until interrupted."""
        self._server.serve_forever()

    def newest_run(self) -> datetime:
        """The newest run that is out: every 3 h, ready after 5 h."""
        late_h = 30.0 if "stale" in self.faults else 10.0 if "late" in self.faults else _RUN_READY_H
        ready = self.now().astimezone(UTC) - timedelta(hours=late_h)
        return ready.replace(hour=ready.hour - ready.hour % _RUN_EVERY_H, minute=0, second=0, microsecond=0)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and body for a request that no transport fault cuts."""
        if "http_500" in self.faults:
            return 500, {"detail": "Internal Server Error"}
        if "http_429" in self.faults:
            return 429, {"detail": "Too many requests"}
        if path.endswith("/open_meteo/forecast"):
            return self._open_meteo(query)
        dataset = path.rsplit("/", 1)[-1]
        if "/timeseries/forecast/" not in path or dataset not in ("nwp-v2-1h-1km", "ensemble-v2-1h-1km"):
            return 404, {"detail": "Not Found"}
        if dataset.startswith("ensemble") and "ensemble_down" in self.faults:
            return 503, {"detail": "Service Unavailable"}
        return self._geosphere(dataset, query)

    def _geosphere(self, dataset: str, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        place = query.get("lat_lon", "")
        lat, lon = (float(v) for v in place.split(","))
        inside = _GRID[0][0] <= lat <= _GRID[0][1] and _GRID[1][0] <= lon <= _GRID[1][1]
        if not inside or "http_400" in self.faults:
            return 400, {"detail": f"Requested point {place} is outside of dataset bounds!"}
        run = self.newest_run()
        start = _utc(query.get("start", ""), run)
        end = _utc(query.get("end", ""), run + timedelta(hours=_RUN_LENGTH_H - 1))
        hours = [run + timedelta(hours=h) for h in range(_RUN_LENGTH_H)]
        hours = [hour for hour in hours if start <= hour <= end]
        names = [name for name in query.get("parameters", "").split(",") if name]
        parameters = {name: self._field(name, run, hours) for name in names}
        point = {"type": "Point", "coordinates": [lon, lat]}
        return 200, {
            "reference_time": f"{run:%Y-%m-%dT%H:%M}+00:00",
            "media_type": "application/json",
            "type": "FeatureCollection",
            "version": "v1",
            "timestamps": [f"{hour:%Y-%m-%dT%H:%M}+00:00" for hour in hours],
            "features": [{"type": "Feature", "geometry": point, "properties": {"parameters": parameters}}],
        }

    def _field(self, name: str, run: datetime, hours: list[datetime]) -> dict[str, Any]:
        base, _, percentile = name.partition("_p")
        data = [self._value(base, percentile, run, hour, i) for i, hour in enumerate(hours)]
        return {"name": name, "unit": _UNITS.get(base, "1"), "data": data}

    def _value(self, base: str, percentile: str, run: datetime, hour: datetime, i: int) -> float | None:
        lead_h = (hour - run) / timedelta(hours=1)
        if (base in _FLUXES and lead_h == 0) or ("nulls" in self.faults and i % 7 == 3):
            return None
        if "null_lead_0" in self.faults and i == 0:
            return None
        value = self.weather.at(hour)[base]
        scale = {"2t": 0.04, "2r": 0.25}.get(base, 0.0) * lead_h
        if percentile:
            side = {"10": -1.3, "90": 1.3}.get(percentile, 0.0)
            return round(value + (0.8 + scale) * side, 2)
        error = random.Random(f"{self.weather.seed}-{base}-{run}-{hour}").gauss(0.0, scale)
        lowest, highest = (18.0, 100.0) if base == "2r" else (-60.0, 60.0) if base == "2t" else (-1e9, 1e9)
        return round(min(max(value + error, lowest), highest), 3)

    def _open_meteo(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        start, end = _utc(query.get("start_hour", ""), self.now()), _utc(query.get("end_hour", ""), self.now())
        hours = [start + timedelta(hours=h) for h in range(int((end - start) / timedelta(hours=1)) + 1)]
        rows = [self.weather.at(hour) for hour in hours]
        hourly: dict[str, Any] = {
            "time": [f"{hour:%Y-%m-%dT%H:%M}" for hour in hours],
            "temperature_2m": [round(r["2t"], 1) for r in rows],
            "relative_humidity_2m": [round(r["2r"]) for r in rows],
            "wind_speed_10m": [round(math.hypot(r["10u"], r["10v"]), 2) for r in rows],
            "wind_gusts_10m": [round(r["10fg"], 1) for r in rows],
            "cloud_cover": [round(r["tcc"]) for r in rows],
            "shortwave_radiation": [round(r["ssrd"], 1) for r in rows],
            "precipitation": [round(r["tp"], 2) for r in rows],
        }
        return 200, {"latitude": 48.2, "longitude": 16.38, "utc_offset_seconds": 0, "timezone": "GMT", "hourly": hourly}


def _utc(text: str, default: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return default


class _Handler(BaseHTTPRequestHandler):
    """HTTP for the stub, with the faults that are set."""

    owner: WeatherStub

    def do_GET(self) -> None:
        """WeatherResult one request."""
        parsed = urlparse(self.path)
        self.owner.requests.append(self.path)
        faults = self.owner.faults
        if "slow" in faults:
            time.sleep(SLOW_S)
        if "no_json" in faults:
            self._send(200, b"<html>Please log in</html>", "text/html")
            return
        query = {name: values[0] for name, values in parse_qs(parsed.query).items()}
        try:
            status, body = self.owner.answer(parsed.path, query)
        except ValueError:
            status, body = 422, {"detail": "Unprocessable"}
        self._send(status, json.dumps(body).encode(), "application/json", cut="cut" in faults)

    def _send(self, status: int, body: bytes, kind: str, cut: bool = False) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
        except OSError:
            pass  # the client did not wait; its own timeout is what is being tested

    def log_message(self, format: str, *args: object) -> None:
        """Requests are kept in `WeatherStub.requests`; nothing is printed."""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="A local weather service for demos.")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fault", default="", help=", ".join(FAULTS))
    wanted = parser.parse_args()
    faults = [name for name in wanted.fault.split(",") if name]
    if unknown := sorted(set(faults) - set(FAULTS)):
        parser.error(f"unknown fault {', '.join(unknown)}; known: {', '.join(FAULTS)}")
    stub = WeatherStub(wanted.seed, faults, port=wanted.port)
    print(f"weather stub on {stub.url} (geosphere_url), {stub.url}/open_meteo (open_meteo_url)")
    try:
        stub.serve()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
