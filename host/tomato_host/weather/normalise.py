"""From a provider's series to forecast_36h_v1: local minutes, whole hours, gaps bridged or counted in `quality`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from shared_schemas.records.forecast_36h_v1 import Forecast36hV1, WeatherHour
from tomato_host.weather.series import COLUMNS, WeatherSeries, WeatherUnavailable

HOURS = 36
LONGEST_BRIDGE = 3
"""Missing hours in a row that are bridged by a straight line."""

_BOUNDS = {
    "temp_c": (-60.0, 60.0),
    "rh_pct": (0.0, 100.0),
    "wind_mps": (0.0, 120.0),
    "gust_mps": (0.0, 150.0),
    "cloud_pct": (0.0, 100.0),
    "solar_wm2": (0.0, 1_500.0),
    "precip_mm": (0.0, 500.0),
    "temp_c_p10": (-40.0, 85.0),
    "temp_c_p90": (-40.0, 85.0),
    "rh_pct_p10": (0.0, 100.0),
    "rh_pct_p90": (0.0, 100.0),
}
_LAST_HOUR = frozenset({"solar_wm2", "precip_mm", "gust_mps"})
"""Columns that describe the hour before their time stamp; a record's hour is the hour that begins at it."""

_OLD_RUN_H = 12.0


def normalise(series: WeatherSeries, now: datetime, timezone: str, hours: int = 60) -> Forecast36hV1:
    """The record, in local time of `timezone` (IANA name): every hour from the running one on, up to `hours`.

    Raises WeatherUnavailable when too little is left.

    `quality` falls with the age of the run beyond 12 h, with bridged and missing hours and with steps above an hour.
    """
    zone = ZoneInfo(timezone)
    first = now.astimezone(series.run_ts.tzinfo).replace(minute=0, second=0, microsecond=0)
    step = _step_minutes(series.times)
    columns, bridged = _hourly(series, first, hours, step)
    rows = [_row(first + timedelta(hours=h), h, columns, zone) for h in range(hours)]
    kept = [row for row in rows if row is not None]
    if len(kept) < 12:
        raise WeatherUnavailable(f"only {len(kept)} usable hours in the answer")
    age_h = (now - series.run_ts) / timedelta(hours=1)
    covered = min(len(kept), HOURS) / HOURS
    quality = covered * (1.0 - 0.5 * bridged) * (60.0 / step) ** 0.25 * min(1.0, _OLD_RUN_H / max(age_h, 1.0))
    return Forecast36hV1(
        schema_version="forecast_36h_v1",
        ts=_minute(now, zone),
        provider=series.provider,
        model=series.model,
        run_ts=_minute(series.run_ts, zone),
        fetched_ts=_minute(now, zone),
        freq_minutes=60,
        hours=tuple(kept),
        quality=round(min(max(quality, 0.0), 1.0), 3),
    )


def _minute(when: datetime, zone: ZoneInfo) -> datetime:
    return when.astimezone(zone).replace(second=0, microsecond=0)


def _step_minutes(times: Sequence[datetime]) -> int:
    if len(times) < 2:
        return 60
    return max(int((times[1] - times[0]) / timedelta(minutes=1)), 1)


def _hourly(
    series: WeatherSeries, first: datetime, hours: int, step: int
) -> tuple[dict[str, list[float | None]], float]:
    """Columns on whole hours from `first`, and the share of hours whose temperature or humidity was bridged."""
    bridge = max(LONGEST_BRIDGE, step // 60)
    out: dict[str, list[float | None]] = {}
    bridged_values = 0
    for name in COLUMNS:
        column = series.columns.get(name)
        if column is None:
            out[name] = [None] * hours
            continue
        shift = timedelta(hours=1) if name in _LAST_HOUR else timedelta()
        known = {t - shift: _bounded(name, v) for t, v in zip(series.times, column, strict=True) if v is not None}
        exact = [known.get(first + timedelta(hours=h)) for h in range(hours)]
        out[name] = _bridged(exact, bridge)
        if name in ("temp_c", "rh_pct"):
            bridged_values += sum(a is None and b is not None for a, b in zip(exact, out[name], strict=True))
    return out, bridged_values / (2.0 * hours)


def _bounded(name: str, value: float) -> float:
    low, high = _BOUNDS[name]
    return min(max(value, low), high)


def _bridged(values: list[float | None], longest: int) -> list[float | None]:
    out = list(values)
    known = [i for i, v in enumerate(values) if v is not None]
    for a, b in pairwise(known):
        left, right = values[a], values[b]
        if 1 < b - a <= longest + 1 and left is not None and right is not None:
            for i in range(a + 1, b):
                out[i] = left + (right - left) * (i - a) / (b - a)
    if known and 0 < known[0] <= 1:
        out[0] = values[known[0]]  # lead 0 of a run has no fluxes; the next hour stands in for it
    return out


def _row(when: datetime, h: int, columns: dict[str, list[float | None]], zone: ZoneInfo) -> WeatherHour | None:
    values = {name: None if columns[name][h] is None else round(float(columns[name][h] or 0.0), 2) for name in COLUMNS}
    temp, rh, wind = values["temp_c"], values["rh_pct"], values["wind_mps"]
    cloud, solar = values["cloud_pct"], values["solar_wm2"]
    if temp is None or rh is None or wind is None or (cloud is None and solar is None):
        return None
    return WeatherHour(
        ts=_minute(when, zone),
        ext_temp_c=temp,
        ext_rh_pct=rh,
        ext_wind_mps=wind,
        ext_gust_mps=values["gust_mps"],
        ext_cloud_cover_pct=cloud,
        ext_solar_wm2=solar,
        ext_precip_mm=values["precip_mm"],
        ext_temp_c_p10=values["temp_c_p10"],
        ext_temp_c_p90=values["temp_c_p90"],
        ext_rh_pct_p10=values["rh_pct_p10"],
        ext_rh_pct_p90=values["rh_pct_p90"],
    )
