"""Slow drift: a sensor that leaves its companions, or its own past, by more than its days usually differ.

Every hour the mean of each sensor is stored. A feature is a number of one day that a healthy installation repeats:
the difference of two temperatures, the logarithm of the ratio of two soil probes, the light while the lamp burns, the
CO2 of the quietest hours, the mean humidity. The last 24 hours are compared with the days before, in steps of whole
days so that the daily cycle cancels. Drift is flagged when the feature has left the old days by more than `floor` and
by more than `SIGMAS` of what those days differed among themselves, and has moved in one direction for two days.

Why days and differences: a sensor drifts by percent a week, while the day itself swings by a factor. The difference of
two thermometers, or the ratio of two probes, removes the weather; whole days remove the lamp. Why the spread of earlier
days and not a fixed limit: a greenhouse with sun repeats its days worse than a tent, and has to be judged by itself.
Of two sensors that part, the one that left its own past too is the one that drifts; where both left it in opposite
directions, two pots dry unevenly and neither probe is at fault.

Rejected: a cumulative sum of hourly residuals (CUSUM: a day without sun or a new lamp schedule fills it); calibration
against the world model (it learns from the very sensor, and follows the drift); a regression over all days (one step,
such as a repotted plant, looks like a slope). Not detectable: a hygrometer without companion, see docs/estimator.md.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HOUR_S: Final = 3_600.0
DAYS_KEPT: Final = 15
HOURS_KEPT: Final = 24 * DAYS_KEPT
HOURS_NEEDED: Final = 18
LAMP_HOURS_NEEDED: Final = 2
"""A day counts with at least this many hours of data."""
SIGMAS: Final = 2.8
"""How many day-to-day deviations a move must exceed; a false alarm costs more than a day of delay."""
_WALK_NORM: Final = 34.0**0.5
RECENT_DAYS: Final = 2
"""The newest whole days: they may already drift, so they are no part of the reference."""
LEVEL_FREE: Final = 0.05
"""Two pots that dry or fill together do so unevenly: what both moved beyond this (a logarithm; days differ by as much
anyway), a move of their ratio says nothing of. A new mark of watering took two sound probes from 41 and 38 % to 30 and
30 % within a day, one of them by half as much again as the other."""
POTS_PART: Final = 0.3
"""Share of the move of a ratio that each of two probes must have made itself before the pots are taken to differ."""
CLEARED_BELOW: Final = 0.5
"""Drift ends when the evidence falls below this share."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One repeating number of a day and the smallest move of it that counts."""

    sensor: str
    kind: str
    """temperature_pair, soil_ratio, lamp_level, quiet_level, mean_level"""
    floor: float
    """K for temperatures, natural logarithm for all others."""
    companions: tuple[str, ...] = ()
    days_needed: int = 3
    """Days of reference that are needed."""


def features_for(names: tuple[str, ...], daylight: bool) -> tuple[Feature, ...]:
    """The features of an installation with these sensors."""
    temperatures = [n for n in ("air_temp_c", "leaf_temp_c", "soil_temp_c") if n in names]
    probes = [n for n in names if n.startswith("soil.")]
    found = [Feature(n, "temperature_pair", 0.55, tuple(m for m in temperatures if m != n)) for n in temperatures]
    found += [Feature("rh_pct", "mean_level", 0.10, days_needed=8), Feature("co2_ppm", "quiet_level", 0.035)]
    if not daylight:
        found.append(Feature("light_lux", "lamp_level", 0.03))
    if len(probes) > 1:
        found += [Feature(n, "soil_ratio", 0.04, tuple(m for m in probes if m != n), days_needed=5) for n in probes]
    return tuple(f for f in found if f.sensor in names)


class DriftDetector:
    """Stores hourly means and computes, once an hour, the evidence of drift of each sensor (1 = drifting)."""

    __slots__ = ("_column", "_count", "_features", "_hour_end_s", "_hours", "_sum", "alone", "evidence")

    def __init__(self, names: tuple[str, ...], daylight: bool) -> None:
        self._column = {name: i for i, name in enumerate(names)}
        self._features = features_for(names, daylight)
        self._hours: Floats = np.full((HOURS_KEPT, len(names) + 1), np.nan)
        self._sum = [0.0] * (len(names) + 1)
        self._count = [0] * (len(names) + 1)
        self._hour_end_s: float | None = None
        self.alone = frozenset(f.sensor for f in self._features if not f.companions)
        """Sensors that are compared with their own past only: what moved may as well be the tent."""
        self.evidence: dict[str, float] = {}
        """Evidence by sensor; missing where the history is too short."""

    def update(self, t_s: float, values: list[float | None], lamp_level: float | None) -> bool:
        """Add one sample: `values` in the order of the names, `lamp_level` lx while the lamp burns steadily.

        Returns True when an hour was closed and `evidence` is new.
        """
        closed = False
        if self._hour_end_s is None:
            self._hour_end_s = (t_s // HOUR_S + 1.0) * HOUR_S
        elif t_s >= self._hour_end_s:
            self._close_hours(t_s)
            closed = True
        total, count = self._sum, self._count
        for i, value in enumerate(values):
            if value is not None:
                total[i] += value
                count[i] += 1
        if lamp_level is not None:
            total[-1] += lamp_level
            count[-1] += 1
        return closed

    def _close_hours(self, t_s: float) -> None:
        assert self._hour_end_s is not None
        means = np.array([s / n if n else np.nan for s, n in zip(self._sum, self._count, strict=True)])
        skipped = int((t_s - self._hour_end_s) // HOUR_S)
        self._shift(1)
        self._hours[-1] = means
        if skipped:
            self._shift(min(skipped, HOURS_KEPT))
        self._hour_end_s = (t_s // HOUR_S + 1.0) * HOUR_S
        self._sum = [0.0] * len(self._sum)
        self._count = [0] * len(self._count)
        self.evidence = self._all_evidence()

    def _shift(self, hours: int) -> None:
        self._hours[:-hours] = self._hours[hours:]
        self._hours[-hours:] = np.nan

    def _all_evidence(self) -> dict[str, float]:
        """Evidence of drift by sensor."""
        days = self._hours.reshape(DAYS_KEPT, 24, -1)
        known_hours = (~np.isnan(days)).sum(axis=1)
        evidence: dict[str, float] = {}
        for feature in self._features:
            # In the first week nothing is known for long enough, and working out that it is not takes long.
            lamp = feature.kind == "lamp_level"
            hours = known_hours[:, -1 if lamp else self._column[feature.sensor]]
            if not _long_enough(hours >= (LAMP_HOURS_NEEDED if lamp else HOURS_NEEDED), feature):
                continue
            found = self._feature_evidence(feature, days)
            if found is not None:
                evidence[feature.sensor] = found
        return evidence

    def _feature_evidence(self, feature: Feature, days: Floats) -> float | None:
        own = days[:, :, self._column[feature.sensor]]
        if feature.kind == "temperature_pair":
            return _weakest([_move(_day_means(own - days[:, :, self._column[c]]), feature) for c in feature.companions])
        if feature.kind == "lamp_level":
            return _size(_move(np.log(_day_means(days[:, :, -1], LAMP_HOURS_NEEDED)), feature))
        logs = np.log(np.maximum(own, 1e-3))
        if feature.kind == "soil_ratio":
            others = [np.log(np.maximum(days[:, :, self._column[c]], 1e-3)) for c in feature.companions]
            return _probe_evidence(logs, others, feature)
        if feature.kind == "quiet_level":
            return _size(_move(_day_lows(logs), feature))
        return _size(_move(_day_means(logs), feature))


@dataclass(frozen=True, slots=True)
class _Move:
    """How far a feature has moved: signed, in its own unit, and as evidence (1 = enough)."""

    by: float
    evidence: float


def _long_enough(known: NDArray[np.bool_], feature: Feature) -> bool:
    """Whether `_move` can have anything to compare: the two newest days, and enough of those before them."""
    return bool(known[-1] and known[-2] and known[:-RECENT_DAYS].sum() >= feature.days_needed)


def _day_means(hours: Floats, needed: int = HOURS_NEEDED) -> Floats:
    """Mean of each day `[days, 24] -> [days]`; NaN with fewer than `needed` hours."""
    enough = (~np.isnan(hours)).sum(axis=1) >= needed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(enough, np.nanmean(hours, axis=1), np.nan)


def _day_lows(hours: Floats) -> Floats:
    """Mean of the six lowest hours of each day; NaN with too few hours."""
    enough = (~np.isnan(hours)).sum(axis=1) >= HOURS_NEEDED
    return np.where(enough, np.sort(hours, axis=1)[:, :6].mean(axis=1), np.nan)


def _move(days: Floats, feature: Feature) -> _Move | None:
    """Compare the two newest days with those before them. None while those are too few.

    A steady drift moves the newest day about 5/3 as far as the day before when both are seen; the two are weighed
    in that proportion, which tells a slow walk from noise better than the newest day alone.
    """
    newest, day_before = float(days[-1]), float(days[-2])
    reference = days[:-RECENT_DAYS]
    reference = reference[~np.isnan(reference)]
    if np.isnan(newest) or np.isnan(day_before) or len(reference) < feature.days_needed:
        return None
    centre = float(np.median(reference))
    by, before = newest - centre, day_before - centre
    walked = abs(5.0 * by + 3.0 * before) / _WALK_NORM
    evidence = walked / max(feature.floor, SIGMAS * _spread(reference))
    steady = by * before > 0.0 and abs(before) >= 0.25 * abs(by) and abs(by) >= 0.9 * abs(before)
    return _Move(by, evidence if steady else min(0.99, evidence))


def _spread(reference: Floats) -> float:
    """How much a few days differ: between the standard and the median deviation, so that one odd day (a first day after
    planting, a day of heavy watering) does not hide a drift; enlarged for their small number."""
    deviation = 1.4826 * float(np.median(np.abs(reference - np.median(reference))))
    return 0.5 * (float(reference.std(ddof=1)) + deviation) * (1.0 + 1.5 / len(reference))


def _size(move: _Move | None) -> float | None:
    return None if move is None else move.evidence


def _weakest(moves: list[_Move | None]) -> float | None:
    """A sensor drifts when it leaves every companion; when it leaves one only, that companion is suspect."""
    known = [m for m in moves if m is not None]
    if not known:
        return None
    if any(m.by * known[0].by <= 0.0 for m in known):
        return min(0.99, min(m.evidence for m in known))
    return min(m.evidence for m in known)


def _probe_evidence(logs: Floats, others: list[Floats], feature: Feature) -> float | None:
    """Evidence against one soil probe by its logarithms `[days, 24]` and those of the other probes."""
    alone = _move(_day_means(logs), feature)
    moves = [_move(_day_means(other), feature) for other in others]
    pairs = [
        _move(_day_means(logs - other), replace(feature, floor=feature.floor + _common(alone, move)))
        for other, move in zip(others, moves, strict=True)
    ]
    return _soil_evidence(_weakest(pairs), pairs, alone, moves)


def _common(one: _Move | None, other: _Move | None) -> float:
    """How far two probes have moved together beyond LEVEL_FREE, as the smaller of both moves; 0 where apart."""
    if one is None or other is None or one.by * other.by <= 0.0:
        return 0.0
    return max(0.0, min(abs(one.by), abs(other.by)) - LEVEL_FREE)


def _soil_evidence(
    pair: float | None, pairs: list[_Move | None], alone: _Move | None, others: list[_Move | None]
) -> float | None:
    """Of two probes whose ratio moves both are suspect, unless one has not moved that way: that one is cleared.

    Where both have clearly left their own days, in opposite directions, the pots differ and not the probes: drippers
    are never even, and two probes hardly age apart on the same days.
    """
    if pair is None or alone is None:
        return pair
    first = next(m for m in pairs if m is not None)
    if alone.by * first.by <= 0.0:
        return min(0.99, pair)
    apart = any(m is not None and m.by * alone.by < 0.0 and abs(m.by) >= POTS_PART * abs(first.by) for m in others)
    return min(CLEARED_BELOW, pair) if apart and abs(alone.by) >= POTS_PART * abs(first.by) else pair
