"""Does an output do anything? The expected response of the tent against the seen one, for each output that shows.

A relay that clicks is no humidifier that mists: an empty tank, a burnt-out fan, a pulled plug look on the board like
work. What an output should do to the tent's readings is known, so it can be looked for.

Two kinds of test, both with the tent as its own control, so that no course of weather counts as an effect:

- *Stroke*: readings just before an output goes on against readings at the end of its stroke (STROKE_S at most), less
  the way on which they were anyhow (the tent comes to rest from what switched before). Only strokes count that have a
  clean beginning (the output was off, and the other outputs were as they are, for a while), during which nothing else
  switches, and of which the belief about the tent expects an effect, by what was given and what the conditions
  allow (`stroke_response.py`), that stands out from that drift. Several in a row must show none.
- *Two observers* for the mat, whose effect takes hours: the substrate's temperature is followed by two models, one
  with the mat and one without. When they have come apart by MAT_APART_K, the measured one is nearer to one of them.

Not supervised here: the lamp (LIGHT_MISMATCH sees darkness under it), the pump (WATER_NOT_ARRIVING, and the board's own
flow meter), the circulation fan (it runs all day, and one sensor in one place does not see whether air moves).

Rejected: to read the effect off the learned parameters of the tent. A filter that explains a dead humidifier by a
drier room or by thirstier leaves fits as well, and only learns under one of the controllers.
Figures are explained and measured in docs/actuators.md.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Final

import numpy as np

from shared_schemas.devices import GAS, LAMP, MAT, MIST, STIRRER, VENT
from shared_schemas.records import AnomalyType, AnomalyV1, DeviceStatusV1, Severity
from tomato_host.brain.control.tent_balance import BalanceParameters, Duties, steady_state_air, vapour_of_reading_g_m3
from tomato_host.brain.estimator.anomaly_thresholds import CONSEQUENCES
from tomato_host.brain.estimator.stroke_response import drift, exchange_share, gas_ppm, mist_points, slope_per_s
from tomato_host.brain.psychrometrics import saturation_vapour_pressure_kpa

STROKE_S: Final = 180.0
"""A stroke is judged after this long, or at its end."""
SHORTEST_S: Final = 60.0
"""A shorter stroke shows nothing through the sensor's own lag."""
OFF_BEFORE_S: Final = 120.0
STEADY_BEFORE_S: Final = 60.0
"""The output was off, the others as they are, for this long before the stroke: the tent has come to rest."""
GAS_SETTLES_S: Final = 120.0
"""CO2 is looked at this long after the valve has closed: the sensor averages over a minute."""
TREND_S: Final = 60.0
"""Readings of so many seconds tell where they are heading."""
MEAN_S: Final = 30.0
"""Readings of so many seconds are averaged at both ends of a stroke."""
MAT_TAU_S: Final = 20_000.0
MAT_LIFT_K: Final = 10.0
"""A pot follows the air with this time constant; a mat that is on for good warms it by this much above the air."""
MAT_APART_K: Final = 1.5
MAT_STARTS_AGAIN_S: Final = 43_200.0
MAT_SHARE: Final = 0.35
"""Share of the expected warming below which the mat has shown no effect; above 1 minus this it has shown one."""
HUMID_PCT: Final = 80.0
"""Above this mist shows little: the air is nearly full."""
WORKS_SHARE: Final = 0.3
"""A stroke with this share of its expected effect shows that the output works."""
STANDS_OUT: Final = 2.0
"""A stroke counts when its expected effect is so many times what counts ..."""
DRIFT_SHARE: Final = 0.8
"""... and its drift at most this share of it, because a drift is foreseen to about a third of it."""
READINGS: Final = ("air_temp_c", "rh_pct", "co2_ppm", "vapour_g_m3")


@dataclass(frozen=True, slots=True)
class StrokeTest:
    """How an output shows: its readings with the least change that counts (sign = direction), any of them is enough."""

    output: str
    least: Mapping[str, float]
    strokes: int
    """So many strokes in a row, on average without effect, are an anomaly."""
    needs_lamp: bool
    """Only under the lamp: in the dark the tent is hardly different from the room, and exchange shows nothing."""
    check: str


STROKE_TESTS: Final[tuple[StrokeTest, ...]] = (
    StrokeTest(MIST.name, {"rh_pct": 2.0}, 2, False, "water in its tank, plug, mist at its outlet, hose"),
    StrokeTest(
        VENT.name, {"vapour_g_m3": -0.25, "air_temp_c": -0.15}, 4, True, "plug, does it turn, filter and duct, its flap"
    ),
    StrokeTest(GAS.name, {"co2_ppm": 10.0}, 2, False, "bottle empty or shut, pressure reducer, hose"),
)
MAT_CHECK: Final = "plug, its own thermostat, is it warm to the hand, soil probe still in the pot"
MAT_WINDOWS: Final = 2


@dataclass(frozen=True, slots=True)
class _Before:
    """The tent when a stroke began."""

    t_s: float
    rested_s: float
    gas_s: float
    means: dict[str, float]
    slopes: dict[str, float]
    """Of the readings, per second."""
    states: dict[str, str]


class _Stroke:
    """One output under a stroke test."""

    def __init__(self, row: StrokeTest) -> None:
        self.row = row
        self.on = False
        self.since_s: float | None = None
        """Since when it is on, or off, as far as it was seen; None before the first sample."""
        self.before: _Before | None = None
        """The tent before the stroke that is under way; None when it does not count."""
        self.judge_at_s: float | None = None
        self.seen: deque[dict[str, float]] = deque(maxlen=row.strokes)


class ActuatorSupervision:
    """Call `update` with every sample; it returns what opened or cleared. `room` is (degC, g/m3) as it is believed."""

    def __init__(self, tent: BalanceParameters | None = None) -> None:
        self.tent = tent or BalanceParameters()
        self.room = (21.0, 10.0)
        self._strokes = [_Stroke(row) for row in STROKE_TESTS]
        self._trail: deque[tuple[float, dict[str, float]]] = deque()
        self._states: dict[str, str] = {}
        self._switched_s: dict[str, float] = {}
        self._gas_s = self._gas_before_s = -1.0
        """Counter of the valve's seconds now, and at the sample before."""
        self._open: dict[str, AnomalyV1] = {}
        self._t_s: float | None = None
        self._mat: tuple[float, float, float] | None = None
        """Two observed temperatures (without and with the mat) and since when; None: begins with the next sample."""
        self._mat_shares: deque[float] = deque(maxlen=MAT_WINDOWS)

    @property
    def open(self) -> tuple[AnomalyV1, ...]:
        """What is open now."""
        return tuple(self._open.values())

    def update(
        self, t_s: float, ts: datetime, values: Sequence[float | None], devices: DeviceStatusV1, disturbed: bool
    ) -> list[AnomalyV1]:
        """`values`: trusted air degC, humidity %, CO2 ppm, any, any, soil degC; `disturbed`: the tent is open."""
        changed: list[AnomalyV1] = []
        states = self._note_switching(t_s, devices)
        self._note_readings(t_s, values)
        for stroke in self._strokes:
            self._follow(stroke, t_s, ts, states, disturbed, changed)
        self._follow_mat(t_s, ts, values, states[MAT.name] == "ON", changed)
        self._t_s = t_s
        return changed

    def _note_switching(self, t_s: float, devices: DeviceStatusV1) -> dict[str, str]:
        states = {name: getattr(devices.outputs, name) for name in _WATCHED}
        # Doses of gas are shorter than the pace of samples: the counter tells that one was given.
        gas_s = devices.co2_seconds_used_today
        if states[GAS.name] != "ON" and 0.0 <= self._gas_s < gas_s:
            states[GAS.name] = "ON"
        self._gas_before_s, self._gas_s = self._gas_s, gas_s
        for name, state in states.items():
            if self._states.get(name, state) != state:
                self._switched_s[name] = t_s
        self._states = states
        return states

    def _note_readings(self, t_s: float, values: Sequence[float | None]) -> None:
        air, rh, co2 = values[0], values[1], values[2]
        found: dict[str, float] = {}
        if air is not None:
            found["air_temp_c"] = air
        if co2 is not None:
            found["co2_ppm"] = co2
        if rh is not None:
            found["rh_pct"] = rh
            if air is not None:
                pressure_kpa = saturation_vapour_pressure_kpa(air) * rh / 100.0
                found["vapour_g_m3"] = vapour_of_reading_g_m3(pressure_kpa, air)
        self._trail.append((t_s, found))
        while t_s - self._trail[0][0] > TREND_S + MEAN_S:
            self._trail.popleft()

    def _means(self, skip: int = 0) -> dict[str, float]:
        """Means of the readings over MEAN_S, without the newest `skip`; what was not known throughout is left out."""
        trail = [*self._trail][: len(self._trail) - skip]
        rows = [row for t_s, row in trail if trail[-1][0] - t_s <= MEAN_S]
        return {n: sum(row[n] for row in rows) / len(rows) for n in READINGS if rows and all(n in r for r in rows)}

    def _slopes(self) -> dict[str, float]:
        """Where each reading was heading, per second, over TREND_S before the newest sample."""
        trail = [row for row in [*self._trail][:-1] if self._trail[-1][0] - row[0] <= TREND_S]
        return {n: slope_per_s((t_s, row[n]) for t_s, row in trail if n in row) for n in READINGS}

    def _follow(
        self,
        stroke: _Stroke,
        t_s: float,
        ts: datetime,
        states: Mapping[str, str],
        disturbed: bool,
        changed: list[AnomalyV1],
    ) -> None:
        row, on = stroke.row, states[stroke.row.output] == "ON"
        if stroke.since_s is None:
            stroke.on, stroke.since_s = on, t_s
        if on and not stroke.on:
            stroke.before = self._means_before(stroke, t_s, states)
            stroke.judge_at_s = t_s + STROKE_S
        begun_s, ended = stroke.since_s, stroke.on and not on
        if on != stroke.on:
            stroke.on, stroke.since_s = on, t_s
        if stroke.before is None:
            return
        others = [name for name in _WATCHED if name != row.output]
        if disturbed or any(self._switched_s.get(name, -1e12) >= t_s for name in others):
            stroke.before = None
            return
        if row.output == GAS.name:
            if ended:
                stroke.judge_at_s = t_s + GAS_SETTLES_S
        elif ended:
            if begun_s is None or t_s - begun_s < SHORTEST_S:
                stroke.before = None
                return
            stroke.judge_at_s = t_s
        if stroke.judge_at_s is not None and t_s >= stroke.judge_at_s:
            self._judge(stroke, t_s, ts, changed)

    def _means_before(self, stroke: _Stroke, t_s: float, states: Mapping[str, str]) -> _Before | None:
        """The tent before a stroke that begins; None when it cannot show anything."""
        row = stroke.row
        rested_s = t_s - stroke.since_s if stroke.since_s is not None else 0.0
        steady = all(
            t_s - self._switched_s.get(name, -1e12) >= STEADY_BEFORE_S for name in _WATCHED if name != row.output
        )
        if rested_s < OFF_BEFORE_S or not steady or (row.needs_lamp and states[LAMP.name] != "ON"):
            return None
        means = self._means(skip=1)  # the sample that shows the relay ON shows some of its effect
        if not set(row.least) <= set(means) or (row.output == MIST.name and means["rh_pct"] > HUMID_PCT):
            return None
        return _Before(t_s, rested_s, self._gas_before_s, means, self._slopes(), dict(states))

    def _expected(
        self, row: StrokeTest, before: _Before, seconds: float, drifts: Mapping[str, float]
    ) -> dict[str, float]:
        """What the belief about the tent expects the output to have changed in each reading after `seconds`."""
        vented = before.states[VENT.name] == "ON"
        if row.output == GAS.name:
            return {"co2_ppm": gas_ppm(self._gas_s - before.gas_s, seconds, self.tent, vented)}
        if row.output == MIST.name:
            return {"rh_pct": mist_points(before.means, drifts["rh_pct"], seconds, self.tent, vented)}
        duties = {name: float(state == "ON") for name, state in before.states.items()}
        off, on = (self._expected_air({**duties, row.output: share}) for share in (0.0, 1.0))
        rested_s = before.rested_s
        return {n: (on[n] - off[n]) * exchange_share(n, seconds, rested_s, self.tent) for n in row.least}

    def _expected_air(self, duties: Mapping[str, float]) -> dict[str, float]:
        order = (LAMP.name, STIRRER.name, VENT.name, MIST.name, MAT.name)
        air, vpd = steady_state_air(*self.room, Duties(*(np.asarray(duties[name]) for name in order)), self.tent)
        full_kpa = saturation_vapour_pressure_kpa(float(air))
        held_kpa = full_kpa - float(vpd)
        vapour = vapour_of_reading_g_m3(held_kpa, float(air))
        return {"air_temp_c": float(air), "rh_pct": 100.0 * held_kpa / full_kpa, "vapour_g_m3": vapour}

    def _judge(self, stroke: _Stroke, t_s: float, ts: datetime, changed: list[AnomalyV1]) -> None:
        row, before, after = stroke.row, stroke.before, self._means()
        stroke.before = None
        if before is None or not set(row.least) <= set(after):
            return
        found = self._effects(row, before, after, t_s - before.t_s)
        if found is None:
            return
        effects, works = found
        stroke.seen.append(effects)
        full = len(stroke.seen) == row.strokes
        if row.output in self._open:
            # One stroke as strong as expected ends it, and so do several in a row of a part that is only weak.
            if works or (full and all(_counts(row, seen) for seen in stroke.seen)):
                stroke.seen.clear()
                self._clear(row.output, ts, changed)
            return
        means = {name: sum(seen[name] for seen in stroke.seen) / row.strokes for name in row.least}
        if full and not _counts(row, means):
            told = {f"change_{name}": round(mean, 3) for name, mean in means.items()}
            self._report(row.output, t_s, ts, told, row.check, changed)
            stroke.seen.clear()

    def _effects(
        self, row: StrokeTest, before: _Before, after: Mapping[str, float], lasted_s: float
    ) -> tuple[dict[str, float], bool] | None:
        """Change of each reading beyond its drift, and whether one is as expected; None if it would not stand out."""
        vented = before.states[VENT.name] == "ON" and row.output != VENT.name
        drifts = {name: drift(name, before.slopes[name], lasted_s, self.tent, vented) for name in row.least}
        # Readings are means over MEAN_S, which lie half of it back; the relay was seen to switch half a sample late.
        expected = self._expected(row, before, lasted_s - MEAN_S / 2.0, drifts)
        visible = [name for name, least in row.least.items() if expected[name] / least >= STANDS_OUT]
        if not visible or any(abs(drifts[name]) > DRIFT_SHARE * abs(expected[name]) for name in visible):
            return None
        effects = {name: after[name] - before.means[name] - drifts[name] for name in row.least}
        works = any(effects[n] / row.least[n] >= 1.0 and effects[n] / expected[n] >= WORKS_SHARE for n in visible)
        return effects, works

    def _follow_mat(
        self, t_s: float, ts: datetime, values: Sequence[float | None], on: bool, changed: list[AnomalyV1]
    ) -> None:
        air, soil = values[0], values[5]
        if air is None or soil is None:
            self._mat = None
            return
        if self._mat is None or self._t_s is None or t_s - self._mat[2] > MAT_STARTS_AGAIN_S:
            self._mat = (soil, soil, t_s)
            return
        weight = min(1.0, (t_s - self._t_s) / MAT_TAU_S)
        without, with_mat, since_s = self._mat
        without += (air - without) * weight
        with_mat += (air + (MAT_LIFT_K if on else 0.0) - with_mat) * weight
        self._mat = (without, with_mat, since_s)
        if with_mat - without < MAT_APART_K:
            return
        self._mat = None
        self._mat_shares.append((soil - without) / (with_mat - without))
        if self._mat_shares[-1] > 1.0 - MAT_SHARE and MAT.name in self._open:
            self._mat_shares.clear()
            self._clear(MAT.name, ts, changed)
        elif len(self._mat_shares) == MAT_WINDOWS and max(self._mat_shares) < MAT_SHARE:
            told = {"share_of_expected_warming": round(self._mat_shares[-1], 3)}
            self._report(MAT.name, t_s, ts, told, MAT_CHECK, changed)

    def _report(
        self,
        output: str,
        t_s: float,
        ts: datetime,
        told: Mapping[str, float],
        check: str,
        changed: list[AnomalyV1],
    ) -> None:
        if output in self._open:
            return
        assert all(isfinite(value) for value in told.values())
        self._open[output] = AnomalyV1(
            schema_version="anomaly_v1",
            ts=ts,
            severity=Severity.HIGH,
            type=AnomalyType.ACTUATOR_NO_EFFECT,
            signals=dict(told),
            expected_effects=CONSEQUENCES[AnomalyType.ACTUATOR_NO_EFFECT].expected_effects,
            required_response=CONSEQUENCES[AnomalyType.ACTUATOR_NO_EFFECT].required_response,
            subject=output,
            phase="OPENED",
            id=f"ACTUATOR_NO_EFFECT.{output}.{int(t_s)}",
            detail=f"It is switched on and nothing changes. Check: {check}.",
        )
        changed.append(self._open[output])

    def _clear(self, output: str, ts: datetime, changed: list[AnomalyV1]) -> None:
        opened = self._open.pop(output)
        changed.append(
            AnomalyV1(
                schema_version="anomaly_v1",
                ts=ts,
                severity=opened.severity,
                type=opened.type,
                signals={"effect": True},
                subject=output,
                phase="CLEARED",
                id=opened.id,
            )
        )


def _counts(row: StrokeTest, changes: Mapping[str, float]) -> bool:
    """Whether a reading has changed by what counts as an effect, or more."""
    return any(changes[name] / least >= 1.0 for name, least in row.least.items())


_WATCHED: Final = (LAMP.name, STIRRER.name, VENT.name, MIST.name, MAT.name, GAS.name)
