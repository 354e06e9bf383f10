"""What one step of the estimator returns: the plain numbers of a moment, from which records are built on first use.

Observations come every ten seconds, records are written every half hour; a step that writes none should not build any.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import cached_property

from shared_schemas.records import AnomalyV1, DeviceStatusV1, SamplingPlanV1, SensorHealthV1, StateV1, VisionV1
from shared_schemas.records.device_fields import OutputStates
from shared_schemas.records.sensor_health_v1 import SensorDiagnosis
from shared_schemas.records.state_v1 import Budgets, Devices, Env, Plant, Probe, Soil, VisionSummary
from tomato_host.brain.estimator.channels import CHANNELS
from tomato_host.brain.estimator.sampling import sampling_plan
from tomato_host.brain.estimator.sensor_health import FAULT_OF_BIT, INTERFERENCE, NO_VALUE
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.brain.estimator.soil import Trusted, average_moisture_pct, trusted_probes, zone_pattern
from tomato_host.brain.estimator.threshold_signals import AIR, CO2_PPM, FIRST_PROBE, LEAF, LUX, RH, SOIL_TEMP
from tomato_host.brain.settings import BudgetSettings

_KNOWN = (AIR, RH, CO2_PPM, LEAF, LUX, SOIL_TEMP)
"""Channels with a place of their own in the state, the first in the table."""
_ADDED = tuple((n, c.name) for n, c in enumerate(CHANNELS) if n not in _KNOWN and c.name in Env.model_fields)
"""Later channels that have a field of the same name in the state's `env`."""

SensorMoment = tuple[str, bool, int, float, float | None, str]
"""name, fitted, fault bits, confidence, last good time in s, reason of the last missing value"""

VISION_LASTS = timedelta(hours=24)
SUSPECT_BELOW = 0.6


class DeviceParts:
    """What a state says of the devices: made anew only when their status is another object."""

    def __init__(self, budgets: BudgetSettings) -> None:
        self._budgets = budgets
        self._status: DeviceStatusV1 | None = None
        self._parts: tuple[Devices, Budgets] | None = None

    def of(self, status: DeviceStatusV1) -> tuple[Devices, Budgets]:
        """Outputs and connection, and what is used of the day's budgets."""
        if self._parts is None or status is not self._status:
            self._status = status
            self._parts = self._made(status)
        return self._parts

    def _made(self, status: DeviceStatusV1) -> tuple[Devices, Budgets]:
        devices = Devices.from_checked(
            **{name: getattr(status.outputs, name) for name in OutputStates.model_fields},
            mcu_connected=status.mcu_connected,
            last_reset_ts=status.last_reset_ts,
        )
        budgets = Budgets.from_checked(
            water_ml_used_today=status.water_ml_used_today,
            water_ml_budget_today=float(self._budgets.water_ml_per_day),
            co2_seconds_used_today=status.co2_seconds_used_today,
            co2_seconds_budget_today=float(self._budgets.co2_s_per_day),
        )
        return devices, budgets


class Estimate:
    """The estimated moment. `state`, `health` and `sampling` are records built on first use; the rest is plain."""

    def __init__(
        self,
        settings: EstimatorSettings,
        parts: DeviceParts,
        ts: datetime,
        devices: DeviceStatusV1,
        vision: VisionV1 | None,
        values: Sequence[float | None],
        derived: Sequence[float | None],
        sensors: Sequence[SensorMoment],
        confidence: float,
        anomalies: tuple[AnomalyV1, ...],
        open_anomalies: tuple[AnomalyV1, ...],
        late: bool = False,
    ) -> None:
        self._settings = settings
        self._parts = parts
        self._devices = devices
        self._vision = vision
        self._values = values
        self._derived = derived
        self._sensors = sensors
        self.ts = ts
        self.confidence = confidence
        """Overall confidence, 0..1."""
        self.anomalies = anomalies
        """Anomalies that opened, worsened or cleared at this step."""
        self.open_anomalies = open_anomalies
        """All anomalies that are open now."""
        self.late = late
        """True when the observation was older than one already processed: it changed nothing."""

    @cached_property
    def state(self) -> StateV1:
        """The estimated state. Values without trust are null, never guessed.

        Not validated: made every minute, from records that were, readings within their channels' ranges, and
        confidences of 0..1.
        """
        air, rh, co2, leaf, light, soil_temp = self._values[: len(_KNOWN)]
        vpd, delta, leaf_vpd, dew, absolute, dli = self._derived
        devices, budgets = self._parts.of(self._devices)
        trusted = self._trusted()
        return StateV1.from_checked(
            ts=self.ts,
            schema_version="state_v1",
            env=Env.from_checked(
                air_temp_c=_round(air),
                rh_pct=_round(rh),
                co2_ppm=_round(co2, 1),
                vpd_kpa=_round(vpd, 4),
                dew_point_c=_round(dew),
                absolute_humidity_g_m3=_round(absolute),
                light_lux=_round(light, 1),
                dli_mol_m2=_round(dli, 4),
                **{name: _round(self._values[place]) for place, name in _ADDED},
            ),
            plant=Plant.from_checked(
                leaf_temp_c=_round(leaf),
                leaf_air_delta_c=_round(delta),
                leaf_vpd_kpa=_round(leaf_vpd, 4),
                vision=self._vision_summary(),
            ),
            soil=self._soil(soil_temp, trusted),
            devices=devices,
            budgets=budgets,
            confidence=round(self.confidence, 4),
            quantity_confidence=self._quantity_confidence(trusted),
            mode=None,
            reason=None,
            means=None,
        )

    @cached_property
    def health(self) -> SensorHealthV1:
        """The diagnosis of every sensor."""
        return SensorHealthV1(
            schema_version="sensor_health_v1", ts=self.ts, sensors=tuple(map(self._diagnosis, self._sensors))
        )

    @cached_property
    def sampling(self) -> SamplingPlanV1:
        """How often to sample from now on."""
        settings = self._settings
        return sampling_plan(self.ts, settings.state_period_s, settings.sample_period_s, self.open_anomalies)

    def repeated_late(self) -> Estimate:
        """This moment once more, as the result of an observation that came too late to count."""
        return Estimate(
            self._settings,
            self._parts,
            self.ts,
            self._devices,
            self._vision,
            self._values,
            self._derived,
            self._sensors,
            self.confidence,
            (),
            self.open_anomalies,
            late=True,
        )

    def _trusted(self) -> list[Trusted]:
        return trusted_probes(self._values[FIRST_PROBE:], [sensor[3] for sensor in self._sensors[FIRST_PROBE:]])

    def _soil(self, soil_temp: float | None, trusted: list[Trusted]) -> Soil:
        return Soil.from_checked(
            temp_c=_round(soil_temp),
            probes=tuple(
                Probe.from_checked(
                    id=sensor[0].removeprefix("soil."), moisture_pct=_round(value), confidence=round(sensor[3], 4)
                )
                for sensor, value in zip(self._sensors[FIRST_PROBE:], self._values[FIRST_PROBE:], strict=True)
            ),
            avg_moisture_pct=_round(average_moisture_pct(trusted)),
            zone_pattern=zone_pattern(trusted),
        )

    def _quantity_confidence(self, trusted: list[Trusted]) -> dict[str, float]:
        """Confidence of every sensor that is fitted, and of what is computed from them (the weaker of its parts)."""
        found = {name: round(c, 4) for name, fitted, _, c, _, _ in self._sensors if fitted}
        air, rh = found.get("air_temp_c", 0.0), found.get("rh_pct", 0.0)
        found["vpd_kpa"] = min(air, rh)
        found["leaf_air_delta_c"] = min(air, found.get("leaf_temp_c", 0.0))
        probes = len(self._sensors) - FIRST_PROBE
        found["soil.avg"] = round(sum(c for _, c in trusted) / probes, 4) if probes else 0.0
        return found

    def _vision_summary(self) -> VisionSummary | None:
        seen = self._vision
        if seen is None or self.ts - seen.ts > VISION_LASTS:
            return None
        return VisionSummary(
            source=seen.source or "camera",
            summary=seen.notes,
            stress_score=seen.stress_score,
            fruit_count_est=seen.fruit_count_est,
            confidence=seen.confidence,
        )

    def _diagnosis(self, sensor: SensorMoment) -> SensorDiagnosis:
        name, fitted, bits, confidence, last_good_s, reason = sensor
        if not fitted:
            return SensorDiagnosis(id=name, status="NOT_FITTED", confidence=0.0, detail=reason)
        faults = tuple(fault for bit, fault in FAULT_OF_BIT.items() if bits & bit)
        status = "FAILED" if bits & NO_VALUE else "SUSPECT" if bits or confidence < SUSPECT_BELOW else "OK"
        return SensorDiagnosis.model_validate(
            {
                "id": name,
                "status": status,
                "confidence": round(confidence, 4),
                "faults": faults,
                "last_good_ts": self._clock(last_good_s),
                "detail": _detail(bits, reason),
            }
        )

    def _clock(self, t_s: float | None) -> datetime | None:
        """A past moment in the offset of this record, so that a replay from JSON writes the same text."""
        if t_s is None:
            return None
        return datetime.fromtimestamp(t_s, timezone(self.ts.utcoffset() or timedelta(0)))


def _round(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)


def _detail(bits: int, reason: str) -> str:
    if bits & NO_VALUE and reason:
        return f"last missing value: {reason}"
    return "shift of the lamp is taken off" if bits & INTERFERENCE else ""
