"""Ridge regression per horizon, taught a day at a time, with forgetting and a bounded say for any single hour.

Exact recursive least squares in information form: the Gram matrix and right-hand side fade by `forget` a day and
take the day's rows, each weighted 1 / max(1, |error| / (robust * typical error)) (Huber 1964), so that a bumped
probe or a slipped mat does not rewrite what weeks have taught.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.psychrometrics import Array, Mask
from tomato_host.brain.world_model.shared_arrays import own

_SCALE_MEMORY = 0.9
_MIN_ROWS = 12.0
"""Weighted rows below which nothing is claimed: the coefficients stay zero, which means `same hour as before`."""


class DailyRidge:
    """Coefficients for H horizons and p regressors, standardised by their own root mean square."""

    def __init__(self, horizon_count: int, size: int, forget: float, robust: float, ridges: tuple[float, ...]) -> None:
        self.forget, self.robust, self.ridges = forget, robust, ridges
        self.gram: Array = np.zeros((horizon_count, size, size))
        self.rhs: Array = np.zeros((horizon_count, size))
        self.rows: Array = np.zeros(horizon_count)
        self.typical: Array = np.full(horizon_count, np.nan)
        self.beta: Array = np.zeros((len(ridges), horizon_count, size))

    def predict(self, x: Array) -> Array:
        """Corrections for regressors [n, H, p]: [ridges, n, H], NaN where a regressor is unknown or untaught."""
        out = np.matmul(x.transpose(1, 0, 2), self.beta.transpose(1, 2, 0)).transpose(2, 1, 0).copy()
        out[:, :, self.rows < _MIN_ROWS] = np.nan
        return np.asarray(out)

    def teach(self, x: Array, target: Array) -> None:
        """Absorb rows [n, H, p] with targets [n, H]; rows with NaN are left out. Then solve once per ridge."""
        known = np.isfinite(target) & np.isfinite(x).all(axis=2)
        if not known.any():
            return
        x0 = np.where(known[:, :, None], x, 0.0)
        y0 = np.where(known, target, 0.0)
        weight = self._weights(x0, y0, known)
        self.gram, self.rhs, self.beta = own(self.gram), own(self.rhs), own(self.beta)
        self.gram *= self.forget
        self.rhs *= self.forget
        xw = np.ascontiguousarray((x0 * weight[:, :, None]).transpose(1, 2, 0))
        xh = np.ascontiguousarray(x0.transpose(1, 0, 2))
        self.gram += xw @ xh
        self.rhs += (xw @ y0.T[:, :, None])[:, :, 0]
        self.rows = self.rows * self.forget + weight.sum(axis=0)
        self._solve()

    def _weights(self, x0: Array, y0: Array, known: Mask) -> Array:
        error = np.abs(y0 - np.matmul(x0.transpose(1, 0, 2), self.beta[-1][:, :, None])[:, :, 0].T)
        count = known.sum(axis=0)
        taught = count > 0
        ranked = np.sort(np.where(known, error, np.inf), axis=0)
        middle = ranked[np.maximum(count - 1, 0) // 2, np.arange(len(count))]
        median = np.where(taught, middle, np.nan)
        first = np.isnan(self.typical)
        mixed = _SCALE_MEMORY * self.typical + (1.0 - _SCALE_MEMORY) * median
        self.typical = np.where(first, median, np.where(taught, mixed, self.typical))
        bound = self.robust * self.typical + 1e-9
        return np.asarray(np.where(known, 1.0 / np.maximum(1.0, error / bound), 0.0))

    def _solve(self) -> None:
        rows = np.maximum(self.rows, 1e-9)
        size = self.gram.shape[1]
        scale = np.sqrt(np.diagonal(self.gram, axis1=1, axis2=2) / rows[:, None]) + 1e-6
        unit = self.gram / (scale[:, :, None] * scale[:, None, :] * rows[:, None, None])
        right = (self.rhs / (scale * rows[:, None]))[:, :, None]
        for i, ridge in enumerate(self.ridges):
            held = unit + np.eye(size) * (ridge / rows)[:, None, None]
            self.beta[i] = np.linalg.solve(held, right)[:, :, 0] / scale
        self.beta[:, self.rows < _MIN_ROWS] = 0.0
