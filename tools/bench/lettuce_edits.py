"""Edits of plans whose controls may only move so fast: blocks of hours by hand, or where a linear programme points."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from lettuce_plant import PER_LIMIT, Array, Plant
from scipy.optimize import linprog

BLOCKS = ((0, 3), (3, 6), (6, 12), (12, 16), (0, 6), (0, 12), (0, 16))
"""Stretches of steps that one edit lifts or lowers together; each step is one as well."""
SIZES = (1.0, 0.4, 0.15, 0.05)
"""Sizes of block edits in units of the largest change per step, coarse to fine."""
DIRECTIONS = tuple(d for d in product((0.0, 1.0, -1.0), repeat=3) if any(d))
REACH = (2.0, 0.5, 0.1)
"""How far the linear picture is trusted, in the same units, coarse to fine."""
SHARES: Array = np.array([1.0, 0.85, 0.7, 0.5, 0.35, 0.25, 0.15, 0.08, 0.04, 0.02])
"""Shares of the way it points that are tried."""
_PROBE = 1e-3
_CLEAR = 1e3
"""Returns of a step are thousandths; the solver's tolerances are made for ones."""


@dataclass(frozen=True)
class RateLimit:
    """Controls [K] inside [low, high], moving by at most `most` a step from `now` on."""

    now: Array
    low: Array
    high: Array
    most: Array

    def project(self, plans: Array) -> Array:
        """The nearest plans [B, H, K] that are allowed."""
        allowed = np.clip(plans, self.low, self.high)
        before = np.broadcast_to(self.now, allowed[:, 0].shape)
        for step in range(allowed.shape[1]):
            allowed[:, step] = np.clip(allowed[:, step], before - self.most, before + self.most)
            before = allowed[:, step]
        return allowed


class BlockEdits:
    """Every block of every control a little up or down, alone and together."""

    def __init__(self, limit: RateLimit, horizon: int) -> None:
        self.limit = limit
        steps = [(k, k + 1) for k in range(horizon)]
        spans = [*steps, *((a, min(b, horizon)) for a, b in BLOCKS if a < horizon)]
        self._shapes = np.zeros((len(spans) * len(DIRECTIONS), horizon, len(limit.most)))
        for row, ((a, b), direction) in enumerate(product(spans, DIRECTIONS)):
            self._shapes[row, a:b] = np.array(direction) * limit.most

    def variants(self, plans: Array, level: int) -> Array:
        """All edits of all plans [W, M, H, K]."""
        edited = plans[:, None] + SIZES[level] * self._shapes[None]
        w, m, h, k = edited.shape
        return self.limit.project(edited.reshape(w * m, h, k)).reshape(w, m, h, k)

    def project(self, plans: Array) -> Array:
        """As `RateLimit.project`."""
        return self.limit.project(plans)


@dataclass(frozen=True)
class Moment:
    """What a plan starts from: the plant, its state [4], the weather [4, H], the worth of a kg."""

    plant: Plant
    state: Array
    weather: Array
    value_per_kg: float


class ProgrammeEdits:
    """Steps towards the best plan of the problem as it looks from here, straightened.

    The best plans lie where comfort limits cross, and from there only moves of many hours together, in the right
    proportions, gain anything. A linear programme finds them: growth and readings are taken as linear in the plan
    (slopes by small differences, all in one batch), limits stay soft and cost what the benchmark takes for them.
    """

    def __init__(self, moment: Moment, limit: RateLimit) -> None:
        self.moment, self.limit = moment, limit

    def variants(self, plans: Array, level: int) -> Array:
        """Shares of the step from each plan: [W, M, H, K]."""
        steps = np.stack([self._step(plan, REACH[level]) for plan in plans])
        tried = plans[:, None] + SHARES[None, :, None, None] * steps[:, None]
        w, m, h, k = tried.shape
        return self.limit.project(tried.reshape(w * m, h, k)).reshape(w, m, h, k)

    def project(self, plans: Array) -> Array:
        """As `RateLimit.project`."""
        return self.limit.project(plans)

    def _slopes(self, plan: Array) -> tuple[Array, Array, Array]:
        """Limits [L] as they stand, their slopes [L, N] and that of the return [N], a unit being `most`."""
        at, count = self.moment, plan.size
        probes = plan + _PROBE * self.limit.most * np.eye(count).reshape(count, *plan.shape)
        beyond, dry = at.plant.trace(at.state, np.concatenate([plan[None], probes]), at.weather)
        flat = beyond.reshape(-1, count + 1)
        gain = at.value_per_kg * (dry[1:] - dry[0]) / _PROBE
        cost = np.tile(at.plant.cost_per_unit() * self.limit.most, len(plan))
        return flat[:, 0], (flat[:, 1:] - flat[:, :1]) / _PROBE, gain - cost

    def _step(self, plan: Array, reach: float) -> Array:
        """The best change of a plan [H, K] within `reach`, in the straightened problem; nothing if there is none."""
        stand, slope, gain = self._slopes(plan)
        near = np.flatnonzero(stand + reach * np.abs(slope).sum(axis=1) > 0.0)
        turn, room = self._rates(plan, reach)
        size, soft = plan.size, len(near)
        matrix = np.block([[slope[near], -np.eye(soft)], [turn, np.zeros((len(turn), soft))]])
        price = np.concatenate([-gain, np.tile(PER_LIMIT, len(plan))[near]])
        unit = self.limit.most
        most = np.minimum(reach, np.maximum((self.limit.high - plan) / unit, 0.0)).ravel()
        least = np.maximum(-reach, np.minimum((self.limit.low - plan) / unit, 0.0)).ravel()
        bounds = np.concatenate([np.stack([least, most], axis=1), np.tile([0.0, np.inf], (soft, 1))])
        solved = linprog(
            _CLEAR * price,
            A_ub=matrix,
            b_ub=np.concatenate([-stand[near], room]),
            bounds=bounds,
            method="highs-ds",
            options={"presolve": False},
        )
        change = np.zeros(size) if solved.x is None else solved.x[:size]
        return np.asarray(change.reshape(plan.shape) * unit)

    def _rates(self, plan: Array, reach: float) -> tuple[Array, Array]:
        """Rows [R, N] and room [R] of those rate limits that a change within `reach` could meet."""
        moved = (np.diff(np.concatenate([self.limit.now[None], plan]), axis=0) / self.limit.most).ravel()
        change = np.eye(plan.size) - np.eye(plan.size, k=-plan.shape[1])
        rows, room = np.concatenate([change, -change]), np.concatenate([1.0 - moved, 1.0 + moved])
        met = room < 2.0 * reach
        return rows[met], np.maximum(room[met], 0.0)
