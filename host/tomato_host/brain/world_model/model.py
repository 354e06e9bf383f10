"""The world model: learns from an hourly log once a day, forecasts 36 h with intervals, rolls plans for the planner."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from shared_schemas.devices import PLAN_COLUMNS
from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from tomato_host.brain.psychrometric_arrays import rh_array_pct
from tomato_host.brain.world_model.arrays import Array, Index, Mask
from tomato_host.brain.world_model.conformal import IssuedSeries
from tomato_host.brain.world_model.data import (
    HORIZON_H,
    OUTSIDE_COLUMNS,
    Forecast,
    HourlyLog,
    Kind,
    KnownAhead,
    ModelFacts,
    ModelShape,
    Quantity,
    RolloutInputs,
    RolloutStart,
)
from tomato_host.brain.world_model.dynamics import CALM_MPS, TentDynamics, weather_inputs
from tomato_host.brain.world_model.features import PAD_H, PaddedLog
from tomato_host.brain.world_model.forecaster import Forecaster
from tomato_host.brain.world_model.grown import GrownExperts
from tomato_host.brain.world_model.learners import KNOWS_STORM, LOOK_BACK_H
from tomato_host.brain.world_model.prediction_record import prediction_record, summarise_forecast
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.brain.world_model.stress import stress_risk
from tomato_host.brain.world_model.uncertainty import ensemble_spread, has_ensemble, widened_by_age, widened_by_ensemble

FIRST_GUESS: dict[Kind, float] = {"soil": 1.5, "air_temp": 2.0, "vpd": 0.3, "leaf_vpd": 0.4, "other": 1.0}
"""Typical error before anything was scored, in the quantity's unit; intervals start at twice this."""

RH_FIRST_GUESS_PCT = 8.0
AIR = ("air_temp_c", "vpd_kpa")
"""Forecast first: soil and leaf depend on the air."""

SOIL_AVG, RH = "soil.avg", "rh_pct"


class WorldModel:
    """State: coefficients, skills, calibration, and the forecasts not scored yet. All methods are deterministic."""

    def __init__(self, shape: ModelShape | None = None, settings: WorldModelSettings | None = None) -> None:
        self.shape = shape or ModelShape()
        self.settings = settings or WorldModelSettings()
        self.horizons = np.asarray(self.shape.horizons, dtype=np.int64)
        self.zones = tuple(q.name for q in self.shape.quantities if q.kind == "soil")
        self.dynamics = TentDynamics(self.zones)
        self.forecasters = {
            q.name: Forecaster(q, self.shape.plan, self.horizons, self.shape.outside, self._beside(q))
            for q in self.shape.quantities
        }
        names = list(self.forecasters)
        self.order = [name for name in names if name in AIR] + [name for name in names if name not in AIR]
        self.issued_series = {
            q.name: IssuedSeries(self.horizons, FIRST_GUESS[q.kind], q.limits) for q in self.shape.quantities
        }
        if len(self.zones) > 1:
            self.issued_series[SOIL_AVG] = IssuedSeries(self.horizons, FIRST_GUESS["soil"], (0.0, 100.0))
        if {"air_temp_c", "vpd_kpa"} <= set(self.forecasters):
            self.issued_series[RH] = IssuedSeries(self.horizons, RH_FIRST_GUESS_PCT, (0.0, 100.0))
        self.grown: GrownExperts | None = None
        """Blocks grown by the learning loop; not part of what is stored with this model."""
        self.learned_until_hour = -1
        self.days_learned = 0
        self._fingerprint: str | None = None

    def _beside(self, quantity: Quantity) -> tuple[str, ...]:
        """The other pots, of a pot."""
        return tuple(zone for zone in self.zones if zone != quantity.name) if quantity.name in self.zones else ()

    def forecast(self, log: HourlyLog, ahead: KnownAhead | None = None, origins: Index | None = None) -> Forecast:
        """Forecast from the last hour of the log, or from several of its hours [n] at once (for scoring).

        Weather and plans after an origin are taken from the log as far as it reaches, then from `ahead`.
        """
        padded = PaddedLog(log, ahead)
        at = np.array([log.hours - 1], dtype=np.int64) if origins is None else origins
        start, inputs, unknown = self._futures(padded, at)
        physics = dict(zip(("air_temp_c", "vpd_kpa"), self.dynamics.roll_air(start, inputs), strict=True))
        misses = self._misses(padded, at)
        storm = self._storm(start, inputs, physics)
        experts: dict[str, Array] = {}
        blended: dict[str, Array] = {}
        for name in self.order:
            if name not in AIR and "soil" not in physics:
                vpd = self._best_vpd(blended, physics["vpd_kpa"], inputs)
                physics["soil"] = self.dynamics.roll_soil(start, inputs, vpd)
                physics["leaf_vpd_kpa"] = self.dynamics.leaf_vpd(inputs, vpd)
            forecaster = self.forecasters[name]
            rolled = self._by_future(self._physics_of(name, forecaster.quantity.kind, physics), unknown)
            experts[name] = forecaster.experts(padded, at, rolled, misses[name])
            if name in storm:
                experts[name][~KNOWS_STORM] += self._by_future(storm[name], unknown)[0]
            blended[name] = forecaster.blended(experts[name])
        grown: dict[str, Array] = {}
        if self.grown is not None:
            grown = self.grown.corrections(padded, at, experts, blended)
            blended = self.grown.corrected(blended, grown)
        blended |= self._derived(blended)
        hour = padded.hour_of_day(at[:, None] + self.horizons).astype(np.int64) % 24
        series = {name: self.issued_series[name].with_intervals(value, hour) for name, value in blended.items()}
        return Forecast(at + log.start_hour, self.horizons, series, experts, grown)

    def predict(
        self,
        now: datetime,
        log: HourlyLog,
        ahead: KnownAhead | None = None,
        weather_age_min: float | None = None,
        forecast: Forecast | None = None,
    ) -> Prediction36hV1:
        """The forecast record of this moment; hours are named by their end, in the zone of `now`.

        The issued forecast is recorded, so that `learn` scores what was really issued. A caller that has made it of
        the same log already, by a model that knows the same, passes it as `forecast`.
        """
        ahead = ahead or KnownAhead()
        if forecast is None:
            forecast = self.forecast(log, ahead)
        self.record_issued(forecast)
        forecast = self._widened(log, ahead, forecast, weather_age_min)
        summary = summarise_forecast(self.zones, self.settings, log, ahead, forecast, now.tzinfo or UTC)
        return prediction_record(self.facts(), self.settings, log, ahead, summary, now, weather_age_min)

    def _widened(self, log: HourlyLog, ahead: KnownAhead, forecast: Forecast, age_min: float | None) -> Forecast:
        """The same means, intervals never narrower: by the age of the weather and by what its ensemble leaves open."""
        forecast = widened_by_age(forecast, age_min)
        if not has_ensemble(ahead):
            return forecast
        spread = ensemble_spread(self.dynamics, log, ahead, self.horizons)
        limits = {name: one.limits for name, one in self.issued_series.items()}
        return widened_by_ensemble(forecast, spread, limits)

    def facts(self) -> ModelFacts:
        """What the record of a forecast says about this model."""
        gains = tuple(float(pot.theta[6] + pot.theta[7]) for pot in self.dynamics.soil)
        identity = self.fingerprint()
        if self.grown is not None:
            identity = self.grown.identity(identity)
        return ModelFacts(self.version, identity, self.days_learned, self.zones, gains)

    @property
    def version(self) -> str:
        """Name of this state of the model: what it last learned and how much."""
        return f"wm1-{max(self.learned_until_hour, 0)}-{self.days_learned}"

    def fingerprint(self) -> str:
        """Hash of every coefficient; equal hashes give equal forecasts of equal inputs."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            digest.update(repr(self.dynamics.coefficients()).encode())
            for one in self.forecasters.values():
                for part in one.hashed():
                    digest.update(part)
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def clear_caches(self) -> None:
        """Drop everything that was computed from coefficients and is computed again when asked."""
        self._fingerprint = None
        for one in self.forecasters.values():
            one.blend.clear_caches()
            one.blend_without.clear_caches()
        for series in self.issued_series.values():
            for interval in series.intervals:
                interval.clear_caches()

    def record_issued(self, forecast: Forecast) -> None:
        """Store an issued forecast until the truth is known; `learn` scores it."""
        for name, experts in forecast.experts.items():
            self.forecasters[name].record_issued(experts, forecast.origin_hours)
        for name, issued in forecast.series.items():
            self.issued_series[name].record_issued(issued, forecast.origin_hours)
        if self.grown is not None:
            self.grown.record_issued(forecast.grown, forecast.origin_hours)

    def learn(self, log: HourlyLog, ahead: KnownAhead | None = None, hours: int = 24) -> None:
        """Learn the last `hours` hours of the log: score what was issued, then update physics and ridges.

        Origins of that day for which no forecast was issued are issued now, with the coefficients of that day.
        """
        hours = min(hours, log.hours - 1)
        if hours < 1:
            return
        targets = np.arange(log.hours - hours, log.hours, dtype=np.int64)
        missing = self._not_issued(log, np.arange(log.hours - hours, log.hours, dtype=np.int64))
        if missing.size:
            self.record_issued(self.forecast(log, ahead, missing))
        padded = PaddedLog(log, ahead)
        self._score(padded, targets)
        self.dynamics.update(log, hours)
        earliest = int(targets[0] - self.horizons.max())
        misses = self._misses(padded, np.arange(earliest, int(targets[-1]), dtype=np.int64))
        index = targets[:, None] - self.horizons - earliest
        for name, one in self.forecasters.items():
            one.learn(padded, targets, misses[name][:, index])
        self.learned_until_hour = log.start_hour + log.hours
        self.days_learned += 1
        self._fingerprint = None

    def rollout(
        self,
        start: RolloutStart,
        plans: Array,
        weather: Mapping[str, Array],
        offsets: Mapping[str, Array] | None = None,
        pots_vpd: Callable[[Mapping[str, Array]], Array] | None = None,
        derived: bool = True,
    ) -> dict[str, Array]:
        """Roll plans [B, H, K] (K in PLAN_COLUMNS) through the learned laws; every value is [B, H].

        `weather` holds OUTSIDE_COLUMNS as [H] (`weather_ahead` makes them); missing weather counts as neutral room air.
        `offsets` (see `offsets`) lift the physics to the blended forecast. `pots_vpd` gives the deficit [B, H] in kPa
        that the pots dry by, from the air_temp_c and vpd_kpa of these laws; None: as they are. Keys: zone names,
        air_temp_c, vpd_kpa, and unless `derived` is false rh_pct, leaf_vpd_kpa, soil.avg, stress_risk.
        """
        inputs = RolloutInputs(plans, **weather_inputs(weather))
        lift = {name: value[: plans.shape[1]] for name, value in (offsets or {}).items()}
        temp, vpd = self.dynamics.roll_air(start, inputs)
        temp = temp + lift.get("air_temp_c", 0.0)
        vpd = np.maximum(vpd + lift.get("vpd_kpa", 0.0), 0.0)
        out = {"air_temp_c": temp, "vpd_kpa": vpd}
        if derived:
            out["rh_pct"] = rh_array_pct(temp, vpd)
            out["leaf_vpd_kpa"] = np.maximum(self.dynamics.leaf_vpd(inputs, vpd) + lift.get("leaf_vpd_kpa", 0.0), 0.0)
        soil = self.dynamics.roll_soil(start, inputs, vpd if pots_vpd is None else pots_vpd(out))
        for z, name in enumerate(self.zones):
            out[name] = np.clip(soil[z] + lift.get(name, 0.0), 0.0, 100.0)
        if self.zones and derived:
            out |= self._soil_summary(out, np.atleast_1d(np.asarray(start.soil_pct)))
        return out

    def offsets(self, log: HourlyLog, ahead: KnownAhead, forecast: Forecast) -> dict[str, Array]:
        """What the blended forecast adds to the bare physics under the same plan: {name: [36]}."""
        if len(self.horizons) != HORIZON_H:
            return {}
        start, inputs, _ = self._futures(PaddedLog(log, ahead), np.array([log.hours - 1], dtype=np.int64))
        temp, vpd = self.dynamics.roll_air(start, inputs)
        best = {name: forecast.best(name)[0, 0] for name in self.forecasters}
        deficit = np.where(np.isfinite(best["vpd_kpa"]), best["vpd_kpa"], vpd[:1]) if "vpd_kpa" in best else vpd
        deficit = np.broadcast_to(deficit, vpd.shape)
        base = {"air_temp_c": temp, "vpd_kpa": vpd, "leaf_vpd_kpa": self.dynamics.leaf_vpd(inputs, deficit)}
        soil = self.dynamics.roll_soil(start, inputs, deficit)
        base |= {name: soil[z] for z, name in enumerate(self.zones)}
        return {name: np.nan_to_num(best[name] - base[name][0]) for name in best if name in base}

    def _soil_summary(self, out: dict[str, Array], start: Array) -> dict[str, Array]:
        zones = np.stack([out[name] for name in self.zones])
        driest = zones.min(axis=0)
        first = np.broadcast_to(np.nanmin(start), (driest.shape[0], 1))
        drop = np.maximum(-np.diff(np.concatenate((first, driest), axis=1), axis=1), 0.0)
        risk = stress_risk(out["vpd_kpa"], out["leaf_vpd_kpa"], driest, drop, self.settings)
        return {SOIL_AVG: zones.mean(axis=0), "stress_risk": risk}

    def _futures(self, padded: PaddedLog, at: Index) -> tuple[RolloutStart, RolloutInputs, Mask]:
        """Starts and inputs of 2n rollouts from hours [n]: first with the weather ahead, then with yesterday's.

        The mask [n, 36] marks hours that the weather ahead does not reach.
        """
        s = at[:, None] + np.arange(1, HORIZON_H + 1)
        plans = np.stack([padded.at(name, s) for name in PLAN_COLUMNS], axis=2)
        day = s - np.where(np.arange(HORIZON_H) < 24, 24, 48)
        weather = {}
        for name in OUTSIDE_COLUMNS:
            known, yesterday = padded.at(name, s), padded.at(name, np.maximum(day, -PAD_H))
            weather[name] = np.concatenate((np.where(np.isfinite(known), known, yesterday), yesterday))
        one = padded.rollout_start(at, self.zones)
        start = RolloutStart(
            np.tile(np.asarray(one.air_temp_c), 2),
            np.tile(np.asarray(one.vapour_kpa), 2),
            np.tile(one.soil_pct, 2),
            np.tile(np.asarray(one.water_before_ml), 2),
        )
        outside_only = None if padded.log.has("vpd_kpa") else weather["out_vpd_kpa"]
        inputs = RolloutInputs(np.concatenate((plans, plans)), **weather_inputs(weather), measured_vpd_kpa=outside_only)
        unknown = ~np.isfinite(padded.at("out_temp_c", s)).cumprod(axis=1).astype(bool)
        return start, inputs, unknown

    def _storm(self, start: RolloutStart, inputs: RolloutInputs, physics: dict[str, Array]) -> dict[str, Array]:
        """What wind beyond the learned range adds to the air [2n, 36], by physics alone; empty in ordinary weather.

        A regression would extrapolate a coefficient learned in light wind; it gets this difference instead.
        """
        if not (inputs.out_wind_mps > CALM_MPS).any():
            return {}
        calm = replace(inputs, out_wind_mps=np.minimum(inputs.out_wind_mps, CALM_MPS))
        rolled = zip(("air_temp_c", "vpd_kpa"), self.dynamics.roll_air(start, calm), strict=True)
        return {name: physics[name] - value for name, value in rolled}

    def _best_vpd(self, blended: dict[str, Array], rolled: Array, inputs: RolloutInputs) -> Array:
        """The deficit that acts on the pots [2n, 36]: the blended forecast where there is one, else the rolled."""
        if inputs.measured_vpd_kpa is not None:
            return inputs.measured_vpd_kpa
        if "vpd_kpa" not in blended or len(self.horizons) != HORIZON_H:
            return rolled
        deficit = blended["vpd_kpa"].reshape(rolled.shape)
        return np.asarray(np.where(np.isfinite(deficit), deficit, rolled))

    def _by_future(self, rolled: Array, unknown: Mask) -> Array:
        """Rollouts [2n, 36] as [2, n, H]; without a value where the weather ahead is not known."""
        split = rolled.reshape(2, *unknown.shape).copy()
        split[0][unknown] = np.nan
        return np.asarray(split[..., self.horizons - 1])

    def _misses(self, padded: PaddedLog, at: Index) -> dict[str, Array]:
        """Measured minus rolled at hours [n], rolled from LOOK_BACK_H before with the real inputs: [2, n]."""
        from_h = np.maximum(np.concatenate([at - back for back in LOOK_BACK_H]), -PAD_H)
        s = np.minimum(from_h[:, None] + np.arange(1, max(LOOK_BACK_H) + 1), padded.log.hours + HORIZON_H - 1)
        plans = np.stack([padded.at(name, s) for name in PLAN_COLUMNS], axis=2)
        weather = {name: padded.at(name, s) for name in OUTSIDE_COLUMNS}
        vpd = padded.at("vpd_kpa", s) if padded.log.has("vpd_kpa") else weather["out_vpd_kpa"]
        state = padded.rollout_start(from_h, self.zones)
        rolled = self.dynamics.roll(state, RolloutInputs(plans, **weather_inputs(weather), measured_vpd_kpa=vpd))
        out = {}
        for name, one in self.forecasters.items():
            series = self._physics_of(name, one.quantity.kind, rolled)
            rolled_to = [series[k * len(at) : (k + 1) * len(at), back - 1] for k, back in enumerate(LOOK_BACK_H)]
            out[name] = padded.at(name, at) - np.stack(rolled_to)
        return out

    def _physics_of(self, name: str, kind: Kind, physics: dict[str, Array]) -> Array:
        if kind == "soil":
            return np.asarray(physics["soil"][self.zones.index(name)])
        found = physics.get(name)
        return np.full_like(physics["vpd_kpa"], np.nan) if found is None else found

    def _derived(self, blended: dict[str, Array]) -> dict[str, Array]:
        out = {}
        if SOIL_AVG in self.issued_series:
            out[SOIL_AVG] = _mean_of_known(np.stack([blended[name] for name in self.zones]))
        if RH in self.issued_series:
            out[RH] = rh_array_pct(blended["air_temp_c"], blended["vpd_kpa"])
        return out

    def _not_issued(self, log: HourlyLog, origins: Index) -> Index:
        """Those hours of the log from which no forecast was issued."""
        series = next(iter(self.issued_series.values()))
        absolute = origins + log.start_hour
        return np.asarray(origins[series.origin[absolute % len(series.origin)] != absolute])

    def _score(self, padded: PaddedLog, targets: Index) -> None:
        s = np.broadcast_to(targets[:, None], (len(targets), len(self.horizons)))
        origin = s - self.horizons + padded.log.start_hour
        hour = padded.hour_of_day(s).astype(np.int64) % 24
        for name, series in self.issued_series.items():
            series.score(self._truth(padded, name, s), origin, hour)

    def _truth(self, padded: PaddedLog, name: str, s: Index) -> Array:
        if name == SOIL_AVG:
            return np.asarray(np.mean([padded.at(zone, s) for zone in self.zones], axis=0))
        if name == RH:
            return rh_array_pct(padded.at("air_temp_c", s), padded.at("vpd_kpa", s))
        return padded.at(name, s)


def _mean_of_known(zones: Array) -> Array:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(zones)
    count = known.sum(axis=0)
    return np.asarray(np.where(count > 0, np.where(known, zones, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan))
