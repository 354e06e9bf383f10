"""Ridge regression per horizon, updated once a day, with forgetting and a bounded influence of any single hour.

Exact recursive least squares in information form: the Gram matrix and right-hand side fade by `forget` a day and
take the day's rows, each weighted 1 / max(1, |error| / (robust * typical error)) (Huber 1964), so that a bumped
probe or a slipped mat does not overwrite what weeks have taught.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Mask, own

_SCALE_MEMORY = 0.9
_MIN_ROWS = 12.0
"""Weighted rows below which the ridge gives no forecast."""


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
        """Corrections for regressors [n, H, p]: [ridges, n, H], NaN where a regressor or the ridge is unknown."""
        out = np.matmul(x.transpose(1, 0, 2), self.beta.transpose(1, 2, 0)).transpose(2, 1, 0).copy()
        few = self.rows < _MIN_ROWS
        if few.any():
            out[:, :, few] = np.nan
        return np.asarray(out)

    def update(self, x: Array, target: Array) -> None:
        """Add rows [n, H, p] with targets [n, H]; rows with NaN are left out. Then solve once per ridge."""
        known = np.isfinite(target) & np.isfinite(x).all(axis=2)
        if not known.any():
            return
        rows = x.transpose(1, 0, 2).copy()  # [H, n, p]: one plain matrix product per horizon; `x` is shared
        rows[~known.T] = 0.0
        y = np.where(known, target, 0.0).T
        weight = self._weights(rows, y, known.T)
        self.gram, self.rhs, self.beta = own(self.gram), own(self.rhs), own(self.beta)
        self.gram *= self.forget
        self.rhs *= self.forget
        weighted = (rows * weight[:, :, None]).transpose(0, 2, 1)
        self.gram += weighted @ rows
        self.rhs += (weighted @ y[:, :, None])[:, :, 0]
        self.rows = self.rows * self.forget + weight.sum(axis=1)
        self._solve()

    def _weights(self, rows: Array, y: Array, known: Mask) -> Array:
        """Weight of each hour, [H, n], from rows [H, n, p] and targets [H, n]."""
        error = np.abs(y - np.matmul(rows, self.beta[-1][:, :, None])[:, :, 0])
        count = known.sum(axis=1)
        seen = count > 0
        ranked = np.sort(np.where(known, error, np.inf), axis=1)
        middle = ranked[np.arange(len(count)), np.maximum(count - 1, 0) // 2]
        median = np.where(seen, middle, np.nan)
        first = np.isnan(self.typical)
        mixed = _SCALE_MEMORY * self.typical + (1.0 - _SCALE_MEMORY) * median
        self.typical = np.where(first, median, np.where(seen, mixed, self.typical))
        bound = (self.robust * self.typical + 1e-9)[:, None]
        return np.asarray(np.where(known, 1.0 / np.maximum(1.0, error / bound), 0.0))

    def _solve(self) -> None:
        rows = np.maximum(self.rows, 1e-9)
        scale = np.sqrt(np.diagonal(self.gram, axis1=1, axis2=2) / rows[:, None]) + 1e-6
        unit = self.gram / scale[:, :, None]
        unit /= (scale * rows[:, None])[:, None, :]
        right = (self.rhs / (scale * rows[:, None]))[:, :, None]
        diagonal = np.einsum("hii->hi", unit)  # a view: a penalty is added in place, the next one by its difference
        held = 0.0
        for i, ridge in enumerate(self.ridges):
            diagonal += ((ridge - held) / rows)[:, None]
            held = ridge
            self.beta[i] = np.linalg.solve(unit, right)[:, :, 0] / scale
        self.beta[:, self.rows < _MIN_ROWS] = 0.0
