"""Residual networks of several seeds trained beside each other: for measuring, a tenth of the time of one by one.

The same as `learn/network.py` (its first weights, its rows, its rates, Huber loss, clipped gradients, AdamW) with the
gradient of the one hidden layer written out and a leading axis for the seeds; equal but for float32 rounding.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import numpy as np
import torch
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.grown_block import MOST_STANDARD, GrownBlock, block_from_arrays
from tomato_host.learn.network import (
    BATCH,
    GRADIENT_CLIP,
    STATIC_NIGHTS,
    WEIGHT_DECAY,
    NetworkSettings,
    NetworkTrainer,
)
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.worth import Fit

Single = np.ndarray[Any, Any]
"""Of float32, as torch has them."""
_BETAS, _EPSILON = (0.9, 0.999), 1e-8
_SHAPES = ("w1", "b1", "w2", "b2")


class SeedsTrainer:
    """One network a seed, on the same residuals; goes on learning from night to night."""

    def __init__(self, inputs: int, settings: NetworkSettings, seeds: list[int]) -> None:
        self._ones = [NetworkTrainer(inputs, settings, seed) for seed in seeds]
        self._settings = settings
        begin = [one.arrays(np.ones(1)) for one in self._ones]
        shapes = {"w1": (inputs, settings.width), "b1": (1, settings.width), "w2": (settings.width, 1), "b2": (1, 1)}
        self._p: list[Single] = [np.stack([a[k].reshape(shapes[k]) for a in begin]).astype(np.float32) for k in _SHAPES]
        self._m, self._v = ([np.zeros_like(p) for p in self._p] for _ in range(2))
        self._mean, self._scale = np.zeros(inputs, np.float32), np.ones(inputs, np.float32)
        self._step = 0

    def train(self, table: ResidualTable) -> None:
        """One night, see `NetworkTrainer.train`."""
        x, y = table.x.astype(np.float32), table.y.astype(np.float32)
        if self._step == 0:
            self._mean, self._scale = x.mean(axis=0), x.std(axis=0, ddof=1) + np.float32(1e-3)
        z = np.clip((x - self._mean) / self._scale, -MOST_STANDARD, MOST_STANDARD)
        for _ in range(self._settings.steps):
            size = (min(BATCH, len(x)),)
            rows = np.stack([torch.randint(len(x), size, generator=one.generator).numpy() for one in self._ones])
            self._descend(z[rows], y[rows][..., None], self._ones[0].rate())
        for one in self._ones:
            one.epoch += 1

    def _descend(self, z: Single, y: Single, rate: float) -> None:
        w1, b1, w2, b2 = self._p
        hidden = np.tanh(z @ w1 + b1)
        slope = np.clip(hidden @ w2 + b2 - y, -1.0, 1.0) / np.float32(z.shape[1])
        inner = (slope @ w2.transpose(0, 2, 1)) * (1.0 - hidden * hidden)
        gradients = [
            z.transpose(0, 2, 1) @ inner, inner.sum(axis=1, keepdims=True),
            hidden.transpose(0, 2, 1) @ slope, slope.sum(axis=1, keepdims=True),
        ]  # fmt: skip
        norm = np.sqrt(sum((g * g).sum(axis=(1, 2)) for g in gradients))
        factor = np.minimum(1.0, GRADIENT_CLIP / (norm + 1e-6)).astype(np.float32)[:, None, None]
        self._step += 1
        for k, gradient in enumerate(gradients):
            self._adam(k, gradient * factor, rate)

    def _adam(self, k: int, gradient: Single, rate: float) -> None:
        first, second = _BETAS
        self._m[k] = first * self._m[k] + (1.0 - first) * gradient
        self._v[k] = second * self._v[k] + (1.0 - second) * gradient**2
        mean, square = self._m[k] / (1.0 - first**self._step), self._v[k] / (1.0 - second**self._step)
        self._p[k] *= 1.0 - rate * WEIGHT_DECAY
        self._p[k] -= rate * mean / (np.sqrt(square) + _EPSILON)

    def arrays(self, which: int, typical: Array) -> dict[str, Array]:
        """The network of one seed as the brain reads it."""
        w1, b1, w2, b2 = (p[which].astype(np.float64) for p in self._p)
        plain = {"mean": self._mean.astype(np.float64), "scale": self._scale.astype(np.float64), "typical": typical}
        return plain | {"w1": w1, "b1": b1[0], "w2": w2[:, 0], "b2": b2[0, 0].reshape(())}


class SeedsFit:
    """A `Fit` for each seed; whichever is asked first for a new table trains all of them.

    `static`: trained once, on the first table, and never again, as `network_fit` has it.
    """

    def __init__(self, seeds: list[int], static: bool = False) -> None:
        self._seeds, self._static = seeds, static
        self._trainers: dict[tuple[str, bool], SeedsTrainer] = {}
        self._tables: dict[tuple[str, bool], ResidualTable] = {}

    def fits(self) -> dict[int, Fit]:
        """By seed."""
        return {seed: partial(self._block, which) for which, seed in enumerate(self._seeds)}

    def _block(self, which: int, quantity: str, table: ResidualTable) -> GrownBlock:
        key = (quantity, table.weather)
        first = key not in self._trainers
        if first:
            self._trainers[key] = SeedsTrainer(table.x.shape[1], NetworkSettings(), self._seeds)
        if self._tables.get(key) is not table and (first or not self._static):
            for _ in range(STATIC_NIGHTS if self._static else 1):
                self._trainers[key].train(table)
        self._tables[key] = table
        arrays = self._trainers[key].arrays(which, table.typical)
        digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
        return block_from_arrays(quantity, "network", table.weather, arrays, digest)
