"""Policy on the forecast: scenarios ahead -> targets, sampling and budgets for the day, every clip explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from shared_schemas.devices import budget_of
from shared_schemas.records.base import Mode
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1, WeatherHour
from shared_schemas.records.sampling_plan_v1 import SamplingOverride, SamplingPlanV1
from shared_schemas.records.state_v1 import StateV1
from shared_schemas.records.targets_v1 import TargetRange, TargetSet, TargetsV1
from shared_schemas.records.weather_adapter_log_v1 import AdapterChange, Clip, WeatherAdapterLogV1
from tomato_host.brain.world_model.weather_scenarios import RULES, ScenarioRule, ScenarioWindow

HORIZON = timedelta(hours=36)
LEAD = timedelta(hours=1)
"""Closer sampling begins this long before the scenario's first hour."""

_RESERVE_ML = 100.0
_MIN_TRUST = 0.5
_MIN_BAND = {"vpd_day_kpa": 0.3, "vpd_night_kpa": 0.3, "soil_moisture_pct": 4.0, "air_temp_night_c": 2.0}
"""Bands are never made narrower than this: a controller needs some width."""


@dataclass(frozen=True)
class FieldLimit:
    """Hard limits of one field, and what sets them."""

    low: float
    high: float
    name: str


LIMITS: dict[str, FieldLimit] = {
    "water_ml_budget": FieldLimit(
        200.0,
        budget_of("water_ml_per_day") - _RESERVE_ML,
        f"board day budget {budget_of('water_ml_per_day')} ml with {_RESERVE_ML:.0f} ml reserve",
    ),
    "co2_seconds_budget": FieldLimit(
        0.0,
        budget_of("co2_s_per_day"),
        f"board day budget {budget_of('co2_s_per_day')} s",
    ),
    "lights_on_hour": FieldLimit(3.0, 12.0, "light begins between 03:00 and 12:00"),
    "soil_moisture_pct.low": FieldLimit(10.0, 45.0, "roots need air"),
    "air_temp_night_c.low": FieldLimit(12.0, 22.0, "nights stay cooler than days"),
    "vpd_day_kpa.high": FieldLimit(0.8, 2.0, "air must still take up water"),
    "vpd_night_kpa.high": FieldLimit(0.5, 1.5, "air must still take up water"),
    "vpd_night_kpa.low": FieldLimit(0.1, 0.8, "nights stay moist"),
}


@dataclass(frozen=True)
class AdapterContext:
    """The inputs of the adapter beside forecast and state."""

    now: datetime
    base: TargetSet
    growth_stage: Literal["seedling", "vegetative", "flowering", "fruiting"]
    mode: Mode = "NORMAL"
    base_period_s: float = 1_800.0
    telemetry_period_s: float = 10.0


@dataclass(frozen=True)
class AdaptedTargets:
    """The three records of one rebuild."""

    targets: TargetsV1
    sampling: SamplingPlanV1
    log: WeatherAdapterLogV1


def adapt(forecast: Forecast36hV1 | None, state: StateV1 | None, context: AdapterContext) -> AdaptedTargets:
    """Rebuild targets and sampling from the weather of the next 36 h. Pure; the runtime calls it at 00:10 local time.

    Without a forecast, or in SAFE mode, the base targets hold and the log says why.
    """
    hours = _hours_ahead(forecast, context.now)
    found = [(rule, seen) for rule in RULES if (seen := rule.detect(hours)) is not None] if len(hours) >= 3 else []
    text = _why_base(forecast, hours, context)
    active = [] if text else found
    values = _flat(context.base)
    changes: list[AdapterChange] = []
    clips: list[Clip] = []
    for rule, seen in active:
        _apply(rule, seen, values, state, changes, clips)
    scenarios = tuple(rule.scenario for rule, _ in found)
    return AdaptedTargets(
        TargetsV1(
            schema_version="targets_v1",
            ts=context.now,
            valid_from=context.now,
            valid_to=context.now + HORIZON,
            growth_stage=context.growth_stage,
            scenarios=scenarios,
            base=context.base,
            adapted=_target_set(values),
        ),
        _sampling(found, hours, context),
        WeatherAdapterLogV1(
            schema_version="weather_adapter_log_v1",
            ts=context.now,
            forecast_ts=None if forecast is None else forecast.ts,
            scenarios=scenarios,
            changes=tuple(changes),
            clips=tuple(clips),
            text=(text or _summary(found, changes, clips))[:240],
        ),
    )


def _hours_ahead(forecast: Forecast36hV1 | None, now: datetime) -> tuple[WeatherHour, ...]:
    if forecast is None:
        return ()
    return tuple(h for h in forecast.hours if now - timedelta(hours=1) < h.ts < now + HORIZON)


def _why_base(forecast: Forecast36hV1 | None, hours: tuple[WeatherHour, ...], context: AdapterContext) -> str:
    if forecast is None:
        return "No weather forecast: base targets hold."
    if len(hours) < 3:
        return f"The forecast covers {len(hours)} h only: base targets hold."
    if context.mode == "SAFE":
        return "SAFE mode: base targets hold, attention follows the weather."
    return ""


def _summary(found: list[tuple[ScenarioRule, ScenarioWindow]], changes: list[AdapterChange], clips: list[Clip]) -> str:
    if not found:
        return "Quiet weather: base targets hold."
    named = "; ".join(f"{rule.scenario.replace('_', ' ')}: {seen.because}" for rule, seen in found)
    return f"{named}. {len(changes)} changes, {len(clips)} clipped."


def _flat(targets: TargetSet) -> dict[str, float]:
    """Fields by dotted name."""
    out: dict[str, float] = {}
    for name, value in targets:
        if isinstance(value, TargetRange):
            out |= {f"{name}.low": value.low, f"{name}.high": value.high}
        else:
            out[name] = value
    return out


def _target_set(values: Mapping[str, float]) -> TargetSet:
    fields: dict[str, Any] = {}
    for name, value in values.items():
        band, _, edge = name.partition(".")
        if edge == "low":
            fields[band] = TargetRange(low=value, high=values[f"{band}.high"])
        elif not edge:
            fields[name] = value
    return TargetSet(**fields)


def _apply(
    rule: ScenarioRule,
    seen: ScenarioWindow,
    values: dict[str, float],
    state: StateV1 | None,
    changes: list[AdapterChange],
    clips: list[Clip],
) -> None:
    for change in rule.changes:
        before = values[change.field]
        wanted = round(before + change.amount if change.how == "add" else before * change.amount, 3)
        applied, limit = _clipped(change.field, wanted, before, values, state)
        if limit:
            clips.append(Clip(field=change.field, wanted=wanted, applied=applied, limit=limit))
        if applied != before:
            values[change.field] = applied
            changes.append(
                AdapterChange(
                    field=change.field, before=before, after=applied, scenario=rule.scenario, because=seen.because
                )
            )


def _clipped(
    field: str, wanted: float, before: float, values: Mapping[str, float], state: StateV1 | None
) -> tuple[float, str]:
    """The value that may be applied and the limit that cut it, empty when none did.

    A limit never moves a field back past where it already stood.
    """
    edge = LIMITS.get(field)
    applied, limit = wanted, ""
    if edge is not None and not edge.low <= applied <= edge.high:
        applied, limit = min(max(applied, edge.low), edge.high), edge.name
    band, _, side = field.partition(".")
    width = _MIN_BAND.get(band)
    if side and width is not None:
        other = values[f"{band}.{'high' if side == 'low' else 'low'}"]
        if side == "low" and applied > other - width:
            applied, limit = other - width, f"the band keeps {width:g} of width"
        if side == "high" and applied < other + width:
            applied, limit = other + width, f"the band keeps {width:g} of width"
    if wanted > before and field in ("water_ml_budget", "soil_moisture_pct.low"):
        reason = _no_more_water(values, state)
        if reason:
            applied, limit = before, reason
    if (applied - before) * (wanted - before) < 0.0:
        applied = before
    return round(applied, 3), limit


def _no_more_water(values: Mapping[str, float], state: StateV1 | None) -> str:
    """Why more water would be unwise now; empty when it would not."""
    if state is None:
        return ""
    if state.confidence < _MIN_TRUST:
        return f"the state is trusted to {state.confidence:.2f} only"
    average = state.soil.avg_moisture_pct
    if average is not None and average > values["soil_moisture_pct.high"]:
        return f"soil is wet already at {average:.0f} %"
    return ""


def _sampling(
    found: list[tuple[ScenarioRule, ScenarioWindow]], hours: tuple[WeatherHour, ...], context: AdapterContext
) -> SamplingPlanV1:
    overrides = []
    for rule, seen in found:
        start = max(hours[seen.first].ts - LEAD, context.now)
        end = hours[seen.last].ts + timedelta(hours=1)
        if end > start:
            overrides.append(
                SamplingOverride(
                    start=start,
                    end=end,
                    period_s=rule.sampling_period_s,
                    reason=f"{rule.scenario}: {seen.because}"[:240],
                )
            )
    return SamplingPlanV1(
        schema_version="sampling_plan_v1",
        ts=context.now,
        base_period_s=context.base_period_s,
        telemetry_period_s=context.telemetry_period_s,
        overrides=tuple(overrides),
    )
