"""What the planner maximises: J = w_yield YieldProxy - w_stress Stress - w_resource ResourceUse - w_smooth ActionChurn.

All four terms are unit-free and per hour of the horizon, so that weights compare like with like: 1 of stress is an
hour well outside a band, 1 of yield an hour of full light in perfect air with enough water, 1 of resources a whole
hour's share of the water and gas budgets, 1 of churn one relay switched each hour.

Uncertainty: stress is taken at the forecast's low, middle and high quantile, weighted 1:2:1, so that a plan is pushed
away from an edge by as much as the forecast is unsure there. Soil is judged a quarter of the way down to its low
quantile: too much water can be waited out, a dry pot cannot.

What no band shows (dew on fruit, flowers, calcium, late harm of heat) is judged by `crop_terms` on the expected course
and added to the stress by the terms' own weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import OUTPUT_BY_NAME
from tomato_host.brain.control.plan_columns import COLUMN_OF, DOSE_K, GAS_K, LAMP_K, MAT_K, MIST_K
from tomato_host.brain.control.planner.crop_terms import CropAim, CropCourse, crop_costs, crop_stress
from tomato_host.brain.control.strokes import strokes_an_hour

Array = NDArray[np.float64]

VPD_SCALE_KPA = 0.3
TEMP_SCALE_C = 5.0
SOIL_SCALE_PCT = 4.0
MAX_STRESS = 4.0
"""An hour is never worse than this in one respect: one bad hour must not hide all others."""
NEAR_HARM, HARM = 0.5, 1.5
"""What an hour costs beyond the margin around a band, and beyond the line that counts as stress in score.py."""
VPD_RAMP_KPA, AIR_RAMP_C = 0.1, 1.6
"""A line of harm is that wide: what is expected is never known to the last digit."""
SOIL_RAMP_PCT = 2.0
"""Probes differ from their pots by some points, so the line of harm of the soil is a wide one."""
MAX_WET_STRESS = 0.5
"""A wet pot is borne with where the other one is dry: drippers are never quite even, and roots drown only in standing
water, which the pots here drain."""
QUANTILES = ((0, 0.25), (1, 0.5), (2, 0.25))
"""(low, middle, high) and their weights."""
CO2_GAIN = 0.2
"""Most that gas adds to the yield of an hour (Nederhoff 1994: 15-25 % from 400 to 800 ppm)."""

POWER = 0.1
WEAR_IN_HARM = 1.0 / 3.0
"""Of what a relay's stroke costs: its share in an hour whose air is beyond what counts as stress. Stress grows by its
logarithm there, and wear must not outweigh it."""
RELAYS = tuple(COLUMN_OF.values())
RELAY_ROWS = tuple(OUTPUT_BY_NAME[name] for name in COLUMN_OF)


@dataclass(frozen=True, slots=True)
class Weights:
    """The four weights. Stress comes first, yield second; water and wear break ties."""

    yield_: float = 1.0
    stress: float = 3.0
    resource: float = 0.25
    smooth: float = 0.3


@dataclass(frozen=True, slots=True)
class HorizonTargets:
    """What is wanted in each hour, arrays [H]; budgets per hour as the resource scale."""

    light_share: Array
    """Share of the hour with wanted light."""
    vpd_low: Array
    vpd_high: Array
    air_low: Array
    air_high: Array
    soil_low_pct: float
    soil_high_pct: float
    soil_temp_short: float
    """Kelvin by which the roots are too cold now; 0 when warm enough."""
    water_ml_per_hour: float
    co2_s_per_hour: float
    vpd_harm: tuple[tuple[Array, Array], ...] = ()
    """Two lines of harm in kPa, each (least, most) [H]: the margin around the band, and what score.py counts as stress;
    none where no harm is known."""
    air_harm: tuple[tuple[Array, Array], ...] = ()
    """The same in degC."""
    soil_harm_pct: float = 0.0
    """Below this the driest zone counts as harmed."""
    crop: CropAim | None = None
    """What the growth stage asks beyond bands; None: nothing."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Predicted courses [B, H]; `spread` gives (low, high) offsets [H] around the mean by series name."""

    series: Mapping[str, Array]
    driest: Array
    """Mean of the driest zone [B, H]."""
    wettest: Array
    spread: Mapping[str, tuple[Array, Array]]
    felt: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    """The same for what the plants feel: wider than `spread` by what the place of a sensor makes. Lines of harm are
    judged by it, the aim is not: it lies inside the band for the same reason. A name is missing: as in `spread`."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The four terms [B] and J [B]; of stress the crop's own terms, by name, each unweighted [B]."""

    j: Array
    yield_proxy: Array
    stress: Array
    resource_use: Array
    action_churn: Array
    crop: Mapping[str, Array] = field(default_factory=dict)


def outside(value: Array, low: Array, high: Array, scale: float) -> Array:
    """How far outside a band: 0 inside, in units of `scale` up to one, then by its logarithm, at most MAX_STRESS.

    The logarithm keeps a plan that cannot reach the band trying to come near it, and no bad hour hides the others.
    """
    far = (np.maximum(low - value, 0.0) + np.maximum(value - high, 0.0)) / scale
    return np.asarray(np.minimum(np.where(far > 1.0, 1.0 + np.log(np.maximum(far, 1.0)), far), MAX_STRESS))


def beyond(value: Array, low: Array, high: Array, ramp: float) -> Array:
    """Whether a line of harm is crossed: 0 inside, 1 outside, a ramp across the line."""
    return np.asarray(np.clip(np.maximum(low - value, value - high) / ramp + 0.5, 0.0, 1.0))


def hourly_stress(aim: HorizonTargets, expected: Expected, plans: Array) -> Array:
    """Stress of each hour [B, H]: air dryness and warmth by quantiles, the driest zone, wet soil, cold roots."""
    zero = np.zeros(len(aim.light_share))
    total = np.zeros(plans.shape[:2])
    for name, low, high, lines, scale, ramp in (
        ("vpd_kpa", aim.vpd_low, aim.vpd_high, aim.vpd_harm, VPD_SCALE_KPA, VPD_RAMP_KPA),
        ("air_temp_c", aim.air_low, aim.air_high, aim.air_harm, TEMP_SCALE_C, AIR_RAMP_C),
    ):
        mean = expected.series[name]
        down, up = expected.spread.get(name, (zero, zero))
        low_felt, high_felt = expected.felt.get(name, (down, up))
        for offset, felt, weight in ((down, low_felt, 0.25), (zero, zero, 0.5), (up, high_felt, 0.25)):
            total += weight * outside(mean + offset, low, high, scale)
            for (least, most), harm in zip(lines, (NEAR_HARM, HARM), strict=False):
                total += weight * harm * beyond(mean + felt, least, most, ramp)
    total += soil_stress(aim, expected)
    if aim.soil_temp_short > 0.0:
        warmed = plans[:, :, MAT_K].mean(axis=1, keepdims=True)
        total += np.minimum(aim.soil_temp_short / TEMP_SCALE_C, 1.0) * np.maximum(0.0, 0.5 - warmed)
    return total


def crop_costs_by_hour(aim: HorizonTargets, expected: Expected) -> dict[str, Array]:
    """Cost of each hour [B, H] by crop term, unweighted; empty without a crop to judge."""
    if aim.crop is None:
        return {}
    return crop_costs(CropCourse(aim.crop, expected.series["air_temp_c"], expected.series["vpd_kpa"], expected.driest))


def soil_stress(aim: HorizonTargets, expected: Expected) -> Array:
    """Stress of each hour [B, H] by water: the driest zone against its mark and its line of harm, the wettest's excess.

    It never stops growing on the dry side: a pot that is dry already is no reason to let it dry on.
    """
    down = expected.spread.get("soil", (0.0, 0.0))[0]
    driest = expected.driest + 0.25 * down
    nowhere = np.full_like(driest, np.inf)
    dry = outside(driest, np.full_like(driest, aim.soil_low_pct), nowhere, SOIL_SCALE_PCT)
    harmed = HARM * beyond(driest, np.full_like(driest, aim.soil_harm_pct), nowhere, SOIL_RAMP_PCT)
    wet = np.maximum(expected.wettest - aim.soil_high_pct, 0.0) / SOIL_SCALE_PCT
    return np.asarray(dry + harmed + np.minimum(wet, MAX_WET_STRESS))


def stress(aim: HorizonTargets, expected: Expected, plans: Array) -> Array:
    """Mean hourly stress [B], the crop's own terms included."""
    crop = crop_stress(crop_costs_by_hour(aim, expected), plans.shape[:2])
    return np.asarray((hourly_stress(aim, expected, plans) + crop).mean(axis=1))


def yield_proxy(aim: HorizonTargets, expected: Expected, plans: Array) -> Array:
    """Mean hourly yield [B]: light that falls while the air is right and water is there, a little more with gas."""
    comfort = 1.0 - np.minimum(outside(expected.series["vpd_kpa"], aim.vpd_low, aim.vpd_high, VPD_SCALE_KPA), 1.0)
    watered = np.clip((expected.driest - (aim.soil_low_pct - SOIL_SCALE_PCT)) / SOIL_SCALE_PCT, 0.0, 1.0)
    gas = 1.0 + CO2_GAIN * np.minimum(plans[:, :, GAS_K] / max(aim.co2_s_per_hour, 1.0), 1.0)
    return np.asarray((plans[:, :, LAMP_K] * (0.5 + 0.5 * comfort) * watered * gas).mean(axis=1))


def resource_use(aim: HorizonTargets, plans: Array) -> Array:
    """Mean hourly use [B]: water and gas by their budgets; heat and mist by a tenth of their time."""
    water = plans[:, :, DOSE_K].mean(axis=1) / max(aim.water_ml_per_hour, 1.0)
    gas = plans[:, :, GAS_K].mean(axis=1) / max(aim.co2_s_per_hour, 1.0)
    power = plans[:, :, MAT_K].mean(axis=1) + plans[:, :, MIST_K].mean(axis=1)
    return np.asarray(0.5 * water + 0.25 * gas + POWER * power)


def wear_price(aim: HorizonTargets, expected: Expected) -> Array | float:
    """What a relay's stroke costs in each hour [B, H]: 1, down to WEAR_IN_HARM where the air is beyond harm."""
    spared: Array | float = 1.0
    for name, lines, ramp in (
        ("vpd_kpa", aim.vpd_harm, VPD_RAMP_KPA),
        ("air_temp_c", aim.air_harm, AIR_RAMP_C),
    ):
        for least, most in lines[-1:]:
            spared = spared * (1.0 - beyond(expected.series[name], least, most, ramp))
    return WEAR_IN_HARM + (1.0 - WEAR_IN_HARM) * spared


def action_churn(plans: Array, before: Array, price: Array | float = 1.0) -> Array:
    """Relay strokes per hour [B]: changes of duty from hour to hour, and the strokes of a duty between off and on.

    Each counts `price` [B, H], as in `wear_price`.
    """
    relays = plans[:, :, RELAYS]
    first = np.broadcast_to(before[list(RELAYS)], relays[:, :1].shape)
    change = np.abs(np.diff(np.concatenate([first, relays], axis=1), axis=1)).sum(axis=2)
    return np.asarray((price * (change + _transitions(relays))).mean(axis=1))


def _transitions(relays: Array) -> Array:
    """Relay transitions [B, H] of the strokes of duties between off and on."""
    return np.asarray(2.0 * sum(strokes_an_hour(row, relays[..., k]) for k, row in enumerate(RELAY_ROWS)))


def hourly(aim: HorizonTargets, expected: Expected, plans: Array, weights: Weights) -> Array:
    """What each hour [B, H] of plans with steady duties brings, without what passes from hour to hour."""
    pain = hourly_stress(aim, expected, plans) + crop_stress(crop_costs_by_hour(aim, expected), plans.shape[:2])
    relays = plans[:, :, RELAYS]
    partial = wear_price(aim, expected) * _transitions(relays)
    power = plans[:, :, MAT_K] + plans[:, :, MIST_K]
    return np.asarray(-weights.stress * pain - weights.smooth * partial - weights.resource * POWER * power)


def judge(aim: HorizonTargets, expected: Expected, plans: Array, before: Array, weights: Weights) -> Terms:
    """All terms of plans [B, H, K]; `before` [K] is what runs now."""
    by_term = crop_costs_by_hour(aim, expected)
    pain = (hourly_stress(aim, expected, plans) + crop_stress(by_term, plans.shape[:2])).mean(axis=1)
    gain = yield_proxy(aim, expected, plans)
    use, churn = resource_use(aim, plans), action_churn(plans, before, wear_price(aim, expected))
    j = weights.yield_ * gain - weights.stress * pain - weights.resource * use - weights.smooth * churn
    return Terms(j, gain, pain, use, churn, {name: cost.mean(axis=1) for name, cost in by_term.items()})


def without_crop(terms: Terms, weights: Weights) -> Array:
    """J [B] as it were without the crop's own terms."""
    return np.asarray(terms.j + weights.stress * crop_stress(terms.crop, terms.j.shape))


assert {f.name for f in fields(Terms)} == {"j", "yield_proxy", "stress", "resource_use", "action_churn", "crop"}
