"""The estimator: observation and device status in; state, anomalies, sensor health and sampling plan out.

Pure and deterministic: the only clock is `ts` of the observation. Specifications that tests compare with the code:
docs/confidence_scoring.md (faults, confidence) and docs/anomaly_thresholds.md (thresholds).

The idea: no reading is corrected towards a model. Each is kept, held, or dropped with a named reason, and what remains
carries a confidence between 0 and 1, so that a rule further down can say what it needs. One step:

    recent events       lamp, pump, door, fans, CO2: what may explain a fast change             recent_events.py
    each sensor         missing, out of range, jump, stuck; filtered; the lamp's shift off      sensor_health.py,
                                                                                                lamp_interference.py
    between sensors     mismatch of companions, within minutes and within days                  cross_check.py, drift.py
    confidence          product of range, rate, cross and history; weighted mean of all         confidence.py
    foreign sensors     stand in for a missing one, believed little                             extra_probes.py
    derived             deficit, dew point, leaf minus air, light integral, soil average        psychrometrics.py,
                                                                                                light_integral.py,
                                                                                                soil.py
    against the water   a probe that rises without water, or does not answer it                 probe_response.py
    anomalies           thresholds with hysteresis, on values of enough confidence only         threshold_signals.py,
                                                                                                anomaly_detector.py
    outputs             expected effect of each output against the seen one                     actuator_effect.py
    blocked water       a latch that stops water is told again while the soil dries             water_blocked.py
    history             one row of the last 48 h                                                ring_buffer.py

A product, because one good reason for low confidence is enough and no other factor may outvote it. Steps before
companions before thresholds, because each stage reads what the one before has already refused: an unplugged probe
never makes the soil dry.

Rejected: a Kalman filter over all quantities (it needs a model of the tent, which does not exist on the first day and
is wrong in the incidents that matter; the world model is kept apart and only forecasts); learned anomaly scores (they
cannot be checked against a specification, and a grower must be able to read why); replacing a missing value by a
forecast. Sources: the factors follow the practice of automatic weather stations (WMO-No. 8: range, step,
persistence, internal consistency tests); drift by day-to-day features is our own, measured in docs/estimator.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from shared_schemas.devices import LAMP
from shared_schemas.records import AnomalyV1, DeviceStatusV1, ObservationV1, VisionV1
from shared_schemas.records.state_v1 import AirMeans
from tomato_host.brain.estimator.actuator_effect import ActuatorSupervision
from tomato_host.brain.estimator.anomaly_detector import AnomalyDetector
from tomato_host.brain.estimator.channels import CHANNELS, channels_for
from tomato_host.brain.estimator.confidence import (
    EDGE_SHARE,
    cross_factor,
    history_factor,
    overall_confidence,
    range_factor,
    rate_factor,
    sensor_confidence,
)
from tomato_host.brain.estimator.cross_check import LAMP_SETTLES_S, CrossCheck
from tomato_host.brain.estimator.drift import CLEARED_BELOW as DRIFT_CLEARED_BELOW
from tomato_host.brain.estimator.drift import DriftDetector
from tomato_host.brain.estimator.estimate import DeviceParts, Estimate, SensorMoment
from tomato_host.brain.estimator.extra_probes import ExtraProbes, fill
from tomato_host.brain.estimator.lamp_interference import LampInterference
from tomato_host.brain.estimator.light_integral import DailyLightIntegral
from tomato_host.brain.estimator.probe_response import ProbeResponse
from tomato_host.brain.estimator.recent_events import RecentEvents
from tomato_host.brain.estimator.ring_buffer import RingBuffer
from tomato_host.brain.estimator.sensor_health import DRIFT, JUMP_REMEMBERED_S, REVERSED, UNRESPONSIVE, SensorTrack
from tomato_host.brain.estimator.settings import EstimatorSettings, ProbeSettings
from tomato_host.brain.estimator.soil import TRUSTED, WaterArrival, average_moisture_pct, trusted_probes
from tomato_host.brain.estimator.threshold_signals import (
    AIR,
    FIRST_PROBE,
    LEAF,
    LUX,
    RELAYS,
    RH,
    ThresholdSignals,
)
from tomato_host.brain.estimator.water_blocked import WaterReminder
from tomato_host.brain.psychrometrics import absolute_humidity_g_m3, dew_point_c, saturation_vapour_pressure_kpa
from tomato_host.brain.settings import BudgetSettings, SiteSettings

NAN: Final = float("nan")
HISTORY_DERIVED: Final = (
    "vpd_kpa",
    "leaf_air_delta_c",
    "soil_avg_pct",
    "dli_mol_m2",
    "confidence",
    *(f"{name}_on" for name in RELAYS),
    "water_ml_today",
)
AIR_MEANS: Final = tuple(name for name in AirMeans.model_fields if name != "over_s")
SPOTLESS: Final = (0.0, 0.0, 0.0)
"""Share of bad samples, flat run, evidence of drift of a sensor of which the past says nothing bad."""
BAD_SHARE_EVERY_S: Final = 600.0
BAD_SHARE_MEMORY_S: Final = 21_600.0
LATE_MEANS_CLOCK_SET: Final = 12
WRONG_RESPONSE_CONFIDENCE: Final = 0.1
"""A probe that moves against the water, or does not notice it, takes part in no conclusion."""
LEAF_FROM_AIR_MAX_K: Final = 60.0
"""No leaf is further from its air than this (the range of `state_v1`): one of the two readings is wrong, so the
difference is not reported. Both are in their own plausible range, and LEAF_HOT is still raised."""


class Estimator:
    """One installation's estimator. `step` is the only entry; `history` holds the last 48 hours."""

    def __init__(
        self,
        settings: EstimatorSettings | None = None,
        site: SiteSettings | None = None,
        budgets: BudgetSettings | None = None,
    ) -> None:
        self._settings = settings or EstimatorSettings()
        self._zone = (site or SiteSettings()).zone
        self._parts = DeviceParts(budgets or BudgetSettings())
        self.extra = ExtraProbes()
        self._t_s: float | None = None
        self._last: Estimate | None = None
        self._open: tuple[AnomalyV1, ...] = ()
        self._late_in_a_row = 0
        self._midnight_s: float | None = None
        self._off_s = 0.0
        """How far the clock has been set since the start."""
        self._room = (21.0, 10.0)
        self._relays_seen: DeviceStatusV1 | None = None
        self._relays: tuple[float, ...] = ()
        self._recorded_light: tuple[datetime, float] | None = None

    def resume_light(self, recorded_ts: datetime, mol_m2: float) -> None:
        """The light integral of `recorded_ts`'s day as an earlier process left it: the same day goes on from there."""
        self._recorded_light = recorded_ts, mol_m2

    def believe_room(self, temp_c: float, vapour_g_m3: float) -> None:
        """The air around the tent as the controller has learned it (degC, g/m3): what an exchange of air can change."""
        self._room = (temp_c, vapour_g_m3)
        if self._t_s is not None:
            self._supervision.room = self._room

    @property
    def settings(self) -> EstimatorSettings:
        """The settings in force; probes that only the first observation names are added to them."""
        return self._settings

    @property
    def history(self) -> RingBuffer:
        """Filtered values of the last 48 h, one row a step. RuntimeError before the first step."""
        if self._t_s is None:
            raise RuntimeError("no observation has been processed yet")
        return self._history

    def air_means(self, hours: float) -> AirMeans | None:
        """The air's means over the last `hours`, of what was known; None before anything was."""
        if self._t_s is None:
            return None
        found, rows = self._history.means(AIR_MEANS, hours), self._history.last_n_hours(hours)
        if not found:
            return None
        over_s = float(rows[-1, 0] - rows[0, 0])
        return AirMeans(over_s=over_s, **{name: round(value, 4) for name, value in found.items()})

    def step(self, observation: ObservationV1, devices: DeviceStatusV1, vision: VisionV1 | None = None) -> Estimate:
        """Process one observation and return the estimated moment.

        Times must grow; an observation that is not newer than the last one (backlog) changes nothing and comes back
        as the last estimate with `late` set and no anomalies. After twelve such in a row that are no backlog the clock
        was set back, and all memory starts anew. `vision` is the newest result of a photo, if any.
        """
        t_s = observation.ts.timestamp() - self._off_s
        if self._t_s is None:
            self._build(observation)
            self._t_s = t_s - self._settings.sample_period_s
        elif t_s > self._t_s:
            self._late_in_a_row = 0
        elif self._last is not None and not self._clock_was_set_back(observation):
            return self._last.repeated_late()
        gap_s = t_s - self._t_s
        lamp = getattr(devices.outputs, LAMP.name) == "ON"
        events = self._events.update(t_s, gap_s, devices, observation.door_open)
        self._check_sensors(t_s, observation, lamp, events)
        values = [track.trusted for track in self._tracks]
        lamp_for_s = t_s - self._events.lamp_since_s
        self._cross.update(t_s, values, lamp, lamp_for_s)
        self._cross.flag(t_s, self._tracks)
        self._update_drift(t_s, values, lamp, lamp_for_s)
        if observation.origin != "replay":  # of somebody else's recording the water given is not known
            self._update_response(t_s, values, devices, observation.door_open)
        confidences = self._score(t_s, values)
        if self.extra:
            fill(self.extra, self._names, observation.ts, values, confidences)
        derived = self._derive(t_s, observation.ts, values)
        overall = overall_confidence(
            [
                (weight, c)
                for t, (weight, essential), c in zip(self._tracks, self._weights, confidences, strict=True)
                if t.fitted or essential
            ],
            devices.mcu_connected,
        )
        probes = trusted_probes(values[FIRST_PROBE:], confidences[FIRST_PROBE:])
        average = average_moisture_pct(probes)
        self._arrival.update(t_s, devices.water_ml_used_today, values[FIRST_PROBE:])
        trusted = [v if c >= TRUSTED else None for v, c in zip(values, confidences, strict=True)]
        signals = self._signals.update(
            t_s, observation, devices, trusted, derived, average, lamp_for_s, self._arrival.unanswered_ml
        )
        anomalies = self._detector.update(t_s, observation.ts, signals)
        for track in self._tracks:
            if track.faults != track.reported:
                anomalies += self._detector.fault_changes(t_s, observation.ts, track)
        anomalies += self._supervision.update(t_s, observation.ts, trusted, devices, bool(observation.door_open))
        anomalies += self._reminder.update(t_s, observation.ts, devices, [m for m, _ in probes])
        if anomalies:
            blocked = () if self._reminder.opened is None else (self._reminder.opened,)
            self._open = (*self._detector.open, *self._supervision.open, *blocked)
        self._append_history(t_s, values, derived, average, overall, devices)
        self._t_s = t_s
        self._last = self._moment(observation.ts, devices, vision, values, derived, confidences, overall, anomalies)
        return self._last

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: memory of readings goes on, for it counts by elapsed time; only the day is new.

        Times inside are those of the clock as it was at the start; records carry the time that the clock shows.
        """
        self._off_s += moved.total_seconds()
        self._midnight_s = None

    def _clock_was_set_back(self, observation: ObservationV1) -> bool:
        """Fresh observations that keep coming from the past: the clock was set, and memory must start anew."""
        if observation.board is not None and observation.board.backlog:
            return False
        self._late_in_a_row += 1
        if self._late_in_a_row < LATE_MEANS_CLOCK_SET:
            return False
        self._late_in_a_row = 0
        self._build(observation)
        self._t_s = observation.ts.timestamp() - self._off_s - self._settings.sample_period_s
        return True

    def _build(self, first: ObservationV1) -> None:
        """Allocate everything once, for the configured probes and those in the first observation."""
        known = {probe.id for probe in self._settings.probes}
        new = tuple(ProbeSettings(id=r.id, zone=r.id) for r in first.soil if r.id not in known)
        if new:
            self._settings = self._settings.model_copy(update={"probes": self._settings.probes + new})
        settings = self._settings
        channels = channels_for(settings)
        names = tuple(channel.name for channel in channels)
        self._names = names
        self._tracks = [SensorTrack(channel) for channel in channels]
        self._weights = tuple((channel.weight, channel.essential) for channel in channels)
        self._ranges = tuple((channel, EDGE_SHARE * (channel.high - channel.low)) for channel in channels)
        self._scalars = tuple(zip(self._tracks, names[:FIRST_PROBE], strict=False))
        self._probe_ids = tuple(probe.id for probe in settings.probes)
        self._probes = [LampInterference(track) for track in self._tracks[FIRST_PROBE:]]
        self._events = RecentEvents()
        self._cross = CrossCheck(names, settings)
        self._drift = DriftDetector(names, settings.daylight)
        self._drift_evidence = [0.0] * len(names)
        self._drift_alone = tuple(name in self._drift.alone for name in names)
        self._bad_share = [0.0] * len(names)
        self._bad_share_s: float | None = None
        self._dli = DailyLightIntegral(settings.umol_divisor_lux)
        self._midnight_s = 0.0
        self._arrival = WaterArrival()
        self._response = ProbeResponse(len(names) - FIRST_PROBE)
        self._supervision = ActuatorSupervision()
        self._supervision.room = self._room
        self._reminder = WaterReminder()
        self._detector = AnomalyDetector(names[FIRST_PROBE:])
        self._open = ()
        self._signals = ThresholdSignals(settings.daylight)
        rows = int(settings.history_hours * 3600.0 / settings.sample_period_s) + 1
        self._history = RingBuffer((*names, *HISTORY_DERIVED), rows)

    def _check_sensors(self, t_s: float, observation: ObservationV1, lamp: bool, events: int) -> None:
        missing = observation.missing
        for (track, name), reading in zip(self._scalars, _SCALARS_OF(observation), strict=True):
            reason = missing[name] if reading is None else ""
            track.update(t_s, reading, bool(events & track.excused_by), 0.0, reason)
        by_id = {probe.id: probe for probe in observation.soil}
        for id_, interference in zip(self._probe_ids, self._probes, strict=True):
            probe = by_id.get(id_)
            if probe is None:
                foreign = self.extra.soil(id_, observation.ts)
                interference.update(t_s, foreign, lamp, events, "" if foreign is not None else "unplugged")
            else:
                interference.update(t_s, probe.moisture_pct, lamp, events, probe.missing or "")

    def _update_drift(self, t_s: float, values: list[float | None], lamp: bool, lamp_for_s: float) -> None:
        level = values[LUX] if lamp and lamp_for_s >= LAMP_SETTLES_S else None
        if not self._drift.update(t_s, values, level):
            return
        for i, track in enumerate(self._tracks):
            evidence = self._drift.evidence.get(track.channel.name, 0.0)
            self._drift_evidence[i] = evidence
            if evidence >= 1.0:
                track.faults |= DRIFT
            elif evidence < DRIFT_CLEARED_BELOW:
                track.faults &= ~DRIFT

    def _update_response(
        self, t_s: float, values: list[float | None], devices: DeviceStatusV1, door_open: bool | None
    ) -> None:
        self._response.update(t_s, devices.water_ml_used_today, values[FIRST_PROBE:], bool(door_open))
        for probe, track in enumerate(self._tracks[FIRST_PROBE:]):
            track.faults &= ~(REVERSED | UNRESPONSIVE)
            if self._response.reversed(probe):
                track.faults |= REVERSED
            if self._response.unresponsive(probe):
                track.faults |= UNRESPONSIVE

    def _score(self, t_s: float, values: list[float | None]) -> list[float]:
        """Confidence of every sensor, docs/confidence_scoring.md."""
        if self._bad_share_s is None or t_s - self._bad_share_s >= BAD_SHARE_EVERY_S:
            self._update_bad_share(t_s)
        confidences = []
        mismatches = self._cross.mismatch
        doubts = zip(self._bad_share, self._drift_evidence, self._drift_alone, strict=True)
        parts = zip(self._tracks, values, self._ranges, mismatches, doubts, strict=True)
        for track, value, (channel, edge), mismatch, (bad_share, drift, alone) in parts:
            if value is None:
                confidences.append(0.0)
                continue
            if track.faults & (REVERSED | UNRESPONSIVE):
                confidences.append(WRONG_RESPONSE_CONFIDENCE)
                continue
            low, high = channel.low, channel.high
            inside = value - low >= edge and high - value >= edge  # as nearly always: then the factor is 1
            natural = value <= channel.flat_below or value >= channel.flat_above
            settled = not track.settling and t_s - track.jump_s > JUMP_REMEMBERED_S
            past = (bad_share, track.flat_share(t_s), drift)
            confidences.append(
                sensor_confidence(
                    1.0 if inside else range_factor(value, low, high, natural),
                    1.0 if settled else rate_factor(t_s - track.jump_s, track.settling),
                    1.0 if mismatch <= 1.0 else cross_factor(mismatch),
                    1.0 if past == SPOTLESS else history_factor(*past, alone),
                )
            )
        return confidences

    def _update_bad_share(self, t_s: float) -> None:
        """Add the newest share of bad samples to the six-hour average."""
        since = self._bad_share_s
        weight = 0.0 if since is None else (t_s - since) / (BAD_SHARE_MEMORY_S + (t_s - since))
        for i, track in enumerate(self._tracks):
            share = track.pop_bad_share()
            self._bad_share[i] += (share - self._bad_share[i]) * weight
        self._bad_share_s = t_s

    def _derive(self, t_s: float, ts: datetime, values: list[float | None]) -> tuple[float | None, ...]:
        """vpd, leaf minus air, leaf vpd, dew point, absolute humidity, light integral; None where a part is missing."""
        air, rh, leaf, light = values[AIR], values[RH], values[LEAF], values[LUX]
        vpd = delta = leaf_vpd = dew = absolute = None
        formula = self._settings.formula
        if air is not None and rh is not None:
            saturated = saturation_vapour_pressure_kpa(air, formula)
            vpd = saturated * (1.0 - rh / 100.0)
            dew = dew_point_c(air, rh, formula)
            absolute = absolute_humidity_g_m3(air, rh, formula)
            if leaf is not None:
                leaf_vpd = max(0.0, saturation_vapour_pressure_kpa(leaf, formula) - saturated + vpd)
        if air is not None and leaf is not None and abs(leaf - air) <= LEAF_FROM_AIR_MAX_K:
            delta = leaf - air
        if self._midnight_s is None:  # the clock was set: no midnight was lived, today has another date
            self._midnight_s = _next_midnight_s(ts, self._zone)
        elif ts.timestamp() >= self._midnight_s:
            self._dli.new_day()
            self._midnight_s = _next_midnight_s(ts, self._zone)
            if self._recorded_light is not None:
                recorded_ts, mol_m2 = self._recorded_light
                is_today = recorded_ts <= ts and _next_midnight_s(recorded_ts, self._zone) == self._midnight_s
                self._dli.mol_m2, self._recorded_light = mol_m2 if is_today else 0.0, None
        if light is not None:
            self._dli.update(t_s, light)
        return vpd, delta, leaf_vpd, dew, absolute, self._dli.mol_m2 if self._tracks[LUX].fitted else None

    def _append_history(
        self,
        t_s: float,
        values: list[float | None],
        derived: tuple[float | None, ...],
        average: float | None,
        overall: float,
        devices: DeviceStatusV1,
    ) -> None:
        row = [
            t_s,
            *values,
            derived[0],
            derived[1],
            average,
            derived[5],
            overall,
            *self._relays_of(devices),
            devices.water_ml_used_today,
        ]
        self._history.append([NAN if v is None else v for v in row])

    def _relays_of(self, devices: DeviceStatusV1) -> tuple[float, ...]:
        """1 for each relay that is on, else 0."""
        if devices is not self._relays_seen:  # sources return the same object until something changes
            self._relays_seen = devices
            self._relays = tuple(1.0 if getattr(devices.outputs, name) == "ON" else 0.0 for name in RELAYS)
        return self._relays

    def _moment(
        self,
        ts: datetime,
        devices: DeviceStatusV1,
        vision: VisionV1 | None,
        values: list[float | None],
        derived: tuple[float | None, ...],
        confidences: list[float],
        overall: float,
        anomalies: list[AnomalyV1],
    ) -> Estimate:
        off_s = self._off_s
        sensors: list[SensorMoment] = [
            (name, t.fitted, t.faults, c, None if t.last_good_s is None else t.last_good_s + off_s, t.reason)
            for name, t, c in zip(self._names, self._tracks, confidences, strict=True)
        ]
        return Estimate(
            self._settings,
            self._parts,
            ts,
            devices,
            vision,
            values,
            derived,
            sensors,
            overall,
            tuple(anomalies),
            self._open,
        )


_SCALARS_OF = attrgetter(*(channel.name for channel in CHANNELS))
"""The readings of an observation in the order of the channels, soil probes left out."""


def _next_midnight_s(ts: datetime, zone: ZoneInfo) -> float:
    """The end of the local day that `ts` lies in, in seconds since the epoch."""
    tomorrow = ts.astimezone(zone).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp()
