"""One question, one answer: the newest usable forecast, from cache, provider or fallback, and why it is what it is."""

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
class Answer:
    """A forecast (None when there is none at all) and one line a person understands."""

    forecast: Forecast36hV1 | None
    told: str
    age_min: float | None = None


@dataclass
class WeatherService:
    """Asks providers in order, at most once per TTL, less often while they are silent."""

    providers: tuple[Provider, ...]
    cache: ForecastCache
    latitude_deg: float
    longitude_deg: float
    timezone: str = "Europe/Vienna"
    ttl: timedelta = timedelta(minutes=120)
    _failures: int = field(default=0, init=False)
    _not_before: datetime | None = field(default=None, init=False)
    _outside: set[str] = field(default_factory=set, init=False)
    _why: str = field(default="", init=False)

    def get(self, now: datetime) -> Answer:
        """The forecast for `now` (aware). Never raises for a silent provider."""
        kept = self.cache.read(self.latitude_deg, self.longitude_deg, now)
        if kept is not None and now - kept.fetched_ts < self.ttl:
            return self._answer(kept, now, "")
        if self._not_before is None or now >= self._not_before:
            fresh = self._ask(now)
            if fresh is not None:
                self.cache.write(self.latitude_deg, self.longitude_deg, fresh)
                return self._answer(fresh, now, "")
        if kept is None:
            return Answer(None, f"No weather forecast: {self._why or 'no provider is set'}.")
        return self._answer(_as_stale(kept, now), now, self._why)

    def _ask(self, now: datetime) -> Forecast36hV1 | None:
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

    def _answer(self, forecast: Forecast36hV1, now: datetime, why: str) -> Answer:
        age_min = max((now - forecast.fetched_ts) / timedelta(minutes=1), 0.0)
        run_h = (now - forecast.run_ts) / timedelta(hours=1)
        told = f"Weather of {forecast.provider}, run {run_h:.0f} h old, fetched {age_min:.0f} min ago"
        return Answer(forecast, f"{told}{', stale: ' + why if why else ''}.", age_min)


def _as_stale(kept: Forecast36hV1, now: datetime) -> Forecast36hV1:
    """The kept forecast without the hours that are over, marked stale, its quality falling to nothing in a day."""
    ahead = tuple(hour for hour in kept.hours if hour.ts + timedelta(hours=1) > now)
    age = (now - kept.fetched_ts) / timedelta(hours=24)
    quality = round(kept.quality * max(1.0 - age, 0.0), 3)
    return kept.model_copy(update={"stale": True, "quality": quality, "hours": ahead or kept.hours[-1:]})


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
