"""From arrays to the record of a forecast: bands per hour, the reason for the worst hour, windows of risk, water."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Literal

import numpy as np

from shared_schemas.devices import LAMP, PUMP
from shared_schemas.records.prediction_36h_v1 import Band, PredictedHour, Prediction36hV1, RiskWindow
from tomato_host.brain.world_model.arrays import Array, Mask, zero_if_unknown
from tomato_host.brain.world_model.data import Forecast, ForecastSummary, HourlyLog, KnownAhead, ModelFacts
from tomato_host.brain.world_model.dynamics import draught
from tomato_host.brain.world_model.hourly_history import hour_start
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.brain.world_model.stress import stress_risk
from tomato_host.brain.world_model.uncertainty import FRESH_MIN

RiskKind = Literal["drying", "vpd_high", "vpd_low", "heat", "cold", "wet"]
STORM_SHARE = 0.08
"""Air change by wind, in shares of the exhaust's, from which drying is warned of: gusts of about 32 m/s, wind of 16."""

FAST_DROP_PCT_H = 1.5
_ENOUGH_DAYS = 7
_USUAL_DAYS, _ENOUGH_WATERED_DAYS = 7, 3
_WATER_FADE = 0.6
_MIN_RISK = 0.2


def summarise_forecast(
    zones: tuple[str, ...],
    settings: WorldModelSettings,
    log: HourlyLog,
    ahead: KnownAhead,
    forecast: Forecast,
    zone: tzinfo,
) -> ForecastSummary:
    """Combine the series of a forecast from one origin: worst zone, speed of drying, risk, local hours."""
    bands = {name: forecast.best(name)[:, 0] for name in forecast.series}
    means = np.stack([bands[name][0] for name in zones]) if zones else np.full((1, 36), np.nan)
    driest = np.nanmin(np.where(np.isfinite(means), means, np.inf), axis=0)
    driest = np.where(np.isfinite(driest), driest, np.nan)
    now = [log.column(name)[-1] for name in zones]
    first = float(np.nanmin(now)) if np.isfinite(now).any() else driest[0]
    drop = np.maximum(-np.diff(np.concatenate(([first], driest))), 0.0)
    nothing = np.full_like(driest, np.nan)
    vpd = bands["vpd_kpa"][0] if "vpd_kpa" in bands else nothing
    leaf = bands["leaf_vpd_kpa"][0] if "leaf_vpd_kpa" in bands else None
    wind = zero_if_unknown(ahead.column("out_wind_mps"))[forecast.horizons - 1]
    storm = draught(wind)
    risk = stress_risk(vpd, leaf, driest, drop, settings, storm)
    start = hour_start(int(forecast.origin_hours[0]) + 1)
    hours = [(start + timedelta(hours=int(h))).astimezone(zone) for h in forecast.horizons]
    seen = np.isfinite(next(iter(forecast.series.values()))[0, 0, 0]) if forecast.series else np.zeros(0, bool)
    return ForecastSummary(bands, np.clip(zero_if_unknown(risk), 0.0, 1.0), driest, drop, storm, hours, seen)


def _bands(series: Array) -> list[Band | None]:
    """One band an hour from [3, H]; None where nothing is known."""
    known: Mask = np.asarray(np.isfinite(series).all(axis=0))
    bands = zip(known, *np.round(series, 3).tolist(), strict=True)
    return [Band.from_checked(mean=mean, p10=low, p90=high) if ok else None for ok, mean, low, high in bands]


def _hours(summary: ForecastSummary) -> tuple[PredictedHour, ...]:
    nothing: list[Band | None] = [None] * len(summary.hours)
    bands = {name: _bands(series) for name, series in summary.bands.items()}
    soil = {name.removeprefix("soil."): column for name, column in bands.items() if name.startswith("soil.")}
    temp, rh, vpd, leaf = (bands.get(name, nothing) for name in ("air_temp_c", "rh_pct", "vpd_kpa", "leaf_vpd_kpa"))
    risk = np.round(summary.risk, 3).tolist()
    out = []
    for h, ts in enumerate(summary.hours):
        zones = {name: band for name, column in soil.items() if (band := column[h]) is not None}
        if len(zones) == 1:
            zones["avg"] = next(iter(zones.values()))
        out.append(
            PredictedHour.from_checked(
                ts=ts,
                soil_pct=zones,
                air_temp_c=temp[h],
                rh_pct=rh[h],
                vpd_kpa=vpd[h],
                leaf_vpd_kpa=leaf[h],
                stress_risk=risk[h],
            )
        )
    return tuple(out)


def _explain(
    facts: ModelFacts, log: HourlyLog, ahead: KnownAhead, summary: ForecastSummary, weather_age_min: float | None
) -> str:
    """One or two sentences: the worst hour and the driver that changed most, then what is not known."""
    parts = []
    if weather_age_min is not None and weather_age_min > FRESH_MIN and summary.weather_known.any():
        parts.append(f"The weather forecast is {weather_age_min / 60.0:.0f} h old: intervals are wider.")
    if "vpd_kpa" in summary.bands and np.isfinite(summary.bands["vpd_kpa"][0]).any():
        parts.append(_worst_hour(log, ahead, summary))
    if not summary.weather_known.any():
        parts.append("No weather forecast: yesterday's weather is assumed and the intervals are wider.")
    elif not summary.weather_known.all():
        parts.append(f"The weather is known for {int(summary.weather_known.sum())} of {len(summary.hours)} h only.")
    if facts.days_learned < _ENOUGH_DAYS:
        parts.append(f"Still learning: {facts.days_learned} of {_ENOUGH_DAYS} days seen.")
    return " ".join(parts)[:240] or "Nothing measured yet; priors only."


def _worst_hour(log: HourlyLog, ahead: KnownAhead, summary: ForecastSummary) -> str:
    vpd = summary.bands["vpd_kpa"][0]
    h = int(np.nanargmax(vpd))
    text = f"VPD {vpd[h]:.1f} kPa at {summary.hours[h]:%H:%M}"
    reason = _reason(log, ahead, h)
    return f"{text} because {reason}." if reason else f"{text}, as on the days before."


def _reason(log: HourlyLog, ahead: KnownAhead, h: int) -> str:
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
        "lamp": (ahead.column(LAMP.column)[h] - log.column(LAMP.column)[at]) / 0.5,
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
        "lamp": f"the lamp is {'on' if rose else 'off'} then",
    }[name]


def _windows(zones: tuple[str, ...], s: WorldModelSettings, summary: ForecastSummary) -> tuple[RiskWindow, ...]:
    nothing = np.full((3, len(summary.hours)), np.nan)
    vpd, temp = summary.bands.get("vpd_kpa", nothing), summary.bands.get("air_temp_c", nothing)
    wettest = np.max([summary.bands[name][0] for name in zones], axis=0) if zones else nothing[0]
    with np.errstate(invalid="ignore"):
        kinds: tuple[tuple[RiskKind, Mask, str], ...] = (
            (
                "drying",
                (summary.driest < s.soil_dry_pct) | (vpd[0] > s.vpd_high_kpa) | (summary.drop > FAST_DROP_PCT_H),
                "the plant loses water faster than is good for it",
            ),
            ("drying", summary.storm > STORM_SHARE, "storm lets outside air in: the plant dries faster than usual"),
            ("vpd_high", vpd[0] > s.vpd_high_kpa, f"air drier than {s.vpd_high_kpa:g} kPa"),
            ("vpd_low", vpd[0] < s.vpd_low_kpa, f"air wetter than {s.vpd_low_kpa:g} kPa: leaves may stay wet"),
            ("heat", temp[0] > s.heat_c, f"air above {s.heat_c:g} degC"),
            ("cold", temp[0] < s.cold_c, f"air below {s.cold_c:g} degC"),
            ("wet", wettest > s.soil_wet_pct, f"soil above {s.soil_wet_pct:g} %: roots lack air"),
        )
    return tuple(window for kind, bad, text in kinds for window in _stretches(summary, kind, np.asarray(bad), text))


def _stretches(summary: ForecastSummary, kind: RiskKind, bad: Mask, text: str) -> list[RiskWindow]:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], bad.astype(np.int8), [0]))))
    out = []
    for first, past in zip(edges[::2], edges[1::2], strict=True):
        risk = max(float(summary.risk[first:past].max()), _MIN_RISK)
        out.append(
            RiskWindow(
                start=summary.hours[first] - timedelta(hours=1),
                end=summary.hours[past - 1],
                kind=kind,
                risk=round(min(risk, 1.0), 3),
                text=text,
            )
        )
    return out


def usual_water_ml(log: HourlyLog) -> float | None:
    """Water of a day as it was given lately, in ml: the mean of up to seven whole days before the end of the log.

    A day counts _WATER_FADE times the one after it. None while fewer than _ENOUGH_WATERED_DAYS had water: then nobody
    knows what is usual. On the recorded slabs it is within a fifth of what was then given on 86 % of days; neither
    the light of the day ahead nor a longer mean improves that.
    """
    days = min(_USUAL_DAYS, log.hours // 24)
    given = np.nan_to_num(log.column(PUMP.column)[log.hours - 24 * days :]).reshape(days, 24).sum(axis=1)[::-1]
    if (given > 0.0).sum() < _ENOUGH_WATERED_DAYS:
        return None
    weight = _WATER_FADE ** np.arange(days)
    return float((weight * given).sum() / weight.sum())


def recommended_water_ml(
    facts: ModelFacts, settings: WorldModelSettings, summary: ForecastSummary, log: HourlyLog, ahead: KnownAhead
) -> float | None:
    """Water for the next 24 h in ml: what is usual; before that is known, what lifts the driest zone to the target.

    The latter by the learned gain of the pots; what the plan ahead already holds counts. None without a soil forecast.
    """
    day = min(24, len(summary.driest))
    if not facts.zones or not np.isfinite(summary.driest[:day]).any():
        return None
    if (usual := usual_water_ml(log)) is not None:
        return round(usual, 0)
    planned = float(np.nan_to_num(ahead.column(PUMP.column)[:day]).sum())
    gain = min(max(gained, 0.1) for gained in facts.gain_pct_per_100_ml)
    lacking = settings.soil_target_pct - float(summary.driest[:day][np.isfinite(summary.driest[:day])][-1])
    return round(max(planned + 100.0 * lacking / gain, 0.0), 0)


def prediction_record(
    facts: ModelFacts,
    settings: WorldModelSettings,
    log: HourlyLog,
    ahead: KnownAhead,
    summary: ForecastSummary,
    now: datetime,
    weather_age_min: float | None,
) -> Prediction36hV1:
    """The record of this moment; `now` carries the local zone."""
    return Prediction36hV1(
        schema_version="prediction_36h_v1",
        ts=now,
        model_version=facts.version,
        coefficients_hash=facts.coefficients_hash,
        weather_used=bool(summary.weather_known.any()),
        weather_age_min=weather_age_min,
        explanation=_explain(facts, log, ahead, summary, weather_age_min),
        hours=_hours(summary),
        risk_windows=_windows(facts.zones, settings, summary),
        water_ml_recommended=recommended_water_ml(facts, settings, summary, log, ahead),
    )
