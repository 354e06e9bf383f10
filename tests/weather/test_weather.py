"""Weather from the line to the record: shapes, troubles, patience, cache. The service is the local stub."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import httpx
import pytest
from tomato_host.sources.measured import data_folder
from tomato_host.weather.cache import ForecastCache
from tomato_host.weather.fetcher import Fetcher
from tomato_host.weather.geosphere import GeoSphere
from tomato_host.weather.normalise import normalise
from tomato_host.weather.open_meteo import OpenMeteo
from tomato_host.weather.rate_limit import GEOSPHERE_LIMITS, RateLimiter
from tomato_host.weather.series import WeatherSeries, WeatherUnavailable
from tomato_host.weather.service import WeatherService, build_service
from tomato_host.weather.settings import WeatherSettings
from tomato_host.weather.stub import FAULTS, WeatherStub

from shared_schemas.records import parse_record

NOW = datetime(2026, 7, 15, 10, 20, tzinfo=UTC)
VIENNA = (48.21, 16.37)
FIXTURES = data_folder() / "geosphere_fixtures"


class Clock:
    """A settable clock that sleeping moves."""

    def __init__(self) -> None:
        self.s = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.s += seconds

    def monotonic(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stub() -> Iterator[WeatherStub]:
    with WeatherStub(seed=1, now=lambda: NOW) as running:
        yield running


def _fetcher(clock: Clock, timeout_s: float = 2.0, attempts: int = 3) -> Fetcher:
    return Fetcher(RateLimiter(GEOSPHERE_LIMITS, clock.monotonic), timeout_s, attempts, random.Random(1), clock.sleep)


def _service(
    stub: WeatherStub, clock: Clock, folder: Path, fallback: Literal["open_meteo", "none"] = "open_meteo"
) -> WeatherService:
    settings = WeatherSettings(
        geosphere_url=stub.url, open_meteo_url=f"{stub.url}/open_meteo", timeout_s=2.0, fallback=fallback
    )
    return build_service(settings, *VIENNA, "Europe/Vienna", folder, random.Random(1), clock.sleep, clock.monotonic)


def test_five_a_second_and_240_an_hour(clock: Clock) -> None:
    limiter = RateLimiter(GEOSPHERE_LIMITS, clock.monotonic)
    times = []
    for _ in range(250):
        clock.s += limiter.delay_s()
        limiter.used()
        times.append(clock.s)
    for count, window in GEOSPHERE_LIMITS:
        for i in range(len(times) - count):
            assert times[i + count] - times[i] >= window - 1e-9
    assert times[239] < 60.0 and times[240] >= 3_600.0


def test_a_forecast_is_local_whole_and_minute_precise(stub: WeatherStub, clock: Clock) -> None:
    series = GeoSphere(_fetcher(clock), stub.url).fetch(*VIENNA, NOW, 60)
    record = normalise(series, NOW, "Europe/Vienna")
    assert parse_record(record.to_json()) == record
    assert (record.provider, record.model, record.freq_minutes) == ("geosphere", "nwp-v2-1h-1km", 60)
    assert record.hours[0].ts.isoformat() == "2026-07-15T12:00:00+02:00"
    assert len(record.hours) >= 36 and not record.stale and record.quality == 1.0
    assert all(b.ts - a.ts == timedelta(hours=1) for a, b in zip(record.hours, record.hours[1:], strict=False))
    noon, night = record.hours[1], record.hours[12]
    assert (noon.ext_solar_wm2 or 0.0) > 100.0 and night.ext_solar_wm2 == 0.0
    for hour in record.hours[:30]:
        assert hour.ext_temp_c_p10 is not None and hour.ext_temp_c_p10 < hour.ext_temp_c_p90  # type: ignore[operator]


def test_the_request_names_its_start(stub: WeatherStub, clock: Clock) -> None:
    GeoSphere(_fetcher(clock), stub.url, ensemble=False).fetch(*VIENNA, NOW, 48)
    asked = httpx.URL(stub.url + stub.requests[0])
    assert asked.params["start"] == "2026-07-15T10:00"
    assert asked.params["parameters"] == "2t,2r,10u,10v,10fg,tcc,tp,ssrd"


def test_across_the_change_of_the_clock_hours_stay_an_hour_apart(clock: Clock) -> None:
    night = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    with WeatherStub(seed=1, now=lambda: night) as stub:
        record = normalise(GeoSphere(_fetcher(clock), stub.url).fetch(*VIENNA, night, 60), night, "Europe/Vienna")
    offsets = [hour.ts.utcoffset() for hour in record.hours[:3]]
    assert offsets == [timedelta(hours=2), timedelta(hours=1), timedelta(hours=1)]
    assert len({hour.ts.astimezone(UTC) for hour in record.hours}) == len(record.hours)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="needs the recorded answers (TOMATO_DATA)")
def test_the_stub_answers_in_the_shape_of_the_recorded_service(stub: WeatherStub) -> None:
    recorded = json.loads((FIXTURES / "nwp-v2-1h-1km.steyr.subset.json").read_text())
    names = recorded["features"][0]["properties"]["parameters"]
    status, made = stub.answer(
        "/timeseries/forecast/nwp-v2-1h-1km",
        {"lat_lon": "48.042,14.4142", "parameters": ",".join(n for n in names if n not in ("sund", "sy"))},
    )
    assert status == 200
    assert set(made) == set(recorded) - {"datapoints"}
    assert set(made["features"][0]) == set(recorded["features"][0])
    for name, field in made["features"][0]["properties"]["parameters"].items():
        assert set(field) == set(names[name]) and field["unit"] == names[name]["unit"], name
    status, refused = stub.answer("/timeseries/forecast/nwp-v2-1h-1km", {"lat_lon": "52.52,13.405"})
    wanted = json.loads((FIXTURES / "v1_arome_out_of_domain.json").read_text())
    assert status == 400 and refused == wanted


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="needs the recorded answers (TOMATO_DATA)")
def test_a_recorded_answer_becomes_a_record() -> None:
    body = json.loads((FIXTURES / "nwp-v2-1h-1km.steyr.subset.json").read_text())
    # The recording is a subset without humidity; a flat one is added so that the rest can be read.
    flat = {"name": "relative humidity", "unit": "%", "data": [70.0] * len(body["timestamps"])}
    body["features"][0]["properties"]["parameters"]["2r"] = flat
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=body))
    clock = Clock()
    fetcher = Fetcher(RateLimiter(GEOSPHERE_LIMITS, clock.monotonic), transport=transport)
    now = datetime(2026, 10, 2, 19, 10, tzinfo=UTC)
    record = normalise(
        GeoSphere(fetcher, "http://recorded", ensemble=False).fetch(48.042, 14.414, now, 60), now, "Europe/Vienna"
    )
    first = record.hours[0]
    assert (first.ext_temp_c, first.ext_cloud_cover_pct, first.ext_wind_mps) == (16.5, 67.0, 0.36)
    assert first.ext_solar_wm2 is None and first.ts.isoformat() == "2026-10-02T21:00:00+02:00"
    assert first.ext_gust_mps == 0.6, "the gust of 19-20 UTC is stamped 20 UTC"
    assert record.run_ts == datetime(2026, 10, 2, 12, 0, tzinfo=UTC)


def test_the_fallback_has_the_same_meaning(stub: WeatherStub, clock: Clock) -> None:
    ours = normalise(GeoSphere(_fetcher(clock), stub.url, ensemble=False).fetch(*VIENNA, NOW, 60), NOW, "Europe/Vienna")
    other = normalise(
        OpenMeteo(_fetcher(clock), f"{stub.url}/open_meteo").fetch(*VIENNA, NOW, 60), NOW, "Europe/Vienna"
    )
    for a, b in zip(ours.hours[:30], other.hours[:30], strict=True):
        assert abs(a.ext_temp_c - b.ext_temp_c) < 6.0
        assert abs((a.ext_solar_wm2 or 0.0) - (b.ext_solar_wm2 or 0.0)) < 1.0
        assert abs(a.ext_wind_mps - b.ext_wind_mps) < 0.1


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("http_500", "HTTP 500 (3 attempts)"),
        ("http_429", "HTTP 429 (3 attempts)"),
        ("no_json", "no JSON"),
        ("cut", "connection failed"),
        ("http_400", "outside of dataset bounds"),
    ],
)
def test_troubles_are_named_after_patient_attempts(stub: WeatherStub, clock: Clock, fault: str, why: str) -> None:
    stub.faults = {fault}
    with pytest.raises(WeatherUnavailable) as told:
        GeoSphere(_fetcher(clock), stub.url, ensemble=False).fetch(*VIENNA, NOW, 48)
    assert why in told.value.why
    assert len(stub.requests) == (1 if fault == "http_400" else 3)
    assert told.value.permanent == (fault == "http_400")
    assert all(0.0 < pause <= 30.0 for pause in clock.slept) and len(set(clock.slept)) == len(clock.slept)


def test_a_slow_service_costs_the_timeout_and_no_more(stub: WeatherStub, clock: Clock) -> None:
    stub.faults = {"slow"}
    with pytest.raises(WeatherUnavailable, match=r"no answer within 0\.2 s"):
        GeoSphere(_fetcher(clock, timeout_s=0.2, attempts=2), stub.url).fetch(*VIENNA, NOW, 48)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b'{"reference_time": "x"}',
        b'{"reference_time": "2026-07-15T06:00+00:00", "timestamps": ["2026-07-15T10:00+00:00"], "features": []}',
    ],
)
def test_answers_of_another_shape_are_refused(body: bytes) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    fetcher = Fetcher(RateLimiter(GEOSPHERE_LIMITS, lambda: 0.0), transport=transport)
    for provider in (GeoSphere(fetcher, "http://odd"), OpenMeteo(fetcher, "http://odd")):
        with pytest.raises(WeatherUnavailable, match="unknown shape"):
            provider.fetch(*VIENNA, NOW, 48)


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        ("nulls", 0.8, 0.99),
        ("late", 1.0, 1.0),
        ("stale", 0.2, 0.45),
        ("null_lead_0", 0.95, 1.0),
        ("ensemble_down", 1.0, 1.0),
    ],
)
def test_what_is_missing_or_old_lowers_the_quality(
    stub: WeatherStub, clock: Clock, fault: str, least: float, most: float
) -> None:
    stub.faults = {fault}
    record = normalise(GeoSphere(_fetcher(clock), stub.url).fetch(*VIENNA, NOW, 60), NOW, "Europe/Vienna")
    assert least <= record.quality <= most
    assert all(hour.ext_temp_c is not None for hour in record.hours)


def test_long_gaps_are_not_invented() -> None:
    times = tuple(NOW.replace(minute=0) + timedelta(hours=h) for h in range(48))
    hole = tuple(None if 10 <= h < 20 else 15.0 for h in range(48))
    flat = tuple(50.0 for _ in range(48))
    series = WeatherSeries("p", "m", NOW, times, {"temp_c": hole, "rh_pct": flat, "wind_mps": flat, "cloud_pct": flat})
    record = normalise(series, NOW, "Europe/Vienna")
    assert len(record.hours) == 38
    empty = WeatherSeries("p", "m", NOW, times, {"temp_c": tuple([None] * 48)})
    with pytest.raises(WeatherUnavailable, match="usable hours"):
        normalise(empty, NOW, "Europe/Vienna")


def test_one_request_serves_for_the_time_to_live(stub: WeatherStub, clock: Clock, tmp_path: Path) -> None:
    service = _service(stub, clock, tmp_path)
    first = service.get(NOW)
    asked = len(stub.requests)
    assert service.get(NOW + timedelta(minutes=119)).forecast == first.forecast
    assert len(stub.requests) == asked == 2
    again = _service(stub, clock, tmp_path).get(NOW + timedelta(minutes=60))
    assert again.forecast == first.forecast and again.age_min == pytest.approx(60.0, abs=1.0)
    service.get(NOW + timedelta(minutes=121))
    assert len(stub.requests) == 4


def test_outside_the_grid_the_fallback_answers_and_the_grid_is_not_asked_again(
    stub: WeatherStub, clock: Clock, tmp_path: Path
) -> None:
    stub.faults = {"http_400"}
    service = _service(stub, clock, tmp_path)
    assert service.get(NOW).forecast.provider == "open_meteo"  # type: ignore[union-attr]
    stub.requests.clear()
    service.get(NOW + timedelta(hours=3))
    assert all("open_meteo" in path for path in stub.requests)


def test_three_silent_days_a_day_of_stale_weather_then_none_then_back(
    stub: WeatherStub, clock: Clock, tmp_path: Path
) -> None:
    service = _service(stub, clock, tmp_path)
    service.get(NOW)
    stub.faults = {"http_500"}
    stub.requests.clear()
    qualities = []
    for hours in range(3, 72, 3):
        answer = service.get(NOW + timedelta(hours=hours))
        if hours <= 24:
            assert answer.forecast is not None and answer.forecast.stale and "stale" in answer.text
            assert answer.forecast.hours[0].ts + timedelta(hours=1) > NOW + timedelta(hours=hours)
            qualities.append(answer.forecast.quality)
        else:
            assert answer.forecast is None and "No weather forecast: geosphere: HTTP 500" in answer.text
    assert qualities == sorted(qualities, reverse=True) and qualities[-1] < 0.05
    assert len(stub.requests) <= 23 * 6, "it backs off"
    stub.faults = set()
    back = service.get(NOW + timedelta(hours=73))
    assert back.forecast is not None and not back.forecast.stale


def test_a_spoilt_cache_or_a_full_disk_costs_nothing_but_a_request(
    stub: WeatherStub, clock: Clock, tmp_path: Path
) -> None:
    service = _service(stub, clock, tmp_path)
    service.get(NOW)
    kept = next(tmp_path.glob("forecast_*.json"))
    kept.write_text(kept.read_text()[:100])
    assert service.get(NOW + timedelta(minutes=5)).forecast is not None
    blocked = ForecastCache(tmp_path / "file" / "below")
    (tmp_path / "file").write_text("")
    blocked.write(*VIENNA, service.get(NOW).forecast)  # type: ignore[arg-type]
    assert blocked.read(*VIENNA, NOW) is None


def test_no_provider_is_an_answer_too(clock: Clock, tmp_path: Path) -> None:
    service = build_service(WeatherSettings(provider="none"), *VIENNA, "Europe/Vienna", tmp_path)
    assert service.get(NOW).text == "No weather forecast: no provider is set."


def test_the_cache_name_does_not_give_the_house_away(tmp_path: Path, stub: WeatherStub, clock: Clock) -> None:
    settings = WeatherSettings(geosphere_url=stub.url)
    build_service(settings, 48.208174, 16.373819, "Europe/Vienna", tmp_path, sleep=clock.sleep).get(NOW)
    assert os.listdir(tmp_path) == ["forecast_48.21_16.37.json"]


def test_every_fault_of_the_stub_is_documented() -> None:
    assert all(text for text in FAULTS.values()) and "http_429" in FAULTS
