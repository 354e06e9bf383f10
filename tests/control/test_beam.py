"""The planner's core: near the best of plans that can be counted, in time, never less than it was given."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from tomato_host.brain.control.planner.beam_search import SearchSettings, search

Array = NDArray[np.float64]
LEVELS = (0.0, 0.5, 1.0)


class Steps:
    """PlanEdits of plans on a small grid of levels: one cell, or one row of cells, up or down."""

    def __init__(self, horizon: int, outputs: int) -> None:
        cells = [(slice(h, h + 1), k) for h in range(horizon) for k in range(outputs)]
        rows = [(slice(0, horizon), k) for k in range(outputs)]
        self.changes = []
        for hours, k in cells + rows:
            for size in (0.5, -0.5, 1.0, -1.0):
                change = np.zeros((horizon, outputs))
                change[hours, k] = size
                self.changes.append(change)

    def variants(self, plans: Array, level: int) -> Array:
        edited = plans[:, None] + np.stack(self.changes)[None]
        return self.project(edited.reshape(-1, *plans.shape[1:])).reshape(len(plans), -1, *plans.shape[1:])

    def project(self, plans: Array) -> Array:
        return np.clip(np.round(plans * 2.0) / 2.0, 0.0, 1.0)


def small_problem(seed: int) -> tuple[Array, Array]:
    """A tank per output that drains and fills, coupled, with a price: bumpy enough to have local optima."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.2, 0.9, (4, 2)), rng.uniform(0.1, 0.5, (2, 2))


def score_of(seed: int):  # type: ignore[no-untyped-def]  # a closure over the problem, used in these tests only
    wanted, coupling = small_problem(seed)

    def score(plans: Array) -> Array:
        level, total = np.full((len(plans), 2), 0.5), np.zeros(len(plans))
        for h in range(plans.shape[1]):
            level = 0.6 * level + plans[:, h] @ coupling
            total -= np.abs(level - wanted[h]).sum(axis=1) + 0.05 * plans[:, h].sum(axis=1)
        return total

    return score


@pytest.mark.parametrize("seed", range(25))
def test_within_one_percent_of_the_counted_optimum(seed: int) -> None:
    score = score_of(seed)
    everything = np.array(list(product(LEVELS, repeat=8))).reshape(-1, 4, 2)
    best = float(score(everything).max())
    plain = np.array([np.tile(row, (4, 1)) for row in product(LEVELS, repeat=2)])
    found = search(score, Steps(4, 2), plain, SearchSettings(width=12, levels=1, pairs=40), lambda: False)
    assert found.finished and found.j[0] >= best - 0.01 * abs(best)


def test_a_plan_exists_before_the_first_round() -> None:
    starts = np.stack([np.zeros((4, 2)), np.ones((4, 2))])
    found = search(score_of(1), Steps(4, 2), starts, SearchSettings(), lambda: True)
    assert not found.finished and found.rounds == 0 and found.scored == 2
    assert found.j[0] == score_of(1)(starts).max()


def test_never_worse_than_any_start_and_ordered() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        starts = Steps(4, 2).project(rng.uniform(0, 1, (5, 4, 2)))
        found = search(score_of(2), Steps(4, 2), starts, SearchSettings(width=4, rounds=2), lambda: False)
        assert found.j[0] >= score_of(2)(starts).max()
        assert list(found.j) == sorted(found.j, reverse=True)
        assert len({plan.tobytes() for plan in found.plans}) == len(found.plans)


def test_more_time_never_hurts() -> None:
    best = []
    for ticks in (0, 1, 2, 4, 8, 30):
        left = iter([False] * ticks + [True] * 1000)
        found = search(
            score_of(4), Steps(4, 2), np.zeros((1, 4, 2)), SearchSettings(width=2), lambda left=left: next(left)
        )
        best.append(float(found.j[0]))
    assert best == sorted(best)


def test_nonsense_scores_count_as_worst() -> None:
    def score(plans: Array) -> Array:
        values = -plans.sum(axis=(1, 2))
        values[plans.sum(axis=(1, 2)) == 0.0] = np.nan
        return values

    found = search(score, Steps(2, 1), np.ones((1, 2, 1)), SearchSettings(width=3), lambda: False)
    assert found.j[0] == -0.5 and np.isfinite(found.j).all()


def test_repeatable() -> None:
    runs = [search(score_of(5), Steps(4, 2), np.zeros((1, 4, 2)), SearchSettings(), lambda: False) for _ in range(2)]
    assert np.array_equal(runs[0].plans, runs[1].plans) and np.array_equal(runs[0].j, runs[1].j)


def test_nothing_is_scored_when_no_edit_helps_and_no_pair_is_tried() -> None:
    sizes = []

    def score(plans: Array) -> Array:
        sizes.append(len(plans))
        return -np.abs(plans).sum(axis=(1, 2))

    best = np.zeros((1, 4, 2))
    found = search(score, Steps(4, 2), best, SearchSettings(width=2, pairs=0), lambda: False)
    assert found.finished and found.scored == sum(sizes) and 0 not in sizes
    assert found.plans[0].tobytes() == best[0].tobytes()
