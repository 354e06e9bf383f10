"""Everything a world model has learned as named arrays, and back: what is stored, compared and restored.

The dotted names (`core.<zone>.law.gram`, `track.rh_pct.interval0.below`) are the format of stored models and stay, even
where the code calls a part by another name.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np

from tomato_host.brain.world_model.arrays import Array, share
from tomato_host.brain.world_model.bounded_rls import BoundedRls
from tomato_host.brain.world_model.learners import EXPERTS_OF_0_1, EXPERTS_OF_0_2
from tomato_host.brain.world_model.model import WorldModel

_RLS = ("gram", "rhs", "theta", "scale", "rows")
_RIDGE = ("gram", "rhs", "rows", "typical", "beta")
_BLEND = ("error_sum", "scored")
_REACH = ("missed", "hours")
_INTERVAL = ("size_sum", "size_count", "below", "above", "only_below", "only_above")
_ISSUED = ("issued", "origin")
_MODEL = ("learned_until_hour", "days_learned")


def _parts(model: WorldModel) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Every object that learns, by name, with the attributes that hold what it learned."""
    yield "model", model, _MODEL
    laws: dict[str, BoundedRls] = {
        "air": model.dynamics.air,
        "vapour": model.dynamics.vapour,
        "leaf": model.dynamics.leaf,
    }
    for zone, soil in zip(model.zones, model.dynamics.soil, strict=True):
        yield f"core.{zone}", soil, ("errors", "drains")
        laws[zone] = soil.law
    for name, law in laws.items():
        yield f"core.{name}.law", law, _RLS
    for name, one in model.forecasters.items():
        yield f"forecaster.{name}", one, _ISSUED
        yield f"forecaster.{name}.blend", one.blend, _BLEND
        yield f"forecaster.{name}.blend_without", one.blend_without, _BLEND
        yield f"forecaster.{name}.reach", one.reach, _REACH
        for i, ridge in enumerate((*one.ridges, *one.core_ridges)):
            yield f"forecaster.{name}.ridge{i}", ridge, _RIDGE
        for i, ridge in enumerate(one.week_ridges):
            yield f"forecaster.{name}.week{i}", ridge, _RIDGE
        for i, ridge in enumerate(one.anomaly_ridges):
            yield f"forecaster.{name}.anomaly{i}", ridge, _RIDGE
    for name, series in model.issued_series.items():
        yield f"track.{name}", series, _ISSUED
        for i, interval in enumerate(series.intervals):
            yield f"track.{name}.interval{i}", interval, _INTERVAL


def to_arrays(model: WorldModel) -> dict[str, Array]:
    """Copies of everything learned, by dotted name, in a fixed order."""
    return {
        f"{name}.{attribute}": np.array(getattr(part, attribute))
        for name, part, attributes in _parts(model)
        for attribute in attributes
    }


def restore(model: WorldModel, arrays: dict[str, Array]) -> None:
    """Put stored arrays into a model of the same shape. Raises ValueError that names the first array that differs."""
    wanted = to_arrays(model)
    arrays = _of_today(arrays, wanted)
    for name, value in wanted.items():
        if name not in arrays:
            raise ValueError(f"{name} is missing")
        if arrays[name].shape != value.shape:
            raise ValueError(f"{name} has shape {arrays[name].shape}, this model needs {value.shape}")
    if extra := sorted(set(arrays) - set(wanted)):
        raise ValueError(f"{extra[0]} is not part of this model")
    for name, part, attributes in _parts(model):
        for attribute in attributes:
            value, old = arrays[f"{name}.{attribute}"], getattr(part, attribute)
            whole = isinstance(old, np.ndarray)
            setattr(part, attribute, value.astype(old.dtype).copy() if whole else type(old)(value))
    model.clear_caches()


_LATER = (".reach.", ".only_", ".week", ".anomaly")
"""What older models do not have: it begins empty."""


_OLDER_COUNTS = (len(EXPERTS_OF_0_1), len(EXPERTS_OF_0_2))


def _of_today(arrays: dict[str, Array], wanted: dict[str, Array]) -> dict[str, Array]:
    """Until 0.2 one record of errors served for both, there were fewer experts, and all intervals had two sides."""
    shared = {name: name.replace(".blend_without.", ".blend.") for name in wanted if ".blend_without." in name}
    empty = {name: value for name, value in wanted.items() if any(part in name for part in _LATER)}
    found = empty | {name: arrays[old] for name, old in shared.items() if old in arrays} | arrays
    return {name: _with_new_experts(name, value, wanted.get(name)) for name, value in found.items()}


def _with_new_experts(name: str, stored: Array, wanted: Array | None) -> Array:
    """Rows for experts that came later: no forecast issued, no hour scored."""
    by_expert = name.startswith("forecaster.") and name.endswith((".issued", ".error_sum", ".scored"))
    if not by_expert or wanted is None or len(stored) not in _OLDER_COUNTS or stored.shape[1:] != wanted.shape[1:]:
        return stored
    unknown = np.nan if name.endswith(".issued") else 0.0
    return np.concatenate((stored, np.full((len(wanted) - len(stored), *stored.shape[1:]), unknown)))


def clone(model: WorldModel) -> WorldModel:
    """An independent copy. Both hold the same arrays until one of them writes: 11 MB of a tent's model, not 22."""
    learned = [getattr(part, attribute) for _, part, attributes in _parts(model) for attribute in attributes]
    held = [value for value in learned if isinstance(value, np.ndarray)]
    for array in held:
        share(array)
    return deepcopy(model, {id(array): array for array in held})
