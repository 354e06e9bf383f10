"""The planner's water: the driest pot's demand of a day, the moisture below which it is watered, the dose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import PUMP
from tomato_host.brain.control.control_inputs import PROBE_ERROR_PCT, ControlInputs, good_probes
from tomato_host.brain.control.plan_columns import DAY_H, DOSE_K
from tomato_host.brain.control.planner.drippers import (
    SMALL_DOSE_ML,
    DripperKnowledge,
    drowning,
    room_ml,
)
from tomato_host.brain.control.planner.plan_edits import MAX_DOSE_ML
from tomato_host.brain.control.proposals import OutputRequest
from tomato_host.brain.control.rules import PULSE_ML, water, why_doubt_is_no_reason
from tomato_host.brain.control.targets import Setpoints

Array = NDArray[np.float64]

OVERDUE_PCT = 0.5
"""This far below its mark a zone gets at least what the rules would give, whatever the plan says."""
DEMAND_RESERVE = (0.95, 1.2)
"""A day's demand, as a share of the day's water, from which on the pots are kept fuller, and at which they are kept as
full as a dose ever aims at: what a day's water cannot make good must be there before."""
MEASURED_H = 18
"""Hours of drying that say something of a day: night and day differ."""
GAIN_UNSEEN = 0.75
"""Of the prior's gain: a pot a fifth larger with a dripper that gives a tenth less."""
FILL_PCT = 1.0
"""Until the drippers' shares are known, pots are kept within this much of where a dose aims. A dripper tells its share
with a dose only, and the water of a day that was not given is lost to the pot with the weaker one. Where a day's water
suffices nothing is lost by it: the pot dries to its mark later instead."""
WET_PCT = 2.0
"""No pot is filled this far above where a dose aims: what drains is lost."""
NOTHING_UNEVEN = DripperKnowledge()
"""Where nothing is known of the drippers they count as even."""
MIN_GAIN_PCT_ML = 0.001
"""A pot of 100 l; a smaller gain is a model that has not seen a dose yet."""


def soil_mark_pct(setpoints: Setpoints, demand: float, known: bool = True) -> float:
    """The moisture in % below which the driest zone is watered, by a day's demand as a share of the day's water.

    `known`: whether the drippers' shares are; until then pots are kept full.
    """
    low = setpoints.soil_low_pct
    mark = low + (setpoints.soil_target_pct - low) * water_shortage(demand)
    return mark if known else max(mark, setpoints.soil_target_pct - FILL_PCT)


def wettest_pct(setpoints: Setpoints, known: bool = True) -> float:
    """How wet a pot may get by a dose, in %: while the drippers' shares are not known, below where it may drain."""
    return setpoints.soil_high_pct if known else min(setpoints.soil_high_pct, setpoints.soil_target_pct + WET_PCT)


def first_water(inputs: ControlInputs) -> OutputRequest:
    """The rules' water of a tent whose drippers are not known yet: pots are kept full, in the rules' own doses."""
    rule, setpoints = water(inputs), inputs.setpoints
    wettest = max((probe.moisture_pct or 0.0 for probe in good_probes(inputs.context)), default=0.0)
    if inputs.doubted or inputs.driest is None or wettest >= wettest_pct(setpoints, known=False):
        return rule
    mark = soil_mark_pct(setpoints, 0.0, known=False)
    filled = water(replace(inputs, setpoints=replace(setpoints, soil_low_pct=mark)))
    if filled.amount <= rule.amount:
        return rule
    return replace(filled, text=f"{_driest(inputs)}: {filled.amount:.0f} ml, {_until_known(mark)}")


def water_shortage(demand: float) -> float:
    """How short a day's water is, 0 (it suffices) to 1, by a day's demand as a share of it."""
    begins, full = DEMAND_RESERVE
    return min(1.0, max(0.0, (demand - begins) / (full - begins)))


def water_demand(
    roll: Callable[[Array], Mapping[str, Array]], zones: Sequence[str], plan: Array, day_ml: float
) -> float:
    """What the thirstiest of those `zones` that may be the driest will ask for in a day, as a share of `day_ml`.

    By the model `roll`, under the duties of `plan` [H, K], from its courses without a dose and with small ones.
    """
    dry = plan.copy()
    dry[:, DOSE_K] = 0.0
    sip = dry.copy()
    sip[: len(plan) // 2 : 2, DOSE_K] = SMALL_DOSE_ML
    courses = roll(np.stack([dry, sip]))
    given_ml, hours = float(sip[:, DOSE_K].sum()), len(plan) - 1

    def asks_ml(without: Array, sipped: Array) -> float:
        lost_pct_h, gained_pct_ml = (without[0] - without[-1]) / hours, (sipped[-1] - without[-1]) / given_ml
        return DAY_H * max(0.0, float(lost_pct_h)) / max(float(gained_pct_ml), MIN_GAIN_PCT_ML)

    dry_ones = among_the_driest({name: float(courses[name][0, -1]) for name in zones})
    return max(asks_ml(*courses[name]) for name in dry_ones) / max(1.0, day_ml)


def among_the_driest(levels: Mapping[str, float]) -> list[str]:
    """The zones that may be the driest: probes differ from their pots, so two close ones say nothing of which it is."""
    least = min(levels.values())
    return [name for name, level in levels.items() if level <= least + 2.0 * PROBE_ERROR_PCT]


def asked_ml(levels: Array, water_ml: Array, gain_pct_ml: float, learned: bool) -> float:
    """What a pot has asked for in a day, in ml of pumped water, by its measured `levels` [N + 1] in % at whole hours.

    `water_ml` [N] went in between. `learned`: whether the gain has been; until then it is mostly a prior, and the
    pessimistic end of that counts, for water that was not given early cannot be made good later. 0 below MEASURED_H.
    """
    known = np.flatnonzero(np.isfinite(levels))
    hours = int(known[-1] - known[0]) if len(known) else 0
    if hours < MEASURED_H:
        return 0.0
    gain = max(gain_pct_ml * (1.0 if learned else GAIN_UNSEEN), MIN_GAIN_PCT_ML)
    given_ml = float(water_ml[known[0] : known[-1]].sum())
    dried_pct = float(levels[known[0]] - levels[known[-1]]) + gain * given_ml
    return max(0.0, dried_pct) / gain * DAY_H / hours


def water_request(
    inputs: ControlInputs,
    planned_ml: float,
    demand: float,
    next_h: int | None = None,
    drippers: DripperKnowledge = NOTHING_UNEVEN,
) -> OutputRequest:
    """The plan's dose; under doubt within what `_most_under_doubt_ml` says, no less than the rules' where soil is dry.

    `next_h`: in how many hours the plan gives the first water; None: not within its horizon. The dose ends where a pot
    would get too wet, and the reason says what a grower can do about the `drippers`.
    """
    request = _request(inputs, planned_ml, _why(inputs, demand, drippers.known), next_h)
    wettest = wettest_pct(inputs.setpoints, drippers.known)
    most = room_ml(inputs, drippers.shares, water_shortage(demand) > 0.0, wettest)
    if request.amount > most:
        request = replace(request, amount=most, text=f"{request.text}, no more than the wettest pot bears")
        request = replace(request, pulses=max(1, round(most / PULSE_ML)))
    given = request.amount > 0.0
    doubt = why_doubt_is_no_reason(inputs) if given and "plan" in request.fired else ""
    notes = (doubt, drowning(inputs) if given else "", drippers.note)
    return replace(request, text="; ".join([request.text, *(note for note in notes if note)]))


def _request(inputs: ControlInputs, planned_ml: float, why: str, next_h: int | None) -> OutputRequest:
    rule = water(inputs)
    dose = min(planned_ml, MAX_DOSE_ML)
    if inputs.doubted:
        dose = min(dose, _most_under_doubt_ml(inputs, rule.amount))
        if planned_ml > 0.0 and dose <= 0.0:
            return OutputRequest(PUMP.name, 0.0, f"a probe is doubted: {rule.text}")
    if _overdue(inputs) and rule.amount > dose:
        return rule
    if dose <= 0.0:
        when = "does not water within its hours" if next_h is None else f"waters in {next_h} h"
        return OutputRequest(PUMP.name, 0.0, f"{_driest(inputs)}: the plan {when}")
    text = f"{_driest(inputs)}: {dose:.0f} ml now, {why}"
    return OutputRequest(PUMP.name, dose, text, ("plan",), "reduce_water_stress", pulses=max(1, round(dose / PULSE_ML)))


def _most_under_doubt_ml(inputs: ControlInputs, rule_ml: float) -> float:
    """The most a plan may give while a probe is doubted: what the rules would give, or what the wettest probe lacks.

    The rules wait for a dry pot. A plan that waters ahead of need harms no pot either, whichever probe is wrong, as
    long as the wettest of them stays below where a dose aims; what it could not give early, a day's water may not make
    good later.
    """
    return max(rule_ml, inputs.least_room_pct * inputs.context.settings.soil_ml_per_pct)


def _driest(inputs: ControlInputs) -> str:
    probe = inputs.driest
    return "no trusted soil probe" if probe is None else f"{probe.id} at {probe.moisture_pct:.1f} %"


def _why(inputs: ControlInputs, demand: float, known: bool) -> str:
    mark = soil_mark_pct(inputs.setpoints, demand, known)
    if not known and mark > soil_mark_pct(inputs.setpoints, demand):
        return _until_known(mark)
    if demand <= DEMAND_RESERVE[0]:
        return f"before the soil runs dry (below {mark:.1f} %)"
    return (
        f"ahead of need: the driest pot will ask for {demand:.0%} of a day's {inputs.setpoints.water_ml_per_day:.0f} ml"
    )


def _until_known(mark: float) -> str:
    return f"pots are watered early (below {mark:.1f} %) until the drippers' shares are known"


def _overdue(inputs: ControlInputs) -> bool:
    moisture = inputs.driest.moisture_pct if inputs.driest is not None else None
    return moisture is not None and moisture < inputs.setpoints.soil_low_pct - OVERDUE_PCT
