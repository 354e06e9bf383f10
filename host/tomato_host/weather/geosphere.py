"""GeoSphere Austria: the 1 km forecast nwp-v2-1h-1km, with the percentiles of ensemble-v2-1h-1km (CC BY 4.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tomato_host.weather.fetcher import Fetcher
from tomato_host.weather.series import WeatherSeries, WeatherUnavailable

NWP, ENSEMBLE = "nwp-v2-1h-1km", "ensemble-v2-1h-1km"
NWP_FIELDS = ("2t", "2r", "10u", "10v", "10fg", "tcc", "tp", "ssrd")
ENSEMBLE_FIELDS = {"temp_c_p10": "2t_p10", "temp_c_p90": "2t_p90", "rh_pct_p10": "2r_p10", "rh_pct_p90": "2r_p90"}

_ACCUMULATED_J = 3_600.0
"""ssrd in J m-2 or Ws m-2 of the last hour divides by this; ssrd in W m-2 is taken as it stands."""


class GeoSphere:
    """Point forecasts. Times are UTC; the newest run is 5 to 7 h old, so `start` is always sent."""

    name = "geosphere"

    def __init__(self, fetcher: Fetcher, base_url: str, ensemble: bool = True) -> None:
        self._fetcher, self._base_url, self._ensemble = fetcher, base_url.rstrip("/"), ensemble

    def fetch(self, latitude_deg: float, longitude_deg: float, start: datetime, hours: int) -> WeatherSeries:
        """See Provider. Without the ensemble the forecast is still usable."""
        place = (latitude_deg, longitude_deg)
        run, times, fields = self._request(NWP, NWP_FIELDS, place, start, hours)
        columns = _columns(fields, len(times))
        if self._ensemble:
            columns |= self._spread(place, start, hours, times)
        return WeatherSeries(self.name, NWP, run, times, columns)

    def _request(
        self, dataset: str, wanted: Sequence[str], place: tuple[float, float], start: datetime, hours: int
    ) -> tuple[datetime, tuple[datetime, ...], dict[str, tuple[list[float | None], str]]]:
        first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        answer = self._fetcher.get_json(
            f"{self._base_url}/timeseries/forecast/{dataset}",
            {
                "lat_lon": f"{place[0]:.4f},{place[1]:.4f}",
                "parameters": ",".join(wanted),
                "start": f"{first:%Y-%m-%dT%H:%M}",
                "end": f"{first + timedelta(hours=hours):%Y-%m-%dT%H:%M}",
                "output_format": "geojson",
            },
        )
        return _parse(answer)

    def _spread(
        self, place: tuple[float, float], start: datetime, hours: int, times: tuple[datetime, ...]
    ) -> dict[str, tuple[float | None, ...]]:
        try:
            _, ensemble_times, fields = self._request(ENSEMBLE, tuple(ENSEMBLE_FIELDS.values()), place, start, hours)
        except WeatherUnavailable:
            return {}
        found = {}
        for name, field in ENSEMBLE_FIELDS.items():
            if field in fields:
                by_time = dict(zip(ensemble_times, fields[field][0], strict=False))
                found[name] = tuple(by_time.get(t) for t in times)
        return found


def _parse(answer: Any) -> tuple[datetime, tuple[datetime, ...], dict[str, tuple[list[float | None], str]]]:
    """Run time, hours, and per field the values with their unit. Raises WeatherUnavailable on any other shape."""
    try:
        run = _utc(answer["reference_time"])
        times = tuple(_utc(t) for t in answer["timestamps"])
        raw = answer["features"][0]["properties"]["parameters"]
        fields = {name: (_numbers(one["data"], len(times)), str(one.get("unit", ""))) for name, one in raw.items()}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise WeatherUnavailable(f"an answer of unknown shape ({type(error).__name__})") from None
    if not times:
        raise WeatherUnavailable("an answer without hours")
    return run, times, fields


def _utc(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _numbers(data: list[Any], count: int) -> list[float | None]:
    if len(data) != count:
        raise ValueError("values and hours differ in number")
    return [float(v) if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e9 else None for v in data]


def _columns(fields: Mapping[str, tuple[list[float | None], str]], count: int) -> dict[str, tuple[float | None, ...]]:
    nothing: list[float | None] = [None] * count

    def values(name: str) -> list[float | None]:
        return fields[name][0] if name in fields else nothing

    solar, solar_unit = fields.get("ssrd", (nothing, ""))
    per = _ACCUMULATED_J if solar_unit.startswith(("J", "Ws")) else 1.0
    cloud, cloud_unit = fields.get("tcc", (nothing, ""))
    cloud_factor = 100.0 if cloud_unit == "1" else 1.0
    wind = [
        None if u is None or v is None else (u * u + v * v) ** 0.5
        for u, v in zip(values("10u"), values("10v"), strict=True)
    ]
    return {
        "temp_c": tuple(values("2t")),
        "rh_pct": tuple(values("2r")),
        "wind_mps": tuple(wind),
        "gust_mps": tuple(values("10fg")),
        "precip_mm": tuple(values("tp")),
        "cloud_pct": tuple(None if v is None else v * cloud_factor for v in cloud),
        "solar_wm2": tuple(None if v is None else v / per for v in solar),
    }
