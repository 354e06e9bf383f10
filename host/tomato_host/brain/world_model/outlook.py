"""From arrays to a record people can read: bands per hour, the reason for the worst hour, windows of risk, water."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import TypeAdapter

from shared_schemas.records.prediction_36h_v1 import PredictedHour, Prediction36hV1, RiskWindow
from tomato_host.brain.world_model.core import draught
from tomato_host.brain.world_model.hourly import Ahead, HourlyLog
from tomato_host.brain.world_model.intake import hour_start
from tomato_host.brain.world_model.psychrometrics import Array, Mask
from tomato_host.brain.world_model.stress import stress_risk
from tomato_host.brain.world_model.uncertainty import FRESH_MIN

if TYPE_CHECKING:
    from tomato_host.brain.world_model.model import Forecast, WorldModel

RiskKind = Literal["drying", "vpd_high", "vpd_low", "heat", "cold", "wet"]
STORM_SHARE = 0.08
"""Air change by wind, in shares of the exhaust's, from which drying is warned of: gusts of about 32 m/s, wind of 16."""

FAST_DROP_PCT_H = 1.5
_ENOUGH_DAYS = 7
_MIN_RISK = 0.2
_HOURS: TypeAdapter[tuple[PredictedHour, ...]] = TypeAdapter(tuple[PredictedHour, ...])
"""Builds all bands of a forecast in one call: three hundred constructors one by one cost four times as much."""


@dataclass(frozen=True)
class Outlook:
    """The forecast of one moment in arrays: means and bands by name [3, H], risk and driest zone [H]."""

    bands: dict[str, Array]
    risk: Array
    driest: Array
    drop: Array
    storm: Array
    """Air change by wind beyond the ordinary, in shares of the exhaust's."""
    hours: list[datetime]
    """End of each forecast hour, local."""
    weather_known: Array
    """Whether the weather ahead was known for that hour."""


def look_ahead(model: WorldModel, log: HourlyLog, ahead: Ahead, forecast: Forecast, zone: tzinfo) -> Outlook:
    """Combine the series of one origin into what a record tells."""
    bands = {name: forecast.best(name)[:, 0] for name in forecast.series}
    means = np.stack([bands[name][0] for name in model.zones]) if model.zones else np.full((1, 36), np.nan)
    driest = np.nanmin(np.where(np.isfinite(means), means, np.inf), axis=0)
    driest = np.where(np.isfinite(driest), driest, np.nan)
    now = [log.column(name)[-1] for name in model.zones]
    first = float(np.nanmin(now)) if np.isfinite(now).any() else driest[0]
    drop = np.maximum(-np.diff(np.concatenate(([first], driest))), 0.0)
    nothing = np.full_like(driest, np.nan)
    vpd = bands["vpd_kpa"][0] if "vpd_kpa" in bands else nothing
    leaf = bands["leaf_vpd_kpa"][0] if "leaf_vpd_kpa" in bands else None
    wind = np.nan_to_num(ahead.column("out_wind_mps"))[forecast.horizons - 1]
    storm = draught(wind)
    risk = stress_risk(vpd, leaf, driest, drop, model.settings, storm)
    start = hour_start(int(forecast.origin_hours[0]) + 1)
    hours = [(start + timedelta(hours=int(h))).astimezone(zone) for h in forecast.horizons]
    seen = np.isfinite(next(iter(forecast.series.values()))[0, 0, 0]) if forecast.series else np.zeros(0, bool)
    return Outlook(bands, np.clip(np.nan_to_num(risk), 0.0, 1.0), driest, drop, storm, hours, seen)


def _bands(series: Array) -> list[dict[str, float] | None]:
    """One band an hour from [3, H]; None where nothing is known."""
    known: list[bool] = np.isfinite(series).min(axis=0).tolist()
    bands = zip(known, *np.round(series, 3).tolist(), strict=True)
    return [{"mean": mean, "p10": low, "p90": high} if ok else None for ok, mean, low, high in bands]


def _hours(model: WorldModel, view: Outlook) -> tuple[PredictedHour, ...]:
    nothing: list[dict[str, float] | None] = [None] * len(view.hours)
    bands = {name: _bands(series) for name, series in view.bands.items()}
    soil = {name.removeprefix("soil."): column for name, column in bands.items() if name.startswith("soil.")}
    temp, rh, vpd, leaf = (bands.get(name, nothing) for name in ("air_temp_c", "rh_pct", "vpd_kpa", "leaf_vpd_kpa"))
    risk = np.round(view.risk, 3).tolist()
    out = []
    for h, ts in enumerate(view.hours):
        zones = {name: band for name, column in soil.items() if (band := column[h]) is not None}
        if len(zones) == 1:
            zones["avg"] = next(iter(zones.values()))
        out.append(
            {
                "ts": ts,
                "soil_pct": zones,
                "air_temp_c": temp[h],
                "rh_pct": rh[h],
                "vpd_kpa": vpd[h],
                "leaf_vpd_kpa": leaf[h],
                "stress_risk": risk[h],
            }
        )
    return _HOURS.validate_python(out)


def _explain(model: WorldModel, log: HourlyLog, ahead: Ahead, view: Outlook, weather_age_min: float | None) -> str:
    """One or two sentences: the worst hour and the driver that changed most, then what is not known."""
    parts = []
    if weather_age_min is not None and weather_age_min > FRESH_MIN and view.weather_known.any():
        parts.append(f"The weather forecast is {weather_age_min / 60.0:.0f} h old: intervals are wider.")
    if "vpd_kpa" in view.bands and np.isfinite(view.bands["vpd_kpa"][0]).any():
        parts.append(_worst_hour(log, ahead, view))
    if not view.weather_known.any():
        parts.append("No weather forecast: yesterday's weather is assumed and the intervals are wider.")
    elif not view.weather_known.all():
        parts.append(f"The weather is known for {int(view.weather_known.sum())} of {len(view.hours)} h only.")
    if model.days_learned < _ENOUGH_DAYS:
        parts.append(f"Still learning: {model.days_learned} of {_ENOUGH_DAYS} days seen.")
    return " ".join(parts)[:240] or "Nothing measured yet; priors only."


def _worst_hour(log: HourlyLog, ahead: Ahead, view: Outlook) -> str:
    vpd = view.bands["vpd_kpa"][0]
    h = int(np.nanargmax(vpd))
    text = f"VPD {vpd[h]:.1f} kPa at {view.hours[h]:%H:%M}"
    reason = _reason(log, ahead, h)
    return f"{text} because {reason}." if reason else f"{text}, as on the days before."


def _reason(log: HourlyLog, ahead: Ahead, h: int) -> str:
    """The driver that moved most against the same hour yesterday, in words; empty when none did."""
    temp, vapour = ahead.column("out_temp_c")[h], ahead.column("out_vpd_kpa")[h]
    lag = 24 if h < 24 else 48
    at = log.hours + h - lag
    if at < 0 or not np.isfinite(temp):
        return ""
    wind = ahead.column("out_wind_mps")[h]
    moves = {
        "vpd": (vapour - log.column("out_vpd_kpa")[at]) / 0.3,
        "temp": (temp - log.column("out_temp_c")[at]) / 4.0,
        "wind": (wind - log.column("out_wind_mps")[at]) / 6.0,
        "light": (ahead.column("light")[h] - log.column("light")[at]) / 0.5,
    }
    known = {name: value for name, value in moves.items() if np.isfinite(value)}
    name = max(known, key=lambda k: abs(known[k]), default="")
    if not name or abs(known[name]) < 0.5:
        return ""
    rose = known[name] > 0
    rh = 100.0 * (1.0 - vapour / max(vapour + ahead.column("out_vapour_kpa")[h], 1e-6))
    return {
        "vpd": f"outside air {'falls' if rose else 'rises'} to {rh:.0f} % RH",
        "temp": f"it is {temp:.0f} degC outside, {abs(temp - log.column('out_temp_c')[at]):.0f} K "
        f"{'more' if rose else 'less'} than the day before",
        "wind": f"wind {'rises' if rose else 'falls'} to {wind:.0f} m/s",
        "light": f"the lamp is {'on' if rose else 'off'} then",
    }[name]


def _windows(model: WorldModel, view: Outlook) -> tuple[RiskWindow, ...]:
    s = model.settings
    nothing = np.full((3, len(view.hours)), np.nan)
    vpd, temp = view.bands.get("vpd_kpa", nothing), view.bands.get("air_temp_c", nothing)
    wettest = np.max([view.bands[name][0] for name in model.zones], axis=0) if model.zones else nothing[0]
    with np.errstate(invalid="ignore"):
        kinds: tuple[tuple[RiskKind, Mask, str], ...] = (
            (
                "drying",
                (view.driest < s.soil_dry_pct) | (vpd[0] > s.vpd_high_kpa) | (view.drop > FAST_DROP_PCT_H),
                "the plant loses water faster than is good for it",
            ),
            ("drying", view.storm > STORM_SHARE, "storm lets outside air in: the plant dries faster than usual"),
            ("vpd_high", vpd[0] > s.vpd_high_kpa, f"air drier than {s.vpd_high_kpa:g} kPa"),
            ("vpd_low", vpd[0] < s.vpd_low_kpa, f"air wetter than {s.vpd_low_kpa:g} kPa: leaves may stay wet"),
            ("heat", temp[0] > s.heat_c, f"air above {s.heat_c:g} degC"),
            ("cold", temp[0] < s.cold_c, f"air below {s.cold_c:g} degC"),
            ("wet", wettest > s.soil_wet_pct, f"soil above {s.soil_wet_pct:g} %: roots lack air"),
        )
    return tuple(window for kind, bad, text in kinds for window in _stretches(view, kind, np.asarray(bad), text))


def _stretches(view: Outlook, kind: RiskKind, bad: Mask, text: str) -> list[RiskWindow]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], bad.astype(np.int8), [0]))))
    out = []
    for first, past in zip(edges[::2], edges[1::2], strict=True):
        risk = max(float(view.risk[first:past].max()), _MIN_RISK)
        out.append(
            RiskWindow(
                start=view.hours[first] - timedelta(hours=1),
                end=view.hours[past - 1],
                kind=kind,
                risk=round(min(risk, 1.0), 3),
                text=text,
            )
        )
    return out


def water_recommended_ml(model: WorldModel, view: Outlook, ahead: Ahead) -> float | None:
    """Water for the next 24 h that lifts the driest zone back to the target, in ml, by the learned gain of the pots.

    What the plan ahead already holds counts; None without a soil forecast.
    """
    day = min(24, len(view.driest))
    if not model.zones or not np.isfinite(view.driest[:day]).any():
        return None
    planned = float(np.nan_to_num(ahead.column("water_ml")[:day]).sum())
    gain = min(max(float(law.theta[6] + law.theta[7]), 0.1) for law in model.core.soil)
    lacking = model.settings.soil_target_pct - float(view.driest[:day][np.isfinite(view.driest[:day])][-1])
    return round(max(planned + 100.0 * lacking / gain, 0.0), 0)


def to_record(
    model: WorldModel, log: HourlyLog, ahead: Ahead, view: Outlook, now: datetime, weather_age_min: float | None
) -> Prediction36hV1:
    """The record of this moment."""
    return Prediction36hV1(
        schema_version="prediction_36h_v1",
        ts=now,
        model_version=model.version,
        coefficients_hash=model.fingerprint(),
        weather_used=bool(view.weather_known.any()),
        weather_age_min=weather_age_min,
        explanation=_explain(model, log, ahead, view, weather_age_min),
        hours=_hours(model, view),
        risk_windows=_windows(model, view),
        water_ml_recommended=water_recommended_ml(model, view, ahead),
    )
