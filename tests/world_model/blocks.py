"""Blocks for tests: one that adds a constant number of typical errors, and a network of the same."""

from __future__ import annotations

import numpy as np
from tomato_host.brain.world_model.data import HORIZON_H
from tomato_host.brain.world_model.grown_block import GrownBlock, block_from_arrays
from tomato_host.brain.world_model.grown_features import FEATURES

Arrays = dict[str, np.ndarray]


def tree_arrays(constant: float = 0.5, typical: float = 0.1) -> Arrays:
    return {
        "feature": np.zeros((1, 3)),
        "threshold": np.zeros((1, 3)),
        "leaf": np.full((1, 8), constant),
        "typical": np.full(HORIZON_H, typical),
    }


def network_arrays(constant: float = 0.5, typical: float = 0.1, width: int = 4) -> Arrays:
    size = len(FEATURES)
    return {
        "mean": np.zeros(size),
        "scale": np.ones(size),
        "w1": np.zeros((size, width)),
        "b1": np.zeros(width),
        "w2": np.zeros(width),
        "b2": np.array(constant),
        "typical": np.full(HORIZON_H, typical),
    }


def tree_block(quantity: str = "vpd_kpa", constant: float = 0.5, weather: bool = False) -> GrownBlock:
    return block_from_arrays(quantity, "trees", weather, tree_arrays(constant), "ab" * 32)
