"""Boosted symmetric trees with numpy: the grown expert that needs no torch (form: brain/world_model/grown_block.py).

Squared loss on residuals that are clipped beforehand, so that no single hour decides. Every level of a tree asks one
question of all its nodes: eight leaves need three questions, which is hard to overfit, and a histogram of every
feature finds the best one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index


@dataclass(frozen=True)
class TreeSettings:
    """How many trees, how deep, how cautious."""

    trees: int = 40
    depth: int = 3
    rate: float = 0.1
    bins: int = 16
    shrink: float = 30.0
    """Rows of zero residual that every leaf is given."""


def fit_trees(x: Array, y: Array, settings: TreeSettings | None = None) -> dict[str, Array]:
    """Arrays `feature`, `threshold`, `leaf` for features [N, P] and targets [N]. Deterministic: nothing is drawn."""
    wanted = settings or TreeSettings()
    edges = np.quantile(x, np.linspace(0.0, 1.0, wanted.bins + 1)[1:-1], axis=0).T
    binned = np.stack([np.searchsorted(edge, x[:, f], side="right") for f, edge in enumerate(edges)])
    feature = np.zeros((wanted.trees, wanted.depth))
    threshold = np.zeros((wanted.trees, wanted.depth))
    leaf = np.zeros((wanted.trees, 2**wanted.depth))
    residual = np.asarray(y, dtype=np.float64).copy()
    histograms = _Histograms(binned, wanted)
    for t in range(wanted.trees):
        node = np.zeros(len(x), dtype=np.int64)
        histograms.take(residual)
        for d in range(wanted.depth):
            f, cut = histograms.best_question(node, 2**d)
            feature[t, d], threshold[t, d] = f, edges[f, cut]
            node = node * 2 + (binned[f] > cut)
        total = np.bincount(node, weights=residual, minlength=2**wanted.depth)
        leaf[t] = wanted.rate * total / (np.bincount(node, minlength=2**wanted.depth) + wanted.shrink)
        residual -= leaf[t][node]
    return {"feature": feature, "threshold": threshold, "leaf": leaf}


class _Histograms:
    """Sums of residuals by node, feature and bin, for rows whose bins [P, N] are known; buffers are used again."""

    def __init__(self, binned: Index, settings: TreeSettings) -> None:
        self._shape, self._shrink = (len(binned), settings.bins), settings.shrink
        self._keys = binned + (np.arange(len(binned)) * settings.bins)[:, None]
        self._index = np.empty_like(self._keys)
        self._weights = np.empty(binned.shape)

    def take(self, residual: Array) -> None:
        """The residuals [N] of the next tree."""
        self._weights[:] = residual

    def best_question(self, node: Index, nodes: int) -> tuple[int, int]:
        """The feature and the bin edge that, asked of all nodes, explain most; of equals the first."""
        size, shape = nodes * self._shape[0] * self._shape[1], (nodes, *self._shape)
        np.add(self._keys, node * (self._shape[0] * self._shape[1]), out=self._index)
        index = self._index.ravel()
        total = np.bincount(index, self._weights.ravel(), size).reshape(shape).cumsum(axis=2)
        count = np.bincount(index, minlength=size).reshape(shape).cumsum(axis=2)
        left, n_left = total[..., :-1], count[..., :-1]
        right, n_right = total[..., -1:] - left, count[..., -1:] - n_left
        gain = (left**2 / (n_left + self._shrink) + right**2 / (n_right + self._shrink)).sum(axis=0)
        f, cut = divmod(int(gain.argmax()), self._shape[1] - 1)
        return f, cut
