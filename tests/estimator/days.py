"""Building blocks for estimator tests: observations of a calm tent, and a way to drive the estimator through them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from tomato_host.brain.estimator import Estimate, Estimator, EstimatorSettings

from shared_schemas.records import AnomalyV1, DeviceStatusV1, ObservationV1
from shared_schemas.records.device_status_v1 import Outputs
from shared_schemas.records.observation_v1 import QUANTITIES, SoilReading

VIENNA = ZoneInfo("Europe/Vienna")
NOON = datetime(2026, 2, 14, 12, 0, tzinfo=VIENNA)

CALM: dict[str, Any] = {
    "air_temp_c": 24.0,
    "rh_pct": 62.0,
    "co2_ppm": 450.0,
    "leaf_temp_c": 23.2,
    "light_lux": 18_000.0,
    "soil_temp_c": 20.5,
    "P1": 34.0,
    "P2": 46.0,
    "flow_ml": 0.0,
    "reservoir_ok": True,
    "leak": False,
    "door_open": False,
}
TREMBLE = {
    "air_temp_c": 0.03,
    "rh_pct": 0.2,
    "co2_ppm": 5.0,
    "leaf_temp_c": 0.08,
    "light_lux": 60.0,
    "soil_temp_c": 0.03,
    "P1": 0.15,
    "P2": 0.15,
}
LIT = Outputs(
    light="ON",
    circulation_fan="ON",
    exhaust_fan="OFF",
    humidifier="OFF",
    heater_mat="OFF",
    water_pump="OFF",
    co2_solenoid="OFF",
)


class Gone:
    """A reading that is missing, and why."""

    def __init__(self, reason: str = "timeout") -> None:
        self.reason = reason


def calm_readings(rng: Random) -> dict[str, Any]:
    """One set of readings of a calm tent with the noise of real sensors."""
    found = {k: v + rng.gauss(0.0, TREMBLE[k]) if k in TREMBLE else v for k, v in CALM.items()}
    for name in ("air_temp_c", "rh_pct", "leaf_temp_c", "soil_temp_c", "P1", "P2"):
        found[name] = round(found[name], 2)
    found["co2_ppm"], found["light_lux"] = float(round(found["co2_ppm"])), float(round(found["light_lux"]))
    return found


def observe(ts: datetime, readings: dict[str, Any], probes: tuple[str, ...] = ("P1", "P2")) -> ObservationV1:
    """An observation from readings by name; `Gone` stands for a missing one."""
    missing = {n: readings[n].reason for n in QUANTITIES if isinstance(readings[n], Gone)}
    scalars = {n: None if isinstance(readings[n], Gone) else readings[n] for n in QUANTITIES}
    soil = tuple(
        SoilReading(id=p, moisture_pct=None, missing=readings[p].reason)
        if isinstance(readings[p], Gone)
        else SoilReading(id=p, moisture_pct=readings[p])
        for p in probes
    )
    return ObservationV1(
        schema_version="observation_v1", ts=ts, origin="synthetic", soil=soil, missing=missing, **scalars
    )


def devices(ts: datetime = NOON, outputs: Outputs = LIT, **fields: Any) -> DeviceStatusV1:
    """A device status; the board is connected unless said otherwise."""
    given = {"mcu_connected": True, "outputs": outputs, **fields}
    return DeviceStatusV1(schema_version="device_status_v1", ts=ts, **given)


class Drive:
    """Drives an estimator through time and keeps what it said."""

    def __init__(
        self, settings: EstimatorSettings | None = None, seed: int = 1, period_s: float = 10.0, start: datetime = NOON
    ) -> None:
        self.estimator = Estimator(settings or EstimatorSettings())
        self.rng = Random(seed)
        self.ts = start - timedelta(seconds=period_s)
        self.period = timedelta(seconds=period_s)
        self.anomalies: list[AnomalyV1] = []
        self.last: Estimate | None = None

    def run(
        self,
        minutes: float,
        change: Callable[[dict[str, Any], float], None] | None = None,
        status: DeviceStatusV1 | None = None,
    ) -> list[AnomalyV1]:
        """Go on for `minutes`; `change(readings, seconds since the start of this call)` edits each set of readings."""
        told: list[AnomalyV1] = []
        steps = int(minutes * 60.0 / self.period.total_seconds())
        for i in range(steps):
            self.ts += self.period
            readings = calm_readings(self.rng)
            if change is not None:
                change(readings, i * self.period.total_seconds())
            self.last = self.estimator.step(observe(self.ts, readings), status or devices())
            told += self.last.anomalies
        self.anomalies += told
        return told

    @property
    def estimate(self) -> Estimate:
        """The newest estimate."""
        assert self.last is not None
        return self.last


def faults(anomalies: list[AnomalyV1], phase: str = "OPENED") -> list[tuple[str | None, str]]:
    """(sensor, fault) of every sensor anomaly of that phase."""
    return [(a.subject, str(a.signals["fault"])) for a in anomalies if a.phase == phase and "fault" in a.signals]
