"""The world model: learns from an hourly log once a day, forecasts 36 h with intervals, rolls plans for the planner."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from tomato_host.brain.world_model.core import CALM_MPS, Core, CoreState, Drivers, weather_drivers
from tomato_host.brain.world_model.features import PAD_H, Frame, Index
from tomato_host.brain.world_model.forecaster import Forecaster
from tomato_host.brain.world_model.hourly import HORIZON_H, OUTSIDE_COLUMNS, PLAN_COLUMNS, Ahead, HourlyLog
from tomato_host.brain.world_model.learners import KNOWS_STORM, LOOK_BACK_H
from tomato_host.brain.world_model.outlook import look_ahead, to_record
from tomato_host.brain.world_model.psychrometrics import Array, Mask, rh_from_vpd, saturation_kpa
from tomato_host.brain.world_model.quantities import Kind, Quantity, tent_quantities
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.brain.world_model.stress import stress_risk
from tomato_host.brain.world_model.track import Track
from tomato_host.brain.world_model.uncertainty import widened

FIRST_GUESS: dict[Kind, float] = {"soil": 1.5, "air_temp": 2.0, "vpd": 0.3, "leaf_vpd": 0.4, "other": 1.0}
"""Typical error before anything was scored, in the quantity's unit; intervals start at twice this."""

RH_FIRST_GUESS_PCT = 8.0
AIR = ("air_temp_c", "vpd_kpa")
"""Forecast first: soil and leaf live in that air."""

SOIL_AVG, RH = "soil.avg", "rh_pct"


@dataclass(frozen=True)
class Shape:
    """What one tent has: quantities to forecast, plan columns that exist, and whether weather is known at all."""

    quantities: tuple[Quantity, ...] = field(default_factory=tent_quantities)
    plan: tuple[str, ...] = ("water_ml", "light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat")
    outside: bool = True
    horizons: tuple[int, ...] = tuple(range(1, HORIZON_H + 1))


@dataclass(frozen=True)
class Forecast:
    """Forecasts from n origins: series by name, each [3, 2, n, H]: mean, low, high; with weather, without."""

    origin_hours: Index
    horizons: Index
    series: dict[str, Array]
    experts: dict[str, Array]

    def best(self, name: str) -> Array:
        """[3, n, H]: with weather where that is known, else without."""
        seeing, blind = self.series[name][:, 0], self.series[name][:, 1]
        return np.asarray(np.where(np.isfinite(seeing[0]), seeing, blind))


class WorldModel:
    """State: coefficients, skills, calibration, and the forecasts not scored yet. All methods are deterministic."""

    def __init__(self, shape: Shape | None = None, settings: WorldModelSettings | None = None) -> None:
        self.shape = shape or Shape()
        self.settings = settings or WorldModelSettings()
        self.horizons = np.asarray(self.shape.horizons, dtype=np.int64)
        self.zones = tuple(q.name for q in self.shape.quantities if q.kind == "soil")
        self.core = Core(self.zones)
        self.forecasters = {
            q.name: Forecaster(q, self.shape.plan, self.horizons, self.shape.outside) for q in self.shape.quantities
        }
        names = list(self.forecasters)
        self.order = [name for name in names if name in AIR] + [name for name in names if name not in AIR]
        self.tracks = {q.name: Track(self.horizons, FIRST_GUESS[q.kind], q.limits) for q in self.shape.quantities}
        if len(self.zones) > 1:
            self.tracks[SOIL_AVG] = Track(self.horizons, FIRST_GUESS["soil"], (0.0, 100.0))
        if {"air_temp_c", "vpd_kpa"} <= set(self.forecasters):
            self.tracks[RH] = Track(self.horizons, RH_FIRST_GUESS_PCT, (0.0, 100.0))
        self.learned_until_hour = -1
        self.days_learned = 0
        self._fingerprint: str | None = None

    def forecast(self, log: HourlyLog, ahead: Ahead | None = None, origins: Index | None = None) -> Forecast:
        """Forecast from the last hour of the log, or from several of its hours [n] at once (for scoring).

        Weather and plans after an origin are taken from the log as far as it reaches, then from `ahead`.
        """
        frame = Frame(log, ahead)
        at = np.array([log.hours - 1], dtype=np.int64) if origins is None else origins
        start, drivers, blind = self._futures(frame, at)
        physics = dict(zip(("air_temp_c", "vpd_kpa"), self.core.roll_air(start, drivers), strict=True))
        misses = self._misses(frame, at)
        storm = self._storm(start, drivers, physics)
        experts: dict[str, Array] = {}
        mixed: dict[str, Array] = {}
        for name in self.order:
            if name not in AIR and "soil" not in physics:
                seen = self._best_vpd(mixed, physics["vpd_kpa"], drivers)
                physics["soil"] = self.core.roll_soil(start, drivers, seen)
                physics["leaf_vpd_kpa"] = self.core.leaf_vpd(drivers, seen)
            one = self.forecasters[name]
            rolled = self._by_future(self._physics_of(name, one.quantity.kind, physics), blind)
            experts[name] = one.experts(frame, at, rolled, misses[name])
            if name in storm:
                experts[name][~KNOWS_STORM] += self._by_future(storm[name], blind)[0]
            mixed[name] = one.mix(experts[name])
        mixed |= self._derived(mixed)
        hour = frame.hour_of_day(at[:, None] + self.horizons).astype(np.int64) % 24
        series = {name: self.tracks[name].promise(value, hour) for name, value in mixed.items()}
        return Forecast(at + log.start_hour, self.horizons, series, experts)

    def predict(
        self, now: datetime, log: HourlyLog, ahead: Ahead | None = None, weather_age_min: float | None = None
    ) -> Prediction36hV1:
        """The forecast record of this moment; hours are named by their end, in the zone of `now`.

        The issued forecast is remembered, so that `learn` scores what was really said.
        """
        ahead = ahead or Ahead()
        forecast = self.forecast(log, ahead)
        self.remember(forecast)
        forecast = widened(self, log, ahead, forecast, weather_age_min)
        view = look_ahead(self, log, ahead, forecast, now.tzinfo or UTC)
        return to_record(self, log, ahead, view, now, weather_age_min)

    @property
    def version(self) -> str:
        """Name of this state of the model: what it last learned and how much."""
        return f"wm1-{max(self.learned_until_hour, 0)}-{self.days_learned}"

    def fingerprint(self) -> str:
        """Hash of every coefficient; equal hashes give equal forecasts of equal inputs."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            digest.update(repr(self.core.coefficients()).encode())
            for one in self.forecasters.values():
                for ridge in (*one.ridges, *one.core_ridges):
                    digest.update(ridge.beta.tobytes())
                digest.update(one.blend.weights().tobytes())
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def forget_computed(self) -> None:
        """Drop everything that was computed from coefficients and is computed again when asked."""
        self._fingerprint = None
        for one in self.forecasters.values():
            one.blend.forget_computed()
        for track in self.tracks.values():
            for interval in track.intervals:
                interval.forget_computed()

    def remember(self, forecast: Forecast) -> None:
        """Keep an issued forecast until the truth is known; `learn` scores it."""
        for name, found in forecast.experts.items():
            self.forecasters[name].remember(found, forecast.origin_hours)
        for name, promised in forecast.series.items():
            self.tracks[name].remember(promised, forecast.origin_hours)

    def learn(self, log: HourlyLog, ahead: Ahead | None = None, hours: int = 24) -> None:
        """Learn the last `hours` hours of the log: score what was issued, then teach core and ridges.

        Origins of that day for which no forecast was issued are issued now, with the coefficients of that day.
        """
        hours = min(hours, log.hours - 1)
        if hours < 1:
            return
        targets = np.arange(log.hours - hours, log.hours, dtype=np.int64)
        silent = self._not_issued(log, np.arange(log.hours - hours, log.hours, dtype=np.int64))
        if silent.size:
            self.remember(self.forecast(log, ahead, silent))
        frame = Frame(log, ahead)
        self._score(frame, targets)
        self.core.teach(log, hours)
        earliest = int(targets[0] - self.horizons.max())
        misses = self._misses(frame, np.arange(earliest, int(targets[-1]), dtype=np.int64))
        index = targets[:, None] - self.horizons - earliest
        for name, one in self.forecasters.items():
            one.learn(frame, targets, misses[name][:, index])
        self.learned_until_hour = log.start_hour + log.hours
        self.days_learned += 1
        self._fingerprint = None

    def rollout(
        self, start: CoreState, plans: Array, weather: Mapping[str, Array], offsets: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """Roll plans [B, H, K] (K in PLAN_COLUMNS) through the learned laws; every value is [B, H].

        `weather` holds OUTSIDE_COLUMNS as [H] (`hours_outside` makes them); what lacks counts as neutral room air.
        `offsets` (see `offsets`) lift the physics to the blended forecast. Keys: zone names, soil.avg, air_temp_c,
        rh_pct, vpd_kpa, leaf_vpd_kpa, stress_risk.
        """
        drivers = Drivers(plans, **weather_drivers(weather))
        lift = {name: value[: plans.shape[1]] for name, value in (offsets or {}).items()}
        temp, vpd = self.core.roll_air(start, drivers)
        temp = temp + lift.get("air_temp_c", 0.0)
        vpd = np.maximum(vpd + lift.get("vpd_kpa", 0.0), 0.0)
        leaf = np.maximum(self.core.leaf_vpd(drivers, vpd) + lift.get("leaf_vpd_kpa", 0.0), 0.0)
        out = {"air_temp_c": temp, "vpd_kpa": vpd, "rh_pct": rh_from_vpd(temp, vpd), "leaf_vpd_kpa": leaf}
        soil = self.core.roll_soil(start, drivers, vpd)
        for z, name in enumerate(self.zones):
            out[name] = np.clip(soil[z] + lift.get(name, 0.0), 0.0, 100.0)
        if self.zones:
            out |= self._soil_summary(out, np.atleast_1d(np.asarray(start.soil_pct)))
        return out

    def offsets(self, log: HourlyLog, ahead: Ahead, forecast: Forecast) -> dict[str, Array]:
        """What the blended forecast adds to the bare physics under the same plan: {name: [36]}."""
        if len(self.horizons) != HORIZON_H:
            return {}
        start, drivers, _ = self._futures(Frame(log, ahead), np.array([log.hours - 1], dtype=np.int64))
        temp, vpd = self.core.roll_air(start, drivers)
        best = {name: forecast.best(name)[0, 0] for name in self.forecasters}
        seen = np.where(np.isfinite(best["vpd_kpa"]), best["vpd_kpa"], vpd[:1]) if "vpd_kpa" in best else vpd
        seen = np.broadcast_to(seen, vpd.shape)
        base = {"air_temp_c": temp, "vpd_kpa": vpd, "leaf_vpd_kpa": self.core.leaf_vpd(drivers, seen)}
        soil = self.core.roll_soil(start, drivers, seen)
        base |= {name: soil[z] for z, name in enumerate(self.zones)}
        return {name: np.nan_to_num(best[name] - base[name][0]) for name in best if name in base}

    def _soil_summary(self, out: dict[str, Array], start: Array) -> dict[str, Array]:
        zones = np.stack([out[name] for name in self.zones])
        driest = zones.min(axis=0)
        first = np.broadcast_to(np.nanmin(start), (driest.shape[0], 1))
        drop = np.maximum(-np.diff(np.concatenate((first, driest), axis=1), axis=1), 0.0)
        risk = stress_risk(out["vpd_kpa"], out["leaf_vpd_kpa"], driest, drop, self.settings)
        return {SOIL_AVG: zones.mean(axis=0), "stress_risk": risk}

    def start_state(self, frame: Frame, at: Index) -> CoreState:
        """The core's state at hours [n] of a log."""
        temp = frame.at("air_temp_c", at)
        soil = np.stack([frame.at(z, at) for z in self.zones]) if self.zones else np.zeros((0, len(at)))
        vapour = saturation_kpa(temp) - frame.at("vpd_kpa", at)
        return CoreState(temp, vapour, soil, np.nan_to_num(frame.at("water_ml", at)))

    def _futures(self, frame: Frame, at: Index) -> tuple[CoreState, Drivers, Mask]:
        """Starts and drivers of 2n rollouts from hours [n]: first with the weather ahead, then with yesterday's.

        The mask [n, 36] marks hours that the weather ahead does not reach.
        """
        s = at[:, None] + np.arange(1, HORIZON_H + 1)
        plans = np.stack([frame.at(name, s) for name in PLAN_COLUMNS], axis=2)
        day = s - np.where(np.arange(HORIZON_H) < 24, 24, 48)
        weather = {}
        for name in OUTSIDE_COLUMNS:
            known, yesterday = frame.at(name, s), frame.at(name, np.maximum(day, -PAD_H))
            weather[name] = np.concatenate((np.where(np.isfinite(known), known, yesterday), yesterday))
        one = self.start_state(frame, at)
        start = CoreState(
            np.tile(np.asarray(one.air_temp_c), 2),
            np.tile(np.asarray(one.vapour_kpa), 2),
            np.tile(one.soil_pct, 2),
            np.tile(np.asarray(one.water_before_ml), 2),
        )
        outside_only = None if frame.log.has("vpd_kpa") else weather["out_vpd_kpa"]
        drivers = Drivers(np.concatenate((plans, plans)), **weather_drivers(weather), measured_vpd_kpa=outside_only)
        blind = ~np.isfinite(frame.at("out_temp_c", s)).cumprod(axis=1).astype(bool)
        return start, drivers, blind

    def _storm(self, start: CoreState, drivers: Drivers, physics: dict[str, Array]) -> dict[str, Array]:
        """What wind beyond all experience adds to the air [2n, 36], by physics alone; empty in ordinary weather.

        Regressions know no storms and would stretch a coefficient learned in a breeze; they get this instead.
        """
        if not (drivers.out_wind_mps > CALM_MPS).any():
            return {}
        calm = replace(drivers, out_wind_mps=np.minimum(drivers.out_wind_mps, CALM_MPS))
        rolled = zip(("air_temp_c", "vpd_kpa"), self.core.roll_air(start, calm), strict=True)
        return {name: physics[name] - value for name, value in rolled}

    def _best_vpd(self, mixed: dict[str, Array], rolled: Array, drivers: Drivers) -> Array:
        """The deficit that the pots will feel [2n, 36]: the blended forecast where there is one, else the rolled."""
        if drivers.measured_vpd_kpa is not None:
            return drivers.measured_vpd_kpa
        if "vpd_kpa" not in mixed or len(self.horizons) != HORIZON_H:
            return rolled
        blended = mixed["vpd_kpa"].reshape(rolled.shape)
        return np.asarray(np.where(np.isfinite(blended), blended, rolled))

    def _by_future(self, rolled: Array, blind: Mask) -> Array:
        """Rollouts [2n, 36] as [2, n, H]; without a value where the weather ahead is not known."""
        split = rolled.reshape(2, *blind.shape).copy()
        split[0][blind] = np.nan
        return np.asarray(split[..., self.horizons - 1])

    def _misses(self, frame: Frame, at: Index) -> dict[str, Array]:
        """Measured minus rolled at hours [n], rolled from LOOK_BACK_H before with what really was done: [2, n]."""
        from_h = np.maximum(np.concatenate([at - back for back in LOOK_BACK_H]), -PAD_H)
        s = np.minimum(from_h[:, None] + np.arange(1, max(LOOK_BACK_H) + 1), frame.log.hours + HORIZON_H - 1)
        plans = np.stack([frame.at(name, s) for name in PLAN_COLUMNS], axis=2)
        weather = {name: frame.at(name, s) for name in OUTSIDE_COLUMNS}
        vpd = frame.at("vpd_kpa", s) if frame.log.has("vpd_kpa") else weather["out_vpd_kpa"]
        state = self.start_state(frame, from_h)
        rolled = self.core.roll(state, Drivers(plans, **weather_drivers(weather), measured_vpd_kpa=vpd))
        out = {}
        for name, one in self.forecasters.items():
            course = self._physics_of(name, one.quantity.kind, rolled)
            said = [course[k * len(at) : (k + 1) * len(at), back - 1] for k, back in enumerate(LOOK_BACK_H)]
            out[name] = frame.at(name, at) - np.stack(said)
        return out

    def _physics_of(self, name: str, kind: Kind, physics: dict[str, Array]) -> Array:
        if kind == "soil":
            return np.asarray(physics["soil"][self.zones.index(name)])
        found = physics.get(name)
        return np.full_like(physics["vpd_kpa"], np.nan) if found is None else found

    def _derived(self, mixed: dict[str, Array]) -> dict[str, Array]:
        out = {}
        if SOIL_AVG in self.tracks:
            out[SOIL_AVG] = _mean_of_known(np.stack([mixed[name] for name in self.zones]))
        if RH in self.tracks:
            out[RH] = rh_from_vpd(mixed["air_temp_c"], mixed["vpd_kpa"])
        return out

    def _not_issued(self, log: HourlyLog, origins: Index) -> Index:
        """Those hours of the log from which no forecast was issued."""
        track = next(iter(self.tracks.values()))
        absolute = origins + log.start_hour
        return np.asarray(origins[track.origin[absolute % len(track.origin)] != absolute])

    def _score(self, frame: Frame, targets: Index) -> None:
        s = np.broadcast_to(targets[:, None], (len(targets), len(self.horizons)))
        origin = s - self.horizons + frame.log.start_hour
        hour = frame.hour_of_day(s).astype(np.int64) % 24
        for name, track in self.tracks.items():
            track.learn(self._truth(frame, name, s), origin, hour)

    def _truth(self, frame: Frame, name: str, s: Index) -> Array:
        if name == SOIL_AVG:
            return np.asarray(np.mean([frame.at(zone, s) for zone in self.zones], axis=0))
        if name == RH:
            return rh_from_vpd(frame.at("air_temp_c", s), frame.at("vpd_kpa", s))
        return frame.at(name, s)


def _mean_of_known(zones: Array) -> Array:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(zones)
    count = known.sum(axis=0)
    return np.asarray(np.where(count > 0, np.where(known, zones, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan))
