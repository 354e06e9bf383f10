"""The planner's water: the driest pot's demand of a day, the moisture below which it is watered, the dose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import PUMP
from tomato_host.brain.control.control_inputs import ControlInputs
from tomato_host.brain.control.plan_columns import DOSE_K
from tomato_host.brain.control.planner.drippers import SMALL_DOSE_ML, DripperShare, advice, drowning, room_ml
from tomato_host.brain.control.planner.plan_edits import MAX_DOSE_ML
from tomato_host.brain.control.proposals import OutputRequest
from tomato_host.brain.control.rules import PULSE_ML, water
from tomato_host.brain.control.targets import Setpoints

Array = NDArray[np.float64]

DELAY_PCT = 1.0
"""The soil may dry this far below the low mark, and no dose is given before: who looks ahead needs less in reserve than
the rules, which water below the mark because they cannot see when it will be reached."""
OVERDUE_PCT = 0.5
"""This far below its mark a zone gets at least what the rules would give, whatever the plan says."""
DEMAND_RESERVE = (0.95, 1.2)
"""A day's demand, as a share of the day's water, from which on the pots are kept fuller, and at which they are kept as
full as a dose ever aims at: what a day's water cannot make good must be there before."""
DAY_H = 24
MEASURED_H = 18
"""Hours of drying that say something of a day: night and day differ."""
GAIN_UNSEEN = 0.75
"""Of the prior's gain: a pot a fifth larger with a dripper that gives a tenth less."""
MIN_GAIN_PCT_ML = 0.001
"""A pot of 100 l; a smaller gain is a model that has not seen a dose yet."""


def soil_mark_pct(setpoints: Setpoints, demand: float) -> float:
    """The moisture in % below which the driest zone is watered, by a day's demand as a share of the day's water."""
    low = setpoints.soil_low_pct - DELAY_PCT
    return low + (setpoints.soil_target_pct - low) * water_shortage(demand)


def water_shortage(demand: float) -> float:
    """How short a day's water is, 0 (it suffices) to 1, by a day's demand as a share of it."""
    begins, full = DEMAND_RESERVE
    return min(1.0, max(0.0, (demand - begins) / (full - begins)))


def water_demand(
    roll: Callable[[Array], Mapping[str, Array]], zones: Sequence[str], plan: Array, day_ml: float
) -> float:
    """What the driest of `zones` will ask for in a day, as a share of `day_ml`.

    By the model `roll`, under the duties of `plan` [H, K], from its courses without a dose and with small ones.
    """
    dry = plan.copy()
    dry[:, DOSE_K] = 0.0
    sip = dry.copy()
    sip[: len(plan) // 2 : 2, DOSE_K] = SMALL_DOSE_ML
    courses = roll(np.stack([dry, sip]))
    without, sipped = min((courses[name] for name in zones), key=lambda course: float(course[0, -1]))
    lost_pct_h = float(without[0] - without[-1]) / (len(plan) - 1)
    gained_pct_ml = float(sipped[-1] - without[-1]) / float(sip[:, DOSE_K].sum())
    return DAY_H * max(0.0, lost_pct_h) / max(gained_pct_ml, MIN_GAIN_PCT_ML) / max(1.0, day_ml)


def asked_ml(levels: Array, water_ml: Array, gain_pct_ml: float, dosed: bool) -> float:
    """What a pot has asked for in a day, in ml of pumped water, by its measured `levels` [N + 1] in % at whole hours.

    `water_ml` [N] went in between. `dosed`: whether the model has seen a dose; without one its gain is a prior, and the
    pessimistic end of that counts, for water that was not given early cannot be made good later. 0 below MEASURED_H.
    """
    known = np.flatnonzero(np.isfinite(levels))
    hours = int(known[-1] - known[0]) if len(known) else 0
    if hours < MEASURED_H:
        return 0.0
    gain = max(gain_pct_ml * (1.0 if dosed else GAIN_UNSEEN), MIN_GAIN_PCT_ML)
    given_ml = float(water_ml[known[0] : known[-1]].sum())
    dried_pct = float(levels[known[0]] - levels[known[-1]]) + gain * given_ml
    return max(0.0, dried_pct) / gain * DAY_H / hours


def water_request(
    inputs: ControlInputs,
    planned_ml: float,
    demand: float,
    next_h: int | None = None,
    shares: Sequence[DripperShare] = (),
) -> OutputRequest:
    """The plan's dose; no more than the rules would give where a probe is doubted, no less where the soil is dry.

    `next_h`: in how many hours the plan gives the first water; None: not within its horizon. `shares`: what is known of
    the drippers; the dose ends where a pot would get too wet, and the reason says what a grower can do.
    """
    request = _request(inputs, planned_ml, demand, next_h)
    most = room_ml(inputs, shares, water_shortage(demand) > 0.0)
    if request.amount > most:
        request = replace(request, amount=most, text=f"{request.text}, no more than the wettest pot bears")
        request = replace(request, pulses=max(1, round(most / PULSE_ML)))
    notes = (drowning(inputs) if request.amount > 0.0 else "", advice(shares))
    return replace(request, text="; ".join([request.text, *(note for note in notes if note)]))


def _request(inputs: ControlInputs, planned_ml: float, demand: float, next_h: int | None) -> OutputRequest:
    rule = water(inputs)
    dose = min(planned_ml, MAX_DOSE_ML)
    if inputs.doubted:
        dose = min(dose, rule.amount)
        if planned_ml > 0.0 and dose <= 0.0:
            return OutputRequest(PUMP.name, 0.0, f"a probe is doubted: {rule.text}")
    if _overdue(inputs) and rule.amount > dose:
        return rule
    if dose <= 0.0:
        when = "does not water within its hours" if next_h is None else f"waters in {next_h} h"
        return OutputRequest(PUMP.name, 0.0, f"{_driest(inputs)}: the plan {when}")
    text = f"{_driest(inputs)}: {dose:.0f} ml now, {_why(inputs, demand)}"
    return OutputRequest(PUMP.name, dose, text, ("plan",), "reduce_water_stress", pulses=max(1, round(dose / PULSE_ML)))


def _driest(inputs: ControlInputs) -> str:
    probe = inputs.driest
    return "no trusted soil probe" if probe is None else f"{probe.id} at {probe.moisture_pct:.1f} %"


def _why(inputs: ControlInputs, demand: float) -> str:
    if demand <= DEMAND_RESERVE[0]:
        return f"before the soil runs dry (below {soil_mark_pct(inputs.setpoints, demand):.1f} %)"
    return (
        f"ahead of need: the driest pot will ask for {demand:.0%} of a day's {inputs.setpoints.water_ml_per_day:.0f} ml"
    )


def _overdue(inputs: ControlInputs) -> bool:
    moisture = inputs.driest.moisture_pct if inputs.driest is not None else None
    return moisture is not None and moisture < inputs.setpoints.soil_low_pct - DELAY_PCT - OVERDUE_PCT
