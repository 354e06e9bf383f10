"""Recursive least squares with forgetting, a prior that never fades, and bounds that physics sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomato_host.brain.world_model.arrays import Array

FORGET_PER_DAY = 0.96
"""About 25 days count: a plant's leaf area changes on that scale."""

_HUBER = 2.0
_SCALE_MEMORY = 0.8


@dataclass(frozen=True)
class Coefficient:
    """One coefficient of a physical law: name, prior mean, prior standard deviation, and the bounds of its sign."""

    name: str
    prior: float
    spread: float
    low: float
    high: float


class BoundedRls:
    """Coefficients of one linear law, updated in daily blocks."""

    def __init__(self, law: tuple[Coefficient, ...], noise: float, forget: float = FORGET_PER_DAY) -> None:
        self.law = law
        self.forget = forget
        self.noise = noise
        """Typical residual of one hour, in the target's unit; sets the weight of the prior."""
        self.prior = np.array([c.prior for c in law])
        self.low = np.array([c.low for c in law])
        self.high = np.array([c.high for c in law])
        self._prior_weight = np.diag([(noise / c.spread) ** 2 for c in law])
        self.gram: Array = np.zeros((len(law), len(law)))
        self.rhs: Array = np.zeros(len(law))
        self.theta: Array = self.prior.copy()
        self.scale = noise
        self.rows = 0.0

    def update(self, x: Array, target: Array) -> None:
        """Add rows [n, p] with targets [n]; rows with NaN are left out, outliers count less (Huber 1964)."""
        known = np.isfinite(target) & np.isfinite(x).all(axis=1)
        if not known.any():
            return
        x, target = x[known], target[known]
        error = np.abs(target - x @ self.theta)
        self.scale = _SCALE_MEMORY * self.scale + (1.0 - _SCALE_MEMORY) * max(float(np.median(error)), 1e-3)
        weight = 1.0 / np.maximum(1.0, error / (_HUBER * self.scale))
        self.gram = self.forget * self.gram + (x.T * weight) @ x
        self.rhs = self.forget * self.rhs + (x.T * weight) @ target
        self.rows = self.forget * self.rows + float(weight.sum())
        self.theta = self._solve_within_bounds()

    def _solve_within_bounds(self) -> Array:
        """Solve; pin what left its bounds; solve the rest again. Ends because pins are never loosened."""
        normal = self.gram + self._prior_weight
        right = self.rhs + self._prior_weight @ self.prior
        free = np.ones(len(self.law), dtype=bool)
        theta = self.prior.copy()
        while free.any():
            pinned = right[free] - normal[np.ix_(free, ~free)] @ theta[~free]
            theta[free] = np.linalg.solve(normal[np.ix_(free, free)], pinned)
            out = free & ((theta < self.low) | (theta > self.high))
            theta = np.clip(theta, self.low, self.high)
            if not out.any():
                break
            free &= ~out
        return theta

    def spread_of(self, direction: Array) -> float:
        """One standard deviation of a weighted sum [p] of the coefficients; what lies at its bound counts as known."""
        free = (self.theta > self.low) & (self.theta < self.high)
        normal = (self.gram + self._prior_weight)[np.ix_(free, free)]
        return float(self.noise * np.sqrt(direction[free] @ np.linalg.solve(normal, direction[free])))

    def loosen(self, index: int, step: float) -> None:
        """Let one coefficient drift: its variance grows by `step` squared, what the others learned stays."""
        column = self.gram[:, index]
        share = column / (column[index] + (self.noise / step) ** 2)
        self.rhs = self.rhs - share * self.rhs[index]
        self.gram = self.gram - np.outer(share, column)

    def restart(self, index: int, value: float, spread: float) -> None:
        """Replace what was learned of one coefficient by `value` with standard deviation `spread`."""
        own = (self.noise / spread) ** 2
        rhs, gram, theta = self.rhs - self.gram[:, index] * self.theta[index], self.gram.copy(), self.theta.copy()
        gram[index], gram[:, index] = 0.0, 0.0
        gram[index, index], rhs[index], theta[index] = own, own * value, value
        self.gram, self.rhs, self.theta = gram, rhs, theta

    def named(self) -> dict[str, float]:
        """Coefficients by name, for records and logs."""
        return {c.name: round(float(v), 6) for c, v in zip(self.law, self.theta, strict=True)}
