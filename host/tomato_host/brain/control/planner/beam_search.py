"""The planner's core: a beam search over whole plans, free of any plant: a score, a set of edits, a clock.

Each round edits every plan of the beam in every allowed way, scores all edited plans in one batch, and keeps the best
few. PlanEdits that help are also tried together (the best one, the best two, the best three ...): most act on different
hours and add up, so that one round can do the work of many. Anytime: the best plan so far is always at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PlanScore = Callable[[Array], Array]
"""Plans [B, H, K] -> J [B], larger is better. Must be deterministic; NaN counts as worst."""


class PlanEdits(Protocol):
    """What may be changed in a plan."""

    def variants(self, plans: Array, level: int) -> Array:
        """Edited copies of plans [W, H, K] -> [W, M, H, K], all allowed; `level` 0 is coarse, higher is finer."""

    def project(self, plans: Array) -> Array:
        """The nearest allowed plans [B, H, K]."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How wide and how long to look."""

    width: int = 6
    """Plans kept from round to round."""
    levels: int = 3
    """Edits get finer when a round brings nothing; after the finest one the search ends."""
    rounds: int = 40
    together: int = 24
    """How many helpful edits are tried together at most."""
    pairs: int = 20
    """When no single edit helps, so many of the least bad ones are tried two by two; 0: not at all."""
    least_gain: float = 1e-6


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result: plans in order of J, the best first, and what the search took."""

    plans: Array
    """[N, H, K], different from one another."""
    j: Array
    """[N], falling."""
    rounds: int
    scored: int
    finished: bool
    """False: the deadline came first."""


def search(
    score: PlanScore, edits: PlanEdits, initial: Array, settings: SearchSettings, out_of_time: Callable[[], bool]
) -> SearchResult:
    """Improve the best of `initial` [S, H, K] until nothing helps or time is over; `initial` is always scored."""
    plans = edits.project(initial)
    plans, j = _best(plans, _scored(score, plans), settings.width)
    level, rounds, scored = 0, 0, len(initial)
    while level < settings.levels and rounds < settings.rounds:
        if out_of_time():
            return SearchResult(plans, j, rounds, scored, finished=False)
        before = float(j[0])
        around = edits.variants(plans, level)
        w, m, h, k = around.shape
        flat = around.reshape(w * m, h, k)
        flat_j = _scored(score, flat)
        scored += w * m
        pool, pool_j = np.concatenate([plans, flat]), np.concatenate([j, flat_j])
        if not out_of_time():
            combined = _combined(plans[0], around[0], flat_j[:m], before, settings)
            if len(combined):
                combined = edits.project(combined)
                scored += len(combined)
                pool, pool_j = np.concatenate([pool, combined]), np.concatenate([pool_j, _scored(score, combined)])
        plans, j = _best(pool, pool_j, settings.width)
        rounds += 1
        if float(j[0]) - before <= settings.least_gain:
            level += 1
    return SearchResult(plans, j, rounds, scored, finished=True)


def _scored(score: PlanScore, plans: Array) -> Array:
    return np.nan_to_num(score(plans), nan=-np.inf, posinf=-np.inf, neginf=-np.inf)


def _best(plans: Array, j: Array, width: int) -> tuple[Array, Array]:
    """The best `width` plans of different J, best first; of several with the same J, the first.

    PlanEdits that run into a bound give the same plan many times over; the same J to the last bit gives them away.
    """
    _, first = np.unique(-j, return_index=True)
    kept = first[:width]
    return plans[kept], j[kept]


def _combined(base: Array, around: Array, j: Array, before: float, settings: SearchSettings) -> Array:
    """Edits of the best plan combined: the helpful ones added up from the most helpful one on; else pairs."""
    order = np.argsort(-j, kind="stable")
    helpful = order[: settings.together]
    helpful = helpful[j[helpful] > before + settings.least_gain]
    if len(helpful) > 1:
        return np.asarray(base + np.cumsum(around[helpful] - base, axis=0)[1:])
    change = around[order[: settings.pairs]] - base
    first, second = np.triu_indices(len(change), 1)
    return np.asarray(base + change[first] + change[second])
