"""How well a stretch of days went, in figures a grower understands; and how sure a difference is.

A stress hour is an hour in which the plant suffered: VPD more than `DRY_MARGIN_KPA` above the band of its stage or
below `WET_KPA` (leaves stay wet, grey mould settles, calcium stops: Holder and Cockshull 1990, J. Hort. Sci. 65),
air above `HOT_C` or below `COLD_C` (no fruit sets above 32 degC, chilling below 12: Heuvelink (ed.), "Tomatoes",
2nd ed. 2018, ch. 8), or the drier zone below `SOIL_STRESS_PCT`. All are judged on half-hour means, because stomata
answer within a quarter to half an hour (Vialet-Chabrand et al. 2017, Plant Physiology 174) and do not see the single
strokes of a fan.

Where the line is drawn is a judgement, so two others are counted beside it (`OTHER_STRESS_FIGURES`): hours beyond a
margin around the bands of the stage, and hours outside the VPD band at all. A controller that wins by one definition
only has not won.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.targets import StageBand
from tomato_host.brain.psychrometric_arrays import rh_array_pct

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
WINDOW_S = 1_800.0
DRY_MARGIN_KPA = 0.2
WET_KPA = (0.3, 0.15)
"""By day, by night."""
HOT_C, COLD_C = 32.0, 12.0
SOIL_STRESS_PCT = 24.0
DAMP_PCT = 85.0
"""Relative humidity that counts as damp: our choice, well below that of water on leaves, for readings err by some %."""
AIR_MARGIN_C = 3.0
"""Air outside its band by more than this is stress by the definition of margins."""
OTHER_STRESS_FIGURES = {"margin_stress_h": "beyond the margins", "strict_stress_h": "outside the VPD band at all"}
"""Other definitions of stress, by their figure in `RunEvaluation`."""


@dataclass(frozen=True, slots=True)
class RunSeries:
    """A run sampled evenly, true values, all arrays [N]."""

    period_s: float
    light_hours: Array
    """1 in the light hours that the plant is owed, else 0; a lamp left dark changes nothing in what air is right."""
    vpd_kpa: Array
    air_temp_c: Array
    driest_pct: Array
    water_ml: Array
    """Pumped since the start."""
    switches: Array
    """Relay transitions since the start."""


@dataclass(frozen=True, slots=True)
class RunEvaluation:
    """The figures of one run."""

    stress_h: float
    vpd_stress_h: float
    temp_stress_h: float
    soil_stress_h: float
    margin_stress_h: float
    """VPD beyond its band by `DRY_MARGIN_KPA` on either side, air beyond its by `AIR_MARGIN_C`, or dry soil."""
    strict_stress_h: float
    """VPD outside its band at all, or dry soil."""
    vpd_in_band_h: float
    lamp_h: float
    """Light hours that the plant is owed ..."""
    lamp_in_band_h: float
    """... and those of them whose VPD is in its band."""
    damp_longest_h: float
    """The longest time in one piece with relative humidity above `DAMP_PCT`."""
    water_ml: float
    switches: float


def _means(values: Array, size: int) -> Array:
    whole = len(values) // size * size
    return np.asarray(values[:whole].reshape(-1, size).mean(axis=1))


def _longest(bad: Mask) -> int:
    """The longest run of windows that are all bad."""
    longest = run = 0
    for one in bad.tolist():
        run = run + 1 if one else 0
        longest = max(longest, run)
    return longest


def evaluate_run(course: RunSeries, band: StageBand) -> RunEvaluation:
    """Judge one run by the bands of its growth stage. The last part of a window is left out."""
    size = max(1, round(WINDOW_S / course.period_s))
    hours = size * course.period_s / 3_600.0
    light = _means(course.light_hours, size) >= 0.5
    vpd, air, soil = (_means(v, size) for v in (course.vpd_kpa, course.air_temp_c, course.driest_pct))
    low, high = (np.where(light, band.vpd_day[i], band.vpd_night[i]) for i in (0, 1))
    vpd_bad = (vpd < np.where(light, *WET_KPA)) | (vpd > high + DRY_MARGIN_KPA)
    temp_bad = (air < COLD_C) | (air > HOT_C)
    soil_bad = soil < SOIL_STRESS_PCT
    in_band = (vpd >= low) & (vpd <= high)
    near = (vpd < low - DRY_MARGIN_KPA) | (vpd > high + DRY_MARGIN_KPA)
    cool, warm = (np.where(light, band.temp_day_c[i], band.temp_night_c[i]) for i in (0, 1))
    warm = np.maximum(warm, band.temp_day_c[1])  # a night as warm as a good day is no harm
    near |= (air < cool - AIR_MARGIN_C) | (air > warm + AIR_MARGIN_C)
    return RunEvaluation(
        stress_h=float((vpd_bad | temp_bad | soil_bad).sum() * hours),
        vpd_stress_h=float(vpd_bad.sum() * hours),
        temp_stress_h=float(temp_bad.sum() * hours),
        soil_stress_h=float(soil_bad.sum() * hours),
        margin_stress_h=float((near | soil_bad).sum() * hours),
        strict_stress_h=float((~in_band | soil_bad).sum() * hours),
        vpd_in_band_h=float(in_band.sum() * hours),
        lamp_h=float(light.sum() * hours),
        lamp_in_band_h=float((in_band & light).sum() * hours),
        damp_longest_h=_longest(rh_array_pct(air, vpd) > DAMP_PCT) * hours,
        water_ml=float(course.water_ml[-1] - course.water_ml[0]) if len(course.water_ml) else 0.0,
        switches=float(course.switches[-1] - course.switches[0]) if len(course.switches) else 0.0,
    )


@dataclass(frozen=True, slots=True)
class BootstrapInterval:
    """A mean and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the difference is sure."""
        return self.low > 0.0 or self.high < 0.0


def bootstrap_mean(values: Array, seed: int = 0, draws: int = 10_000) -> BootstrapInterval:
    """Percentile bootstrap of a mean (Efron and Tibshirani 1993, ch. 13). Raises ValueError without values."""
    if len(values) == 0:
        raise ValueError("a mean needs at least one value")
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return BootstrapInterval(float(values.mean()), float(low), float(high))


def relative_change(ours: Array, theirs: Array, seed: int = 0, draws: int = 10_000) -> BootstrapInterval:
    """(sum of ours - sum of theirs) / sum of theirs over paired runs, with its bootstrap interval over the pairs.

    A ratio of sums, not a mean of ratios: a seed without stress must not divide by zero. 0 where theirs is all zero.
    """
    if len(ours) == 0 or len(ours) != len(theirs):
        raise ValueError("paired runs are needed")
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(ours), (draws, len(ours)))
    base = theirs[picks].sum(axis=1)
    change = np.where(base > 0.0, (ours[picks].sum(axis=1) - base) / np.where(base > 0.0, base, 1.0), 0.0)
    total = float(theirs.sum())
    low, high = np.quantile(change, (0.025, 0.975))
    return BootstrapInterval((float(ours.sum()) - total) / total if total > 0.0 else 0.0, float(low), float(high))
