"""What learns in a slot, behind one interface: trees (numpy) here, networks in `network.py` (torch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

import numpy as np

from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.learn.blueprints import blueprint
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.trees import TreeSettings, fit_trees

LearnerKind = Literal["trees", "network"]


class SlotLearner(Protocol):
    """Learns a night's residuals; everything it holds goes into a checkpoint and back."""

    losses: list[float]
    """Mean loss by epoch, oldest first."""
    gradient_norms: list[float]
    rate_factor: float
    """What an optimizer command scales the learning rate by, for now."""

    @property
    def steps(self) -> int: ...

    def train(self, table: ResidualTable) -> float: ...

    def predict(self, x: Array) -> Array: ...

    def arrays(self, typical: Array) -> dict[str, Array]: ...

    def state(self) -> dict[str, Array]: ...

    def restore(self, arrays: dict[str, Any]) -> None: ...


class TreeLearner:
    """Boosted trees, fitted anew to every night's window. The loss is the mean absolute residual that is left."""

    def __init__(self, settings: TreeSettings | None = None) -> None:
        self.settings = settings or TreeSettings()
        self.rate_factor = 1.0
        """Trees are fitted anew every night: nothing for an optimizer to scale."""
        self.losses: list[float] = []
        self.gradient_norms: list[float] = []
        self._trees: dict[str, Array] = {}

    @property
    def steps(self) -> int:
        """Training steps of an epoch: one a tree."""
        return self.settings.trees

    def train(self, table: ResidualTable) -> float:
        """Fit, and return the loss; the first epoch's loss before it is that of no correction at all."""
        self._trees = fit_trees(table.x, table.y, self.settings)
        before = float(np.abs(table.y).mean())
        loss = float(np.abs(table.y - _predict(self._trees, table.x)).mean())
        self.losses += [loss] if self.losses else [before, loss]
        self.gradient_norms.append(float(np.sqrt((table.y**2).mean())))
        return loss

    def predict(self, x: Array) -> Array:
        """Typical residuals [N] of features [N, P], tree by tree."""
        return _predict(self._trees, x)

    def arrays(self, typical: Array) -> dict[str, Array]:
        """The trees as the brain reads them."""
        return self._trees | {"typical": typical}

    def state(self) -> dict[str, Array]:
        """Everything that goes on."""
        lists = {"losses": np.array(self.losses), "gradient_norms": np.array(self.gradient_norms)}
        return {f"tree.{name}": array.copy() for name, array in self._trees.items()} | lists

    def restore(self, arrays: dict[str, Any]) -> None:
        """Go on from `state()`. Raises KeyError when the arrays are of another learner."""
        self.losses, self.gradient_norms = list(arrays["losses"]), list(arrays["gradient_norms"])
        self._trees = {name[5:]: np.array(value) for name, value in arrays.items() if name.startswith("tree.")}


def _predict(trees: Mapping[str, Array], x: Array) -> Array:
    feature = trees["feature"].astype(np.int64)
    out = np.zeros(len(x))
    for questions, cuts, leaf in zip(feature, trees["threshold"], trees["leaf"], strict=True):
        node = np.zeros(len(x), dtype=np.int64)
        for f, cut in zip(questions, cuts, strict=True):
            node = node * 2 + (x[:, f] >= cut)
        out += leaf[node]
    return out


def make_learner(
    settings: LearnSettings, seed: int, number: int = 0, parameters: Mapping[str, float] | None = None
) -> SlotLearner:
    """The learner of a blueprint with its parameters; 0, or one of another kind, is the default of `[learn] expert`.

    `[learn] learning_rate` over its default scales the blueprint's rate. Raises ImportError for a network without
    torch, TomatoError E-LEARN-BLUEPRINT for parameters outside their ranges.
    """
    given = dict(parameters or {})
    found = blueprint(number) if number else None
    p = found.filled(given) if found is not None and found.kind == settings.expert else {}
    if settings.expert == "trees":
        if not p:
            return TreeLearner()
        return TreeLearner(TreeSettings(int(p["trees"]), int(p["depth"]), p["rate"], shrink=p["shrink"]))
    from tomato_host.learn.network import NetworkSettings, NetworkTrainer

    default = NetworkSettings()
    wanted = NetworkSettings(
        width=int(p.get("width", default.width)),
        steps=int(given.get("steps", settings.steps)),
        learning_rate=p.get("rate", default.learning_rate) * settings.learning_rate / default.learning_rate,
    )
    return NetworkTrainer(len(FEATURES), wanted, seed)
