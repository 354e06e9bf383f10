"""A grown block: plain numbers that correct a forecast. Two kinds, evaluated with numpy alone.

    network   one hidden layer: tanh(z @ w1 + b1) @ w2 + b2, z the standardised features within MOST_STANDARD
    trees     boosted symmetric trees: every level of a tree asks one question, its answers are the bits of a leaf's
              number (Prokhorenkova et al., "CatBoost", NeurIPS 2018)

Both give typical errors of the forecast; times `typical` of the horizon that is a correction in the quantity's unit,
and never more than MOST_TYPICAL of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.data import HORIZON_H
from tomato_host.brain.world_model.grown_features import FEATURES

BlockKind = Literal["network", "trees"]

MOST_TYPICAL = 2.0
"""Largest correction, in typical errors."""

MOST_STANDARD = 5.0
"""A feature counts as at most so many of its standard deviations: unseen weather extrapolates little."""

MOST_WIDTH, MOST_TREES, MOST_DEPTH = 64, 200, 6
_MOST = 1e6
_COUNT = len(FEATURES)


@dataclass(frozen=True)
class GrownBlock:
    """One block. Make it with `block_from_arrays`, which checks everything."""

    quantity: str
    kind: BlockKind
    weather: bool
    """Corrects forecasts that know the weather ahead; else those that do not."""
    arrays: Mapping[str, Array]
    sha256: str
    """Of the file it came from: its identity in events and reports."""


def _network_shapes(arrays: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    width = arrays["b1"].size
    if not 1 <= width <= MOST_WIDTH:
        raise ValueError(f"width {width} is outside 1 to {MOST_WIDTH}")
    known = {"mean": (_COUNT,), "scale": (_COUNT,), "w1": (_COUNT, width), "b1": (width,), "w2": (width,), "b2": ()}
    return known | {"typical": (HORIZON_H,)}


def _tree_shapes(arrays: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    trees, depth = arrays["feature"].shape if arrays["feature"].ndim == 2 else (0, 0)
    if not (1 <= trees <= MOST_TREES and 1 <= depth <= MOST_DEPTH):
        raise ValueError(f"{trees} trees of depth {depth} are outside {MOST_TREES} and {MOST_DEPTH}")
    return {"feature": (trees, depth), "threshold": (trees, depth), "leaf": (trees, 2**depth), "typical": (HORIZON_H,)}


_SHAPES = {"network": _network_shapes, "trees": _tree_shapes}


def block_from_arrays(
    quantity: str, kind: str, weather: bool, arrays: Mapping[str, np.ndarray[Any, Any]], sha256: str
) -> GrownBlock:
    """Check arrays and make a block of them. Raises ValueError that names what is wrong."""
    if kind not in _SHAPES:
        raise ValueError(f"kind {kind!r} is none of {', '.join(_SHAPES)}")
    try:
        wanted = _SHAPES[kind](arrays)
    except KeyError as missing:
        raise ValueError(f"{missing.args[0]} is missing") from None
    if set(arrays) != set(wanted):
        raise ValueError(f"holds {sorted(arrays)}, a block of {kind} has {sorted(wanted)}")
    for name, shape in wanted.items():
        array = arrays[name]
        if array.dtype != np.float64 or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype}{list(array.shape)}, needed is float64{list(shape)}")
        if not np.isfinite(array).all() or (np.abs(array) > _MOST).any():
            raise ValueError(f"{name} holds a value that is not finite, or above {_MOST:g}")
    _check_ranges(kind, arrays)
    return GrownBlock(quantity, "network" if kind == "network" else "trees", weather, dict(arrays), sha256)


def _check_ranges(kind: str, arrays: Mapping[str, Array]) -> None:
    if (arrays["typical"] <= 0.0).any():
        raise ValueError("typical holds a value that is not positive")
    if kind == "network" and (arrays["scale"] <= 0.0).any():
        raise ValueError("scale holds a value that is not positive")
    if kind == "trees":
        feature = arrays["feature"]
        if ((feature < 0) | (feature >= _COUNT) | (feature % 1 != 0)).any():
            raise ValueError(f"feature holds a number outside 0 to {_COUNT - 1}")


def correction(block: GrownBlock, x: Array, horizons: Index) -> Array:
    """What the block adds to forecasts [n, H], in the quantity's unit, for features [n, H, P] (`block_features`)."""
    flat = x.reshape(-1, _COUNT)
    raw = _network(block.arrays, flat) if block.kind == "network" else _trees(block.arrays, flat)
    bounded = np.clip(raw.reshape(x.shape[:2]), -MOST_TYPICAL, MOST_TYPICAL)
    return np.asarray(bounded * block.arrays["typical"][horizons - 1])


def _network(a: Mapping[str, Array], x: Array) -> Array:
    standardised = np.clip((x - a["mean"]) / a["scale"], -MOST_STANDARD, MOST_STANDARD)
    hidden = np.tanh(standardised @ a["w1"] + a["b1"])
    return np.asarray(hidden @ a["w2"] + a["b2"])


def _trees(a: Mapping[str, Array], x: Array) -> Array:
    feature = a["feature"].astype(np.int64)
    bits = x[:, feature] >= a["threshold"]  # [n, T, D]
    place = 2 ** np.arange(feature.shape[1] - 1, -1, -1)
    leaf = bits @ place
    return np.asarray(a["leaf"][np.arange(len(feature)), leaf].sum(axis=1))
