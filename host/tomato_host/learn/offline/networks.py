"""Policies to be trained with torch: the network, the graph network, low-rank adapters. `import torch` stands here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from tomato_host.learn.offline.replay import SKILL_FEATURES, STAGE_FEATURES
from tomato_host.learn.policy.view import FEATURES, PolicyAction
from tomato_host.learn.policy.weights import HIDDEN, SHAPES

_LAYERS = {"1": "first", "2": "second", "a": "actor", "c": "critic"}


class LoRALinear(torch.nn.Module):  # type: ignore[misc]  # torch is checked nowhere
    """A linear layer that is frozen, with a trained update of low rank: W + B A scale (Hu et al. 2021)."""

    def __init__(self, base: Any, rank: int, generator: Any) -> None:
        super().__init__()
        self.base = base
        for parameter in base.parameters():
            parameter.requires_grad_(False)
        bound = 1.0 / math.sqrt(base.in_features)
        self.a = torch.nn.Parameter((torch.rand(rank, base.in_features, generator=generator) * 2 - 1) * bound)
        self.b = torch.nn.Parameter(torch.zeros(base.out_features, rank))
        self.scale = 2.0

    def forward(self, x: Any) -> Any:
        return self.base(x) + (x @ self.a.T @ self.b.T) * self.scale

    def merged(self) -> Any:
        """The weight with the update in it."""
        return self.base.weight + self.b @ self.a * self.scale


class MlpPolicy(torch.nn.Module):  # type: ignore[misc]
    """Two layers of tanh, actor and critic: `policy/weights.py` in torch."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = torch.nn.Linear(len(FEATURES), HIDDEN)
        self.second = torch.nn.Linear(HIDDEN, HIDDEN)
        self.actor = torch.nn.Linear(HIDDEN, len(PolicyAction))
        self.critic = torch.nn.Linear(HIDDEN, 1)
        for name, gain in (("first", 1.0), ("second", 1.0), ("actor", 0.01), ("critic", 1.0)):
            layer = getattr(self, name)
            with torch.no_grad():
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * gain / layer.in_features**0.5)
                layer.bias.zero_()

    def forward(self, features: Any, mask: Any) -> tuple[Any, Any]:
        """Log-probabilities [N, A], -inf where the mask [N, A] is False, and values [N]."""
        hidden = torch.tanh(self.second(torch.tanh(self.first(features))))
        logits = self.actor(hidden).masked_fill(~mask, -torch.inf)
        return torch.log_softmax(logits, dim=-1), self.critic(hidden).squeeze(-1)

    def adapt(self, rank: int, seed: int = 0) -> None:
        """Freeze the two hidden layers and train low-rank updates of them, and the heads, instead."""
        generator = torch.Generator().manual_seed(seed)
        self.first = LoRALinear(self.first, rank, generator)
        self.second = LoRALinear(self.second, rank, generator)

    def load(self, arrays: Mapping[str, Any]) -> None:
        """Take the weights of `policy/weights.py`."""
        with torch.no_grad():
            for short, name in _LAYERS.items():
                layer = getattr(self, name)
                layer.weight.copy_(torch.as_tensor(np.asarray(arrays[f"w{short}"]).T.copy()))
                layer.bias.copy_(torch.as_tensor(np.asarray(arrays[f"b{short}"])))

    def arrays(self) -> dict[str, Any]:
        """Weights for `pack_weights`, adapters merged."""
        found = {}
        for short, name in _LAYERS.items():
            layer = getattr(self, name)
            weight = layer.merged() if isinstance(layer, LoRALinear) else layer.weight
            bias = layer.base.bias if isinstance(layer, LoRALinear) else layer.bias
            found[f"w{short}"] = weight.detach().numpy().T.astype(np.float64).copy()
            found[f"b{short}"] = bias.detach().numpy().astype(np.float64).copy()
        assert {name: array.shape for name, array in found.items()} == SHAPES
        return found


_WIDTHS = {"loop": len(FEATURES), "stage": 2, "skill": 4, "action": len(PolicyAction) + 1}
_EDGES = (("loop", "stage"), ("loop", "action"), ("stage", "action"), ("skill", "action"))


class GnnPolicy(torch.nn.Module):  # type: ignore[misc]
    """Message passing over the heterogeneous graph of a decision, two rounds, mean over neighbours; written plainly.

    Behind `[learn.policy] kind = "gnn"`: slower than the network, and no better on modelled seasons.
    """

    def __init__(self, seed: int = 0, width: int = 16, rounds: int = 2) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.enter = torch.nn.ModuleDict({name: torch.nn.Linear(size, width) for name, size in _WIDTHS.items()})
        names = [f"{a}>{b}" for a, b in _EDGES]
        self.passes = torch.nn.ModuleList(
            torch.nn.ModuleDict({name: torch.nn.Linear(width, width) for name in names}) for _ in range(rounds)
        )
        self.actor, self.critic = torch.nn.Linear(width, 1), torch.nn.Linear(width, 1)

    def forward(self, features: Any, mask: Any) -> tuple[Any, Any]:
        """As MlpPolicy: log-probabilities [N, A] and values [N]."""
        nodes = self._nodes(features, mask)
        hidden = {name: torch.tanh(self.enter[name](value)) for name, value in nodes.items()}
        for one in self.passes:
            hidden = self._round(one, hidden)
        logits = self.actor(hidden["action"]).squeeze(-1).masked_fill(~mask, -torch.inf)
        value = self.critic(hidden["action"].mean(dim=1)).squeeze(-1)
        return torch.log_softmax(logits, dim=-1), value

    def _round(self, one: Any, hidden: dict[str, Any]) -> dict[str, Any]:
        out = dict(hidden)
        for a, b in _EDGES:  # every node of b hears all nodes of a: the mean is the whole message
            out[b] = out[b] + one[f"{a}>{b}"](hidden[a].mean(dim=1, keepdim=True))
        return {name: torch.tanh(value) for name, value in out.items()}

    def _nodes(self, features: Any, mask: Any) -> dict[str, Any]:
        """The nodes of `graph_of`, for all decisions at once."""
        count = len(features)
        place = (torch.arange(6) / 6.0).expand(count, 6)
        own = torch.eye(len(PolicyAction)).expand(count, -1, -1)
        return {
            "loop": features[:, None],
            "stage": torch.stack([features[:, STAGE_FEATURES], place], dim=2),
            "skill": features[:, None, list(SKILL_FEATURES)],
            "action": torch.cat([own, mask[:, :, None].float()], dim=2),
        }


def make_policy(kind: str, seed: int) -> Any:
    """A fresh policy of `[learn.policy] kind`."""
    return GnnPolicy(seed) if kind == "gnn" else MlpPolicy(seed)
