"""Cross-check: leaf against air, soil against air, probes of one zone, light against the lamp.

A *mismatch* is a difference divided by its limit: above 1 one of the two is wrong. The check knows no truth, only
companions, so the question is which one. With three thermometers (air, leaf, soil) the majority decides: of a leaf and
an air that part, the one further from the soil is suspect, and both are when neither is clearly further. Two probes of
one zone have no third; both lose confidence. Their usual difference is learned (a day's time constant) and subtracted,
because pots are never equal, so a slow walk is not seen here but in `drift.py`.

Confidence falls at once (`confidence.cross_factor`), while a *fault* is flagged only after a quarter of an hour: water
reaches one probe before the other, and a door open lets the leaf follow the air late.

Rejected: a joint filter of all sensors with a model of the tent (a wrong model then distrusts right sensors, and its
reasons cannot be read off a table); voting over time by innovation (needs noise figures that differ by probe and age).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tomato_host.brain.estimator.sensor_health import INCONSISTENT, SensorTrack
from tomato_host.brain.estimator.settings import EstimatorSettings

LEAF_AIR_LIMIT_K: Final = 8.0
SOIL_AIR_LIMIT_K: Final = 16.0
ZONE_LIMIT_POINTS: Final = 12.0
"""Two probes of one zone may leave their usual difference by this much (water arrives at one before the other)."""
ZONE_DIFFERENCE_S: Final = 86_400.0
"""Time constant with which the usual difference of two probes is learned."""
LAMP_SETTLES_S: Final = 240.0
DARK_LUX: Final = 150.0
"""Less than this under a burning lamp is darkness."""
STRAY_LUX: Final = 3_000.0
"""More than this with the lamp off, and no daylight, is a wrong light sensor or a lamp that did not go off."""
FLAGGED_AFTER_S: Final = 900.0
CLEARED_BELOW: Final = 0.8


class CrossCheck:
    """Holds learned differences and since when each sensor has disagreed."""

    __slots__ = (
        "_agree_since_s",
        "_air",
        "_daylight",
        "_leaf",
        "_light",
        "_mismatch_since_s",
        "_pairs",
        "_soil_temp",
        "_t_s",
        "_usual_difference",
        "mismatch",
    )

    def __init__(self, names: Sequence[str], settings: EstimatorSettings) -> None:
        at = {name: i for i, name in enumerate(names)}
        self._air, self._leaf = at["air_temp_c"], at["leaf_temp_c"]
        self._soil_temp, self._light = at["soil_temp_c"], at["light_lux"]
        zone_of = {f"soil.{p.id}": p.zone for p in settings.probes}
        probes = [n for n in names if n in zone_of]
        self._pairs = [
            (at[a], at[b]) for i, a in enumerate(probes) for b in probes[i + 1 :] if zone_of[a] == zone_of[b]
        ]
        self._usual_difference: list[float | None] = [None] * len(self._pairs)
        self._daylight = settings.daylight
        self._t_s: float | None = None
        self._mismatch_since_s: list[float | None] = [None] * len(names)
        self._agree_since_s: list[float | None] = [None] * len(names)
        self.mismatch = [0.0] * len(names)
        """Largest mismatch of each sensor with its companions; 0 without one."""

    def update(self, t_s: float, values: Sequence[float | None], lamp: bool, lamp_for_s: float) -> None:
        """One sample: trusted values by sensor, the lamp, and for how long it has been as it is."""
        mismatch = self.mismatch
        for i in range(len(mismatch)):
            mismatch[i] = 0.0
        self._temperatures(values)
        self._light_against_lamp(values[self._light], lamp, lamp_for_s)
        if self._pairs:
            self._zones(t_s, values)
        self._t_s = t_s

    def _temperatures(self, values: Sequence[float | None]) -> None:
        air, leaf, soil = values[self._air], values[self._leaf], values[self._soil_temp]
        if air is not None and leaf is not None:
            wrong = abs(leaf - air) / LEAF_AIR_LIMIT_K
            if wrong > 0.8:
                off_air = off_leaf = 1.0
                if soil is not None:
                    # The one nearer to the soil is trusted, unless both are about as far from it.
                    lead = abs(air - soil) - abs(leaf - soil)
                    off_air = 1.0 if lead > -3.0 else 0.0
                    off_leaf = 1.0 if lead < 3.0 else 0.0
                self._raise(self._air, wrong * off_air)
                self._raise(self._leaf, wrong * off_leaf)
        if air is not None and soil is not None:
            wrong = abs(soil - air) / SOIL_AIR_LIMIT_K
            if leaf is not None:
                wrong = min(wrong, abs(soil - leaf) / SOIL_AIR_LIMIT_K)
            self._raise(self._soil_temp, wrong)

    def _light_against_lamp(self, light_lux: float | None, lamp: bool, lamp_for_s: float) -> None:
        if light_lux is None or lamp_for_s < LAMP_SETTLES_S:
            return
        if lamp and light_lux < DARK_LUX:
            self._raise(self._light, 2.0)
        elif not lamp and not self._daylight and light_lux > DARK_LUX:
            self._raise(self._light, light_lux / STRAY_LUX)

    def _zones(self, t_s: float, values: Sequence[float | None]) -> None:
        dt = t_s - self._t_s if self._t_s is not None else 0.0
        for i, (a, b) in enumerate(self._pairs):
            first, second = values[a], values[b]
            if first is None or second is None:
                continue
            usual = self._usual_difference[i]
            if usual is None:
                self._usual_difference[i] = usual = first - second
            wrong = abs(first - second - usual) / ZONE_LIMIT_POINTS
            self._usual_difference[i] = usual + (first - second - usual) * dt / (ZONE_DIFFERENCE_S + dt)
            self._raise(a, wrong)
            self._raise(b, wrong)

    def _raise(self, sensor: int, wrong: float) -> None:
        if wrong > self.mismatch[sensor]:
            self.mismatch[sensor] = wrong

    def flag(self, t_s: float, tracks: Sequence[SensorTrack]) -> None:
        """Flag a lasting mismatch as a fault of the sensor, and clear it when they have agreed for as long."""
        for i, wrong in enumerate(self.mismatch):
            if wrong > 1.0:
                self._agree_since_s[i] = None
                since = self._mismatch_since_s[i]
                if since is None:
                    self._mismatch_since_s[i] = t_s
                elif t_s - since >= FLAGGED_AFTER_S:
                    tracks[i].faults |= INCONSISTENT
            else:
                self._mismatch_since_s[i] = None
                if tracks[i].faults & INCONSISTENT and wrong < CLEARED_BELOW:
                    self._agree(i, t_s, tracks[i])

    def _agree(self, i: int, t_s: float, track: SensorTrack) -> None:
        since = self._agree_since_s[i]
        if since is None:
            self._agree_since_s[i] = t_s
        elif t_s - since >= FLAGGED_AFTER_S:
            track.faults &= ~INCONSISTENT
            self._agree_since_s[i] = None
