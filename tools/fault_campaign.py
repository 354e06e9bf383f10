"""Labelled fault campaigns: days of a tent with known faults in known sensors, and days without any.

The tent here is written for this purpose alone: it shares no code, table or threshold with the estimator, so that what
the estimator finds is found and not agreed upon. Every run is a pure function of its seed. Nuisances are part of every
run, also of the fault-free ones: irrigation, lamp switching with interference on soil probes, doors left open with
somebody breathing in, CO2 doses, humidifier and exhaust cycles, weather that differs from day to day, sensor noise,
coarse resolution and single lost samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shared_schemas.records import DeviceStatusV1, ObservationV1
from shared_schemas.records.device_status_v1 import Outputs
from shared_schemas.records.observation_v1 import MissingReason, SoilReading

Floats = NDArray[np.float64]
Switches = NDArray[np.bool_]

KINDS = ("stuck", "jump", "drift", "out_of_range", "disconnect")
SENSORS = ("air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c", "soil.P1", "soil.P2")
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTES = 1_440
HEALTHY_DAYS_BEFORE_DRIFT = 7
DRIFT_DAYS = 4

JUMP_SIZE: dict[str, tuple[float, float]] = {
    "air_temp_c": (4.0, 12.0),
    "rh_pct": (12.0, 35.0),
    "co2_ppm": (250.0, 1500.0),
    "leaf_temp_c": (5.0, 15.0),
    "soil_temp_c": (3.0, 10.0),
    "soil.P1": (10.0, 35.0),
    "soil.P2": (10.0, 35.0),
}
"""Size of a jump in the unit of the sensor; the light sensor jumps by 30 to 60 % of what it shows."""

BROKEN_READINGS: dict[str, tuple[float | None, ...]] = {
    "air_temp_c": (-40.0, 85.0, 72.0, None),
    "rh_pct": (0.0, None),
    "co2_ppm": (0.0, 40_000.0, None),
    "leaf_temp_c": (-40.0, 85.0, None),
    "light_lux": (120_000.0, None),
    "soil_temp_c": (-40.0, 85.0, None),
    "soil.P1": (0.0, 100.0, None),
    "soil.P2": (0.0, 100.0, None),
}
"""What a broken sensor of that kind says: its rail, its power-on value, or a driver's refusal (None)."""


DISCONNECTED: tuple[MissingReason, ...] = ("timeout", "nack", "unplugged", "crc")


@dataclass(frozen=True)
class Label:
    """The truth about one run."""

    kind: str
    sensor: str
    onset_s: float
    end_s: float


@dataclass
class Run:
    """One run: what the sensors read at each moment, what the outputs did, and the truth."""

    seed: int
    period_s: float
    label: Label | None
    t_s: Floats
    readings: dict[str, Floats]
    reason: MissingReason
    """Why the faulty sensor gives no value while the fault lasts; a single lost sample is always `crc`."""
    lamp: Switches
    exhaust: Switches
    humidifier: Switches
    pump: Switches
    co2_valve: Switches
    guardrails: Switches
    water_ml: Floats
    co2_s: Floats
    interference: dict[str, float] = field(default_factory=dict)
    """Shift of each soil probe under the lamp, as a share of its reading."""

    @property
    def sensor_days(self) -> float:
        """Days times sensors."""
        return len(self.t_s) * self.period_s / 86_400.0 * len(SENSORS)


def fault_free(seed: int, days: int, period_s: float = 10.0) -> Run:
    """A run without a fault."""
    return _sensed(np.random.default_rng([seed, 7]), seed, days, period_s, None)


def faulty(kind: str, seed: int, period_s: float = 10.0) -> Run:
    """A run with one fault: one day, or eleven for drift. The sensor follows from the seed, the rest is drawn."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    sensor = SENSORS[seed % len(SENSORS)]
    days = HEALTHY_DAYS_BEFORE_DRIFT + DRIFT_DAYS if kind == "drift" else 1
    run = _sensed(rng, seed, days, period_s, None)
    run.label = _label(rng, kind, sensor, run)
    _inject(rng, run, run.label)
    return run


def _label(rng: np.random.Generator, kind: str, sensor: str, run: Run) -> Label:
    begin = float(run.t_s[0])
    if kind == "drift":
        onset = begin + 86_400.0 * HEALTHY_DAYS_BEFORE_DRIFT + rng.uniform(0.0, 43_200.0)
        return Label(kind, sensor, onset, float(run.t_s[-1]))
    hours = rng.uniform(2.0, 19.0)
    if sensor == "light_lux" and kind in ("stuck", "jump"):
        # In the dark a dead light sensor looks like night; it is let fail while there is something to see.
        lit = run.t_s[run.lamp & (run.t_s - begin > 7_200.0)]
        hours = (float(rng.choice(lit[: max(1, int(len(lit) * 0.8))])) - begin) / 3_600.0
    lasts_h = rng.uniform(3.0, 12.0) if kind in ("stuck", "jump") else rng.uniform(0.5, 12.0)
    onset = begin + hours * 3_600.0
    return Label(kind, sensor, onset, onset + lasts_h * 3_600.0)


def _inject(rng: np.random.Generator, run: Run, label: Label) -> None:
    values = run.readings[label.sensor]
    window = (run.t_s >= label.onset_s) & (run.t_s < label.end_s)
    first = int(np.argmax(window))
    if label.kind == "stuck":
        seen = values[: first + 1]
        values[window] = seen[~np.isnan(seen)][-1]
    elif label.kind == "disconnect":
        values[window] = np.nan
        run.reason = DISCONNECTED[int(rng.integers(len(DISCONNECTED)))]
    elif label.kind == "out_of_range":
        broken = BROKEN_READINGS[label.sensor]
        reading = broken[int(rng.integers(len(broken)))]
        values[window] = np.nan if reading is None else reading
        run.reason = "out_of_range"
    elif label.kind == "jump":
        values[window] += _jump(rng, label.sensor, float(values[first]))
        _clip(label.sensor, values)
    else:
        level = float(np.nanmean(values[max(0, first - 60) : first])) if label.sensor != "light_lux" else 1.0
        ramp = np.where(window, (run.t_s - label.onset_s) / 86_400.0, 0.0) * 0.02 * rng.choice([-1.0, 1.0])
        values += ramp * (values if label.sensor == "light_lux" else level)
        _clip(label.sensor, values)


def _jump(rng: np.random.Generator, sensor: str, level: float) -> float:
    """A signed step that stays inside what the sensor can say."""
    if sensor == "light_lux":
        return float(rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.6) * level)
    size = rng.uniform(*JUMP_SIZE[sensor])
    if sensor == "co2_ppm":
        return float(size)
    if sensor == "rh_pct" or sensor.startswith("soil.P"):
        return float(-size if level > 50.0 or (level > size + 5.0 and rng.random() < 0.5) else size)
    return float(rng.choice([-1.0, 1.0]) * size)


def _clip(sensor: str, values: Floats) -> None:
    """Keep to what a record can hold."""
    if sensor == "rh_pct" or sensor.startswith("soil.P"):
        np.clip(values, 0.3, 100.0, out=values)
    elif sensor == "light_lux":
        np.clip(values, 0.0, 120_000.0, out=values)
    elif sensor == "co2_ppm":
        np.clip(values, 0.0, 40_000.0, out=values)


@dataclass
class _Tent:
    """True values and events minute by minute."""

    air: Floats
    vapour: Floats
    co2: Floats
    leaf: Floats
    light: Floats
    soil_temp: Floats
    probes: list[Floats]
    lamp: Switches
    exhaust: Switches
    humidifier: Switches
    pump: Switches
    co2_valve: Switches
    guardrails: Switches
    water_ml: Floats
    co2_s: Floats


def _bouts(rng: np.random.Generator, n: int, per_day: float, shortest: int, longest: int) -> Switches:
    """Random bouts of whole minutes."""
    mask = np.zeros(n, dtype=bool)
    for start in rng.integers(0, n, rng.poisson(per_day * n / MINUTES)):
        mask[start : start + int(rng.integers(shortest, longest + 1))] = True
    return mask


def _tent(rng: np.random.Generator, days: int) -> _Tent:
    """A tent in a room, minute by minute."""
    n = days * MINUTES
    minute = np.arange(n)
    hour = (minute % MINUTES) / 60.0
    lamp_from = rng.uniform(4.0, 8.0)
    lamp = (hour >= lamp_from) & (hour < lamp_from + rng.uniform(14.0, 16.0))
    weather = _wander(rng, days, 0.7)
    damp = _wander(rng, days, 0.6)
    room_temp = 20.5 + 0.8 * np.sin((hour - 9.0) / 24.0 * 2 * np.pi) + weather
    room_vapour = 8.5 + damp
    exhaust = lamp & (minute % int(rng.integers(18, 35)) < 5) | (~lamp & (minute % 60 < 3))
    humidifier = lamp & (minute % int(rng.integers(25, 60)) < 2)
    guardrails = _bouts(rng, n, 1.5, 1, 8)
    co2_valve = lamp & _bouts(rng, n, 4.0, 1, 1) & ~exhaust
    pump = np.zeros(n, dtype=bool)
    for day in range(days):
        for at in rng.choice([8.0, 11.0, 14.0, 17.0, 20.0], int(rng.integers(1, 4)), replace=False):
            pump[int(day * MINUTES + at * 60 + rng.integers(0, 40))] = True
    state = _integrate(rng, lamp, exhaust, humidifier, guardrails, co2_valve, pump, room_temp, room_vapour)
    lux = rng.uniform(9_000.0, 32_000.0)
    dimming = 1.0 - 0.0004 * minute / MINUTES
    light = np.where(lamp, lux * dimming, 0.0) + np.where(guardrails, rng.uniform(100.0, 800.0), 0.0)
    return _Tent(*state[:4], light, *state[4:6], lamp, exhaust, humidifier, pump, co2_valve, guardrails, *state[6:])


def _wander(rng: np.random.Generator, days: int, spread: float) -> Floats:
    """Weather: a value a day that remembers the day before, smooth in between."""
    marks = np.zeros(days + 2)
    for i in range(1, days + 2):
        marks[i] = 0.6 * marks[i - 1] + rng.normal(0.0, spread * 0.8)
    smooth: Floats = np.interp(np.arange(days * MINUTES) / MINUTES, np.arange(days + 2), marks)
    return smooth


def _saturated_g_m3(temp_c: float) -> float:
    """Tetens 1930, good enough for a made-up tent."""
    return 610.78 * 10 ** (7.5 * temp_c / (237.3 + temp_c)) / (461.5 * (temp_c + 273.15)) * 1e3


def _integrate(
    rng: np.random.Generator,
    lamp: Switches,
    exhaust: Switches,
    humidifier: Switches,
    guardrails: Switches,
    co2_valve: Switches,
    pump: Switches,
    room_temp: Floats,
    room_vapour: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats, list[Floats], Floats, Floats]:
    """Euler steps of one minute for air, vapour, CO2, leaf, soil temperature and two probes."""
    n = len(lamp)
    out = np.empty((5, n))
    probes = np.empty((2, n))
    water_ml, co2_s = np.zeros(n), np.zeros(n)
    air, vapour, co2, soil = 21.0, 10.0, 450.0, 20.5
    wet = [rng.uniform(25.0, 40.0), rng.uniform(30.0, 50.0)]
    target = list(wet)
    soaking = [0.0, 0.0]
    drink = [rng.uniform(0.75, 1.3), rng.uniform(0.75, 1.3)]
    cooling = rng.uniform(0.4, 1.6)
    background = rng.uniform(420.0, 480.0)
    breath = 0.0
    for i in range(n):
        vent = 0.03 + 0.25 * exhaust[i] + 0.5 * guardrails[i]
        air += (room_temp[i] - air) * (0.03 + vent * 0.15) + 0.27 * lamp[i]
        full = _saturated_g_m3(air)
        transpired = (0.35 * lamp[i] + 0.05) * max(0.0, 1.0 - vapour / full)
        vapour += (room_vapour[i] - vapour) * vent * 0.25 + transpired + 0.9 * humidifier[i]
        vapour = min(vapour, 0.985 * full)
        breath += (rng.uniform(0.0, 500.0) - breath) * 0.3 if guardrails[i] else -breath * 0.2
        co2 += (background + breath - co2) * vent * 0.5 - 0.6 * lamp[i] + 260.0 * co2_valve[i] + 0.1
        soil += (air - soil) / 240.0
        out[:, i] = air, vapour, co2, air - cooling * lamp[i] * (1.0 - vapour / full) * 1.5 + 0.2, soil
        midnight = i % MINUTES == 0
        water_ml[i] = (0.0 if midnight else water_ml[max(0, i - 1)]) + (200.0 * pump[i])
        co2_s[i] = (0.0 if midnight else co2_s[max(0, i - 1)]) + (20.0 * co2_valve[i])
        for k in (0, 1):
            if pump[i]:
                soaking[k] += drink[k] * rng.uniform(0.9, 1.1) * max(0.5, 5.0 + 0.8 * (target[k] - wet[k]))
            taken = soaking[k] * 0.22
            soaking[k] -= taken
            wet[k] += taken - drink[k] * (0.006 * lamp[i] * (1.0 - vapour / full) * 2.0 + 0.0006)
            wet[k] -= 0.0004 * max(0.0, wet[k] - target[k] - 4.0) ** 2
            wet[k] = min(max(wet[k], 8.0), 70.0)
            probes[k, i] = wet[k]
    return out[0], out[1], out[2], out[3], out[4], [probes[0], probes[1]], water_ml, co2_s


def _sensed(rng: np.random.Generator, seed: int, days: int, period_s: float, label: Label | None) -> Run:
    """What the sensors make of the tent: lag, noise, interference, resolution, lost samples."""
    tent = _tent(rng, days)
    seconds = np.arange(0.0, days * 86_400.0, period_s)
    minute = np.minimum((seconds // 60.0).astype(int), len(tent.air) - 1)
    grid = np.arange(len(tent.air)) * 60.0

    def smooth(values: Floats) -> Floats:
        filled: Floats = np.interp(seconds, grid, values)
        return filled

    def noise(sd: float) -> Floats:
        return rng.normal(0.0, sd, len(seconds))

    air = smooth(tent.air) + noise(rng.uniform(0.015, 0.05))
    full = np.array([_saturated_g_m3(t) for t in tent.air])
    rh = smooth(100.0 * tent.vapour / full) + noise(rng.uniform(0.08, 0.3))
    lamp = tent.lamp[minute]
    light = tent.light[minute] * (1.0 + noise(rng.uniform(0.002, 0.008))) + np.abs(noise(0.6))
    readings = {
        "air_temp_c": np.round(air, 2),
        "rh_pct": np.clip(np.round(rh, 2), 0.0, 100.0),
        "co2_ppm": np.round(smooth(tent.co2) + noise(rng.uniform(3.0, 9.0))),
        "leaf_temp_c": np.round(smooth(tent.leaf) + noise(rng.uniform(0.06, 0.2)), 2),
        "light_lux": np.round(np.maximum(light, 0.0)),
        "soil_temp_c": np.round((smooth(tent.soil_temp) + noise(rng.uniform(0.02, 0.05))) * 16.0) / 16.0,
    }
    interference = {}
    for k, truth in enumerate(tent.probes):
        share = float(rng.choice([0.0, rng.uniform(-0.1, 0.25)]))
        interference[f"soil.P{k + 1}"] = share
        heard = smooth(truth) * (1.0 + share * lamp) + noise(rng.uniform(0.08, 0.3))
        readings[f"soil.P{k + 1}"] = np.clip(np.round(heard, 2), 0.0, 100.0)
    for values in readings.values():
        values[rng.random(len(values)) < 0.0005] = np.nan
    return Run(
        seed,
        period_s,
        label,
        START.timestamp() + seconds,
        readings,
        "crc",
        lamp,
        tent.exhaust[minute],
        tent.humidifier[minute],
        tent.pump[minute],
        tent.co2_valve[minute],
        tent.guardrails[minute],
        tent.water_ml[minute],
        tent.co2_s[minute],
        interference,
    )


def records(run: Run) -> Iterator[tuple[ObservationV1, DeviceStatusV1]]:
    """The run as the records the estimator takes."""
    columns = [run.readings[name].tolist() for name in SENSORS]
    devices: DeviceStatusV1 | None = None
    key: tuple[object, ...] | None = None
    switches = zip(
        run.lamp.tolist(),
        run.exhaust.tolist(),
        run.humidifier.tolist(),
        run.pump.tolist(),
        run.co2_valve.tolist(),
        run.water_ml.tolist(),
        run.co2_s.tolist(),
        strict=True,
    )
    doors = run.guardrails.tolist()
    for i, (values, now) in enumerate(zip(zip(*columns, strict=True), switches, strict=True)):
        ts = START + timedelta(seconds=i * run.period_s)
        if now != key or devices is None:
            key = now
            devices = _device_status(ts, *now)
        yield _observation(run, ts, values, doors[i]), devices


def _observation(run: Run, ts: datetime, values: tuple[float, ...], guardrails: bool) -> ObservationV1:
    known = [None if v != v else v for v in values]
    label = run.label
    failing = label.sensor if label and label.onset_s <= ts.timestamp() < label.end_s else ""

    def reason(name: str) -> MissingReason:
        return run.reason if name == failing else "crc"

    missing = {name: reason(name) for name, v in zip(SENSORS[:6], known, strict=False) if v is None}
    soil = tuple(
        SoilReading(id=name[5:], moisture_pct=v, missing=None if v is not None else reason(name))
        for name, v in zip(SENSORS[6:], known[6:], strict=True)
    )
    return ObservationV1(
        schema_version="observation_v1",
        ts=ts,
        origin="synthetic",
        air_temp_c=known[0],
        rh_pct=known[1],
        co2_ppm=known[2],
        leaf_temp_c=known[3],
        light_lux=known[4],
        soil_temp_c=known[5],
        soil=soil,
        flow_ml=0.0,
        reservoir_ok=True,
        leak=False,
        door_open=guardrails,
        missing=missing,
    )


def _device_status(
    ts: datetime, lamp: bool, exhaust: bool, humidifier: bool, pump: bool, co2: bool, water_ml: float, co2_s: float
) -> DeviceStatusV1:
    def word(on: bool) -> str:
        return "ON" if on else "OFF"

    outputs = Outputs.model_validate(
        {
            "light": word(lamp),
            "circulation_fan": "ON",
            "exhaust_fan": word(exhaust),
            "humidifier": word(humidifier),
            "heater_mat": "OFF",
            "water_pump": word(pump),
            "co2_solenoid": word(co2),
        }
    )
    return DeviceStatusV1(
        schema_version="device_status_v1",
        ts=ts,
        outputs=outputs,
        mcu_connected=True,
        water_ml_used_today=water_ml,
        co2_seconds_used_today=co2_s,
    )
