"""Whether one of the crop's terms decided: the best plan beside those it was preferred to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shared_schemas.records.plan_v1 import CropCost
from tomato_host.brain.control.planner.beam_search import PlanEdits, SearchSettings, search
from tomato_host.brain.control.planner.objective import Terms, Weights, without_crop
from tomato_host.brain.control.planner.plan_explanation import crop_costs

Array = NDArray[np.float64]
BARE = SearchSettings(width=2, levels=2, rounds=3, pairs=0)
"""How far a plan without the crop's terms is looked for."""


def decided_costs(
    best: Array,
    starts: Array,
    edits: PlanEdits,
    terms: Callable[[Array], Terms],
    weights: Weights,
    out_of_time: Callable[[], bool],
) -> tuple[CropCost, ...]:
    """The crop's terms of the best plan, with weights and which of them decided.

    `best` [N, H, K] is the search's result, the best first, `starts` are the plans that it began from. Where the crop
    asks for something, a short search from the best plan finds the one that would be taken without the crop's terms; it
    is left out when time is over, and then no term is said to have decided that only it would show.
    """
    rivals = np.concatenate([best[1:], edits.project(starts)])
    judged = terms(rivals)
    if any(cost.any() for cost in judged.crop.values()):
        bare = search(lambda plans: without_crop(terms(plans), weights), edits, best[:1], BARE, out_of_time)
        judged = terms(np.concatenate([rivals, bare.plans]))
    return crop_costs(terms(best), judged, weights)
