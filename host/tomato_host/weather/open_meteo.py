"""Open-Meteo: the fallback when GeoSphere does not answer or the place lies outside its grid (CC BY 4.0)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tomato_host.weather.fetcher import Fetcher
from tomato_host.weather.series import WeatherSeries, WeatherUnavailable

_FIELDS = {
    "temp_c": "temperature_2m",
    "rh_pct": "relative_humidity_2m",
    "wind_mps": "wind_speed_10m",
    "gust_mps": "wind_gusts_10m",
    "cloud_pct": "cloud_cover",
    "solar_wm2": "shortwave_radiation",
    "precip_mm": "precipitation",
}


class OpenMeteo:
    """Point forecasts of the best model for the place. Its radiation is the mean of the hour before."""

    name = "open_meteo"

    def __init__(self, fetcher: Fetcher, base_url: str) -> None:
        self._fetcher, self._base_url = fetcher, base_url.rstrip("/")

    def fetch(self, latitude_deg: float, longitude_deg: float, start: datetime, hours: int) -> WeatherSeries:
        """See Provider."""
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        answer = self._fetcher.get_json(
            f"{self._base_url}/forecast",
            {
                "latitude": f"{latitude_deg:.4f}",
                "longitude": f"{longitude_deg:.4f}",
                "hourly": ",".join(_FIELDS.values()),
                "timezone": "UTC",
                "wind_speed_unit": "ms",
                "start_hour": f"{first:%Y-%m-%dT%H:%M}",
                "end_hour": f"{first + timedelta(hours=hours):%Y-%m-%dT%H:%M}",
            },
        )
        return _parse(answer, start)


def _parse(answer: Any, start: datetime) -> WeatherSeries:
    try:
        hourly = answer["hourly"]
        times = tuple(datetime.fromisoformat(t).replace(tzinfo=UTC) for t in hourly["time"])
        columns = {
            name: tuple(None if v is None else float(v) for v in hourly[field])
            for name, field in _FIELDS.items()
            if field in hourly
        }
    except (KeyError, TypeError, ValueError) as error:
        raise WeatherUnavailable(f"an answer of unknown shape ({type(error).__name__})") from None
    if not times or any(len(column) != len(times) for column in columns.values()):
        raise WeatherUnavailable("an answer without hours")
    # The service does not name its run; the hour of the request is the latest it can be.
    run = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return WeatherSeries(OpenMeteo.name, "best_match", run, times, columns)
