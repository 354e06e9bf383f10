"""A synthetic plant in a tent: diurnal cycle, noise and scenarios, the same for the same seed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from shared_schemas.devices import LAMP, OUTPUTS, PUMP, SENSOR_BY_NAME, names_of
from shared_schemas.records import DeviceStatusV1, ObservationV1
from shared_schemas.records.observation_v1 import QUANTITIES
from tomato_host.brain.local_time import hours_since, stamped
from tomato_host.sources.scenarios import present_name
from tomato_host.sources.synthetic_faults import SYNTHETIC_FAULTS, SyntheticFault, SyntheticReadings


@dataclass(frozen=True, slots=True)
class SyntheticDay:
    """The plain day that noise and scenarios are laid over. Times are wall time in the source's zone."""

    lights_on: time = time(6, 0)
    photoperiod_h: float = 16.0
    day_temp_c: float = 25.0
    night_temp_c: float = 19.0
    day_rh_pct: float = 60.0
    night_rh_pct: float = 72.0
    co2_ppm: float = 430.0
    lamp_lux: float = 22_000.0
    watering: time = time(7, 30)
    watering_ml: float = 400.0
    drying_day_pct_h: float = 0.55
    drying_night_pct_h: float = 0.18
    probe_levels: tuple[tuple[str, float], ...] = (("P1", 34.0), ("P2", 38.0))
    probe_noise_pct: float = 0.12


_NOISE = {
    "air_temp_c": 0.08,
    "rh_pct": 0.35,
    "co2_ppm": 6.0,
    "leaf_temp_c": 0.12,
    "light_lux": 60.0,
    "soil_temp_c": 0.04,
}
"""Standard deviation of the reading noise, of the order of the parts' data sheets."""


class SyntheticSource:
    """Observations every `period_s` from `start` (aware) for `duration_h` hours; then None.

    The day follows the wall clock of `zone`.

    Each observation draws its noise in a fixed order, whatever the scenarios do, so that two runs that differ
    in a scenario differ in nothing else.
    """

    lacking: frozenset[str] = frozenset()

    def __init__(
        self,
        seed: int,
        start: datetime,
        duration_h: float = 24.0,
        period_s: float = 60.0,
        scenarios: Sequence[str | SyntheticFault] = (),
        *,
        day: SyntheticDay | None = None,
        zone: tzinfo,
    ) -> None:
        if start.tzinfo is None:
            raise ValueError("SyntheticSource needs an aware start time")
        if period_s <= 0 or duration_h < 0:
            raise ValueError("period_s must be positive and duration_h not negative")
        self._random = random.Random(seed)
        self._start = start.astimezone(UTC)
        self._period = timedelta(seconds=period_s)
        self._count = math.ceil(duration_h * 3600.0 / period_s)
        self._zone = zone
        self._day = day or SyntheticDay()
        self._scenarios = [found for found in map(_scenario, scenarios) if found is not None]
        self._index = 0
        self._now = self._start
        self._lamp_smooth: float | None = None
        self._moisture = dict(self._day.probe_levels)
        self._flow_ml = 0.0
        self._watered_today_ml = 0.0
        self._connected = True

    def next_observation(self) -> ObservationV1 | None:
        """The next observation, or None at the end."""
        if self._index >= self._count:
            return None
        self._now = self._start + self._index * self._period
        self._index += 1
        readings = self._readings()
        hour = (self._now - self._start) / timedelta(hours=1)
        for scenario in self._scenarios:
            scenario.apply(readings, hour)
        self._connected = readings.board_connected
        return _observation(stamped(self._now, self._zone), readings)

    def device_status(self) -> DeviceStatusV1:
        """Lamp by the photoperiod, pump during the watering, what stirs the air always."""
        on = set(names_of(stirs=True)) if self._connected else set()
        if self._connected and self._lit(self._now):
            on.add(LAMP.name)
        if self._connected and self._watering(self._now):
            on.add(PUMP.name)
        return DeviceStatusV1.model_validate(
            {
                "schema_version": "device_status_v1",
                "ts": stamped(self._now, self._zone),
                "outputs": {output.name: "ON" if output.name in on else "OFF" for output in OUTPUTS},
                "mcu_connected": self._connected,
                "board_state": "LEASED" if self._connected else "UNKNOWN",
                "last_reset_ts": stamped(self._start, self._zone),
                "water_ml_used_today": round(self._watered_today_ml, 1),
            }
        )

    def _lit(self, now: datetime) -> bool:
        return hours_since(self._day.lights_on, now, self._zone) < self._day.photoperiod_h

    def _watering(self, now: datetime) -> bool:
        return hours_since(self._day.watering, now, self._zone) * 3600.0 < self._period.total_seconds()

    def _readings(self) -> SyntheticReadings:
        noise = {name: self._random.gauss(0.0, sigma) for name, sigma in _NOISE.items()}
        soil_noise = {probe: self._random.gauss(0.0, self._day.probe_noise_pct) for probe in self._moisture}
        lit = self._lit(self._now)
        warmth = self._warmth(lit)
        self._move_water(lit)
        day = self._day
        air = day.night_temp_c + (day.day_temp_c - day.night_temp_c) * warmth
        values: dict[str, float | None] = {
            "air_temp_c": air + noise["air_temp_c"],
            "rh_pct": day.night_rh_pct + (day.day_rh_pct - day.night_rh_pct) * warmth + noise["rh_pct"],
            "co2_ppm": day.co2_ppm + 60.0 * (1.0 - 2.0 * warmth) + noise["co2_ppm"],
            "leaf_temp_c": air - (1.2 if lit else 0.3) + noise["leaf_temp_c"],
            "light_lux": max(0.0, day.lamp_lux + noise["light_lux"]) if lit else abs(noise["light_lux"]) / 60.0,
            "soil_temp_c": air - 2.5 + 0.8 * (0.5 - warmth) + noise["soil_temp_c"],
            "flow_ml": self._flow_ml,
        }
        soil: dict[str, float | None] = {p: level + soil_noise[p] for p, level in self._moisture.items()}
        return SyntheticReadings(values, soil, {"reservoir_ok": True, "leak": False, "door_open": False})

    def _warmth(self, lit: bool) -> float:
        """0 in the depth of the night, 1 in a long lit day: the tent follows its lamp with a lag of an hour."""
        target = 1.0 if lit else 0.0
        if self._lamp_smooth is None:
            self._lamp_smooth = target
        share = 1.0 - math.exp(-self._period.total_seconds() / 3600.0)
        self._lamp_smooth += (target - self._lamp_smooth) * share
        return self._lamp_smooth

    def _move_water(self, lit: bool) -> None:
        hours = self._period / timedelta(hours=1)
        rate = self._day.drying_day_pct_h if lit else self._day.drying_night_pct_h
        watered = self._watering(self._now)
        if watered:
            self._flow_ml += self._day.watering_ml
        if hours_since(time(0), self._now, self._zone) < hours:
            self._watered_today_ml = 0.0
        if watered:
            self._watered_today_ml += self._day.watering_ml
        for probe, full in self._day.probe_levels:
            level = self._moisture[probe] - rate * hours * self._moisture[probe] / full
            self._moisture[probe] = full if watered else max(5.0, level)


def _scenario(wanted: str | SyntheticFault) -> SyntheticFault | None:
    if isinstance(wanted, SyntheticFault):
        return wanted
    name = present_name(wanted)
    if name not in SYNTHETIC_FAULTS:
        raise ValueError(f"scenario {wanted!r} is unknown; known are {', '.join(SYNTHETIC_FAULTS)}")
    return SYNTHETIC_FAULTS[name]


def _observation(ts: datetime, r: SyntheticReadings) -> ObservationV1:
    fields: dict[str, object] = dict.fromkeys(QUANTITIES)
    fields |= {name: _in_range(name, value) for name, value in r.values.items()}
    fields |= {name: None if not r.board_connected else flag for name, flag in r.flags.items()}
    known = r.values.keys() | r.flags.keys()
    missing = {
        name: r.missing.get(name, "timeout" if name in known else "not_fitted")
        for name, value in fields.items()
        if value is None
    }
    soil = [
        {
            "id": probe,
            "moisture_pct": None if level is None else round(min(100.0, max(0.0, level)), 2),
            "missing": r.missing.get(probe, "timeout") if level is None else None,
        }
        for probe, level in r.soil.items()
    ]
    return ObservationV1.model_validate(
        {
            "schema_version": "observation_v1",
            "ts": ts,
            "origin": "synthetic",
            **fields,
            "soil": soil,
            "missing": missing,
        }
    )


def _in_range(name: str, value: float | None) -> float | None:
    sensor = SENSOR_BY_NAME[name]
    return None if value is None else round(min(sensor.highest, max(sensor.lowest, value)), 2)
