"""The newest usable forecast, from cache, provider or fallback, with one line on where it comes from."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from shared_schemas.records.forecast_36h_v1 import Forecast36hV1
from tomato_host.weather.cache import ForecastCache
from tomato_host.weather.fetcher import Fetcher
from tomato_host.weather.geosphere import GeoSphere
from tomato_host.weather.normalise import normalise
from tomato_host.weather.open_meteo import OpenMeteo
from tomato_host.weather.rate_limit import GEOSPHERE_LIMITS, RateLimiter
from tomato_host.weather.series import Provider, WeatherUnavailable
from tomato_host.weather.settings import WeatherSettings

if TYPE_CHECKING:
    import httpx

FETCH_HOURS = 60
"""Asked for more than 36 h, so that a day-old forecast still covers the horizon."""

_BACK_OFF = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=30), timedelta(minutes=60))


@dataclass(frozen=True)
class WeatherResult:
    """A forecast (None when there is none at all) and one line for the operator."""

    forecast: Forecast36hV1 | None
    text: str
    age_min: float | None = None


@dataclass
class WeatherService:
    """Queries providers in order, at most once per TTL, less often while they do not answer."""

    providers: tuple[Provider, ...]
    cache: ForecastCache
    latitude_deg: float
    longitude_deg: float
    timezone: str
    """IANA name of the zone that records carry."""
    ttl: timedelta = timedelta(minutes=120)
    _failures: int = field(default=0, init=False)
    _not_before: datetime | None = field(default=None, init=False)
    _outside: set[str] = field(default_factory=set, init=False)
    _why: str = field(default="", init=False)

    def get(self, now: datetime) -> WeatherResult:
        """The forecast for `now` (aware). Never raises when a provider does not answer."""
        cached = self.cache.read(self.latitude_deg, self.longitude_deg, now)
        if cached is not None and now - cached.fetched_ts < self.ttl:
            return self._result(cached, now, "")
        if self._not_before is None or now >= self._not_before:
            fresh = self._fetch(now)
            if fresh is not None:
                self.cache.write(self.latitude_deg, self.longitude_deg, fresh)
                return self._result(fresh, now, "")
        if cached is None:
            return WeatherResult(None, f"No weather forecast: {self._why or 'no provider is set'}.")
        return self._result(_as_stale(cached, now), now, self._why)

    def _fetch(self, now: datetime) -> Forecast36hV1 | None:
        reasons = []
        for provider in self.providers:
            if provider.name in self._outside:
                continue
            try:
                series = provider.fetch(self.latitude_deg, self.longitude_deg, now, FETCH_HOURS)
                forecast = normalise(series, now, self.timezone, FETCH_HOURS)
            except WeatherUnavailable as trouble:
                reasons.append(f"{provider.name}: {trouble.why}")
                if trouble.permanent:
                    self._outside.add(provider.name)
                continue
            self._failures, self._not_before, self._why = 0, None, "; ".join(reasons)
            return forecast
        self._why = "; ".join(reasons) or self._why
        self._not_before = now + _BACK_OFF[min(self._failures, len(_BACK_OFF) - 1)]
        self._failures += 1
        return None

    def _result(self, forecast: Forecast36hV1, now: datetime, why: str) -> WeatherResult:
        age_min = max((now - forecast.fetched_ts) / timedelta(minutes=1), 0.0)
        run_h = (now - forecast.run_ts) / timedelta(hours=1)
        text = f"Weather of {forecast.provider}, run {run_h:.0f} h old, fetched {age_min:.0f} min ago"
        return WeatherResult(forecast, f"{text}{', stale: ' + why if why else ''}.", age_min)


def _as_stale(cached: Forecast36hV1, now: datetime) -> Forecast36hV1:
    """The cached forecast without the hours that are over, marked stale, its quality falling to nothing in a day."""
    ahead = tuple(hour for hour in cached.hours if hour.ts + timedelta(hours=1) > now)
    age = (now - cached.fetched_ts) / timedelta(hours=24)
    quality = round(cached.quality * max(1.0 - age, 0.0), 3)
    return cached.model_copy(update={"stale": True, "quality": quality, "hours": ahead or cached.hours[-1:]})


def build_service(
    settings: WeatherSettings,
    latitude_deg: float,
    longitude_deg: float,
    timezone: str,
    cache_folder: Path,
    rng: random.Random | None = None,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    transport: httpx.BaseTransport | None = None,
) -> WeatherService:
    """Wire providers, limits and cache as the settings say."""
    chance = rng or random.Random()

    def fetcher() -> Fetcher:
        limiter = RateLimiter(GEOSPHERE_LIMITS, monotonic)
        return Fetcher(limiter, settings.timeout_s, settings.attempts, chance, sleep, transport)

    makers: dict[str, Callable[[], Provider]] = {
        "geosphere": lambda: GeoSphere(fetcher(), settings.geosphere_url, settings.ensemble),
        "open_meteo": lambda: OpenMeteo(fetcher(), settings.open_meteo_url),
    }
    names = dict.fromkeys(name for name in (settings.provider, settings.fallback) if name in makers)
    if settings.provider == "none":
        names = {}
    cache = ForecastCache(cache_folder, timedelta(hours=settings.keep_hours))
    return WeatherService(
        tuple(makers[name]() for name in names),
        cache,
        latitude_deg,
        longitude_deg,
        timezone,
        timedelta(minutes=settings.ttl_minutes),
    )
