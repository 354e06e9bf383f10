"""Weights of several forecasts of one quantity by their recent skill, per horizon: who errs more loses weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Mask


@dataclass(frozen=True)
class BlendSettings:
    """How long errors are remembered, and how much a difference in error counts."""

    memory: float
    """Fading of the error record per day."""
    sharpness: float
    """Weight = recent mean absolute error ** -sharpness: near-equal experts are averaged, clearly worse ones vanish."""
    sharpness_near: float | None = None
    """The same for horizons of up to NEAR_H; None: as for the others."""


WITH_WEATHER = BlendSettings(0.84, 12.0)
"""The last six days count: the weather makes experts differ."""

WITHOUT_WEATHER = BlendSettings(0.92, 12.0)
"""Experts differ less from each other than days do, and a short record is chance."""

OF_SOIL = BlendSettings(0.88, 8.0, sharpness_near=16.0)
"""Watering decides on the day's error more than any expert does, so more of them are averaged; in the next hours they
differ more than watering does, and many that are half as good must not outvote the best."""

NEAR_H = 3

_HASHED_SHARPNESS = 12.0
"""The sharpness by which a model's hash names its skills: stored models keep their hash when the blend's changes."""

USUAL_DAYS = 2.0
"""A day counts as so many usual days at most: a broken probe errs fifty times as much, and luck on one such day would
outvote all days before."""

_ENOUGH = 20.0
"""Scored hours after which an expert's own record counts; before, its prior rank does."""


class SkillBlend:
    """Faded absolute errors of E experts at H horizons, those `near` [H] being NEAR_H hours or fewer."""

    def __init__(
        self, horizon_count: int, prior: Array, settings: BlendSettings = WITH_WEATHER, near: Mask | None = None
    ) -> None:
        self.settings = settings
        sharp_near = settings.sharpness if settings.sharpness_near is None else settings.sharpness_near
        self._sharpness = np.where(np.zeros(horizon_count) if near is None else near, sharp_near, settings.sharpness)
        self.prior = prior
        """Weights [E] before anything is known."""
        self.error_sum: Array = np.zeros((len(prior), horizon_count))
        self.scored: Array = np.zeros((len(prior), horizon_count))
        self._weights: Array | None = None

    def score(self, forecasts: Array, truth: Array) -> None:
        """Score forecasts [E, n, H] of one day against the truth [n, H]; unknown hours do not count."""
        error = np.abs(forecasts - truth)
        known = np.isfinite(error)
        missed, hours = np.where(known, error, 0.0).sum(axis=1), known.sum(axis=1)
        memory = self.settings.memory
        self.error_sum = self.error_sum * memory + self._share_of(missed, hours) * missed
        self.scored = self.scored * memory + hours
        self._weights = None

    def _share_of(self, missed: Array, hours: Array) -> Array:
        """How much of a day counts, by horizon [H]: all while the best expert errs at most USUAL_DAYS times as usual.

        `missed` and `hours` [E, H]: summed errors of the day, and of how many hours.
        """
        known = hours >= np.maximum(0.5 * hours.max(axis=0), 1.0)
        best = np.where(known, missed / np.maximum(hours, 1.0), np.inf).min(axis=0)
        usual = self.mean_error().min(axis=0)
        judged = np.isfinite(usual) & np.isfinite(best)
        ratio = USUAL_DAYS * np.where(judged, usual, 1.0) / np.maximum(np.where(judged, best, 1.0), 1e-9)
        return np.where(judged, np.minimum(ratio, 1.0), 1.0)

    def clear_caches(self) -> None:
        """Drop the cached weights."""
        self._weights = None

    def mean_error(self) -> Array:
        """Recent mean absolute error [E, H]; infinite where too little is known."""
        enough = self.scored >= _ENOUGH
        return np.asarray(np.where(enough, self.error_sum / np.maximum(self.scored, 1e-9), np.inf))

    def weights(self) -> Array:
        """Non-negative weights [E, H], each column summing to 1."""
        if self._weights is None:
            self._weights = self._computed(self._sharpness)
        return self._weights

    def hashed_weights(self, count: int | None = None) -> Array:
        """What a model's hash names the skills by, of the first `count` experts: equal records give equal arrays."""
        return self._computed(_HASHED_SHARPNESS, count)

    def _computed(self, sharpness: Array | float, count: int | None = None) -> Array:
        error = self.mean_error()[:count]
        best = error.min(axis=0)
        known = np.isfinite(best)
        ratio = np.where(known, (error + 1e-9) / (np.where(known, best, 1.0) + 1e-9), np.inf)
        skill = np.where(known, ratio**-sharpness, self.prior[:count, None])
        return np.asarray(skill / skill.sum(axis=0))

    def combine(self, forecasts: Array, allowed: Mask) -> Array:
        """One forecast [n, H] from [E, n, H]; experts not `allowed` [E] or without a value do not count."""
        usable = np.isfinite(forecasts) & allowed[:, None, None]
        weight = np.where(usable, self.weights()[:, None, :] + 1e-12 * self.prior[:, None, None], 0.0)
        total = weight.sum(axis=0)
        mixed = (weight * np.where(usable, forecasts, 0.0)).sum(axis=0)
        return np.asarray(np.where(total > 0.0, mixed / np.maximum(total, 1e-300), np.nan))
