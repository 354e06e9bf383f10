"""Plans to begin the search from: the rules', the last one, plain ones, and the best of each hour by itself."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import PLAN_COLUMNS
from shared_schemas.records.plan_v1 import PlanV1
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.plan_columns import COLUMN_OF, COLUMNS, DOSE_K, INDEX, LAMP_K, MIST_K, STIR_K, VENT_K
from tomato_host.brain.control.planner.plan_edits import Bounds

Array = NDArray[np.float64]
GRID_EXHAUST = (0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.0)
GRID_MIST = (0.0, 0.05, 0.1, 0.2, 0.3, 0.42)
MIST_PRICES = (0.0, 1.0, 2.5, 5.0, 10.0, 20.0)
"""What an hour of mist costs in J of an hour."""


def plain_plan(bounds_light: Array) -> Array:
    """A plan [H, K] of light and moving air alone."""
    plan = np.zeros((len(bounds_light), COLUMNS))
    plan[:, LAMP_K], plan[:, STIR_K] = bounds_light, 1.0
    return plan


def baseline_plans(context: DecisionContext, guide: PlanV1, bounds: Bounds) -> Array:
    """Plans to start from: the rules held on, the last plan shifted to now, and plain ones at several exhausts."""
    horizon = len(bounds.light_share)
    plain = plain_plan(bounds.light_share)
    held = plain.copy()
    step = guide.steps[0]
    for column in COLUMN_OF.values():
        if column != LAMP_K:
            held[:, column] = getattr(step, PLAN_COLUMNS[column])
    held[0, DOSE_K] = getattr(step, PLAN_COLUMNS[DOSE_K])
    starts = [held]
    for share in (0.0, 0.1, 0.25, 0.5, 1.0):
        other = plain.copy()
        other[:, VENT_K] = share
        starts.append(other)
    again = shifted(context, horizon, plain)
    if again is not None:
        starts.append(again)
    return np.stack(starts)


def hourwise_plans(bounds: Bounds, gain: Callable[[Array], Array]) -> Array:
    """Plans [S, H, K] of the duties that would be best in each stretch of hours if nothing carried over.

    The air follows its duties within minutes, so this is nearly right for the air, and keeps the search out of plans
    that every small edit makes worse. Mist has a price in each: at the right one the day's budget reaches to its end.
    """
    horizon = len(bounds.light_share)
    pairs = np.array(list(product(GRID_EXHAUST, GRID_MIST)))
    plans = np.zeros((len(pairs), horizon, COLUMNS))
    plans[:, :, LAMP_K], plans[:, :, STIR_K] = bounds.light_share, 1.0
    plans[:, :, VENT_K], plans[:, :, MIST_K] = pairs[:, :1], pairs[:, 1:]
    each = gain(plans)
    edges = [0, bounds.first_h, *range(bounds.first_h + 1, horizon + 1)]
    made = np.empty((len(MIST_PRICES), horizon, COLUMNS))
    for row, price in enumerate(MIST_PRICES):
        worth = each - price * pairs[:, 1:]
        for start, stop in pairwise(edges):
            best = int(worth[:, start:stop].sum(axis=1).argmax())
            made[row, start:stop] = plans[best, start:stop]
    return made


def shifted(context: DecisionContext, horizon: int, plain: Array) -> Array | None:
    """The last plan, moved to now; hours it did not reach are plain."""
    last = context.memory.last_plan
    if last is None or last.controller != "mpc":
        return None
    past = round((context.now - last.ts).total_seconds() / 3_600.0)
    steps = last.steps[past : past + horizon] if past >= 0 else ()  # a plan of the future: a clock was ahead
    if not steps:
        return None
    plan = plain.copy()
    for hour, step in enumerate(steps):
        for name, column in INDEX.items():
            plan[hour, column] = getattr(step, name)
    if past == 0:  # the dose of this hour has been asked for already
        plan[0, DOSE_K] = 0.0
    return plan
