"""The grown expert as a small network, trained with torch; exported as plain numbers for the brain."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from shared_schemas.learn.budgets import NEW_PARAMETER_RATE, WARM_UP_EPOCHS
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.grown_block import MOST_STANDARD, GrownBlock, block_from_arrays
from tomato_host.learn.residuals import ResidualTable

WIDTH = 16
BATCH = 512
WEIGHT_DECAY = 1e-3
GRADIENT_CLIP = 1.0


@dataclass(frozen=True)
class NetworkSettings:
    """One night's training."""

    width: int = WIDTH
    steps: int = 75
    learning_rate: float = 0.01


class ResidualNetwork(torch.nn.Module):  # type: ignore[misc]  # torch is checked nowhere
    """tanh(z @ w1 + b1) @ w2 + b2 of standardised features; starts as the identity: w2 and b2 are zero."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, inputs: int, settings: NetworkSettings, generator: torch.Generator) -> None:
        super().__init__()
        first = torch.randn(inputs, settings.width, generator=generator) / inputs**0.5
        self.w1 = torch.nn.Parameter(first)
        self.b1 = torch.nn.Parameter(torch.zeros(settings.width))
        self.w2 = torch.nn.Parameter(torch.zeros(settings.width))
        self.b2 = torch.nn.Parameter(torch.zeros(()))
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("scale", torch.ones(inputs))

    def standardise(self, x: torch.Tensor) -> None:
        """Fix centre and width of the features; later nights keep them, so that weights keep their meaning."""
        self.mean, self.scale = x.mean(dim=0), x.std(dim=0) + 1e-3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Typical residuals [N] of features [N, P]."""
        hidden = torch.tanh(((x - self.mean) / self.scale).clamp(-MOST_STANDARD, MOST_STANDARD) @ self.w1 + self.b1)
        return hidden @ self.w2 + self.b2


class NetworkTrainer:
    """One network with its optimizer; goes on learning from night to night. Everything random comes from the seed."""

    def __init__(self, inputs: int, settings: NetworkSettings, seed: int) -> None:
        self.settings = settings
        self.generator = torch.Generator().manual_seed(seed)
        self.network = ResidualNetwork(inputs, settings, self.generator)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=WEIGHT_DECAY, foreach=False
        )
        self.epoch = 0
        self.rate_factor = 1.0
        self.losses: list[float] = []
        self.gradient_norms: list[float] = []

    @property
    def steps(self) -> int:
        """Training steps of an epoch."""
        return self.settings.steps

    def rate(self) -> float:
        """Learning rate of this epoch: new parameters start at a tenth and are warm after WARM_UP_EPOCHS."""
        warm = min(1.0, NEW_PARAMETER_RATE + (1.0 - NEW_PARAMETER_RATE) * self.epoch / WARM_UP_EPOCHS)
        return self.settings.learning_rate * warm * self.rate_factor

    def train(self, table: ResidualTable) -> float:
        """One epoch of `steps` steps (Huber loss); returns its mean loss."""
        x, y = torch.as_tensor(table.x, dtype=torch.float32), torch.as_tensor(table.y, dtype=torch.float32)
        if self.epoch == 0:
            self.network.standardise(x)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        total, norm = 0.0, 0.0
        for _ in range(self.settings.steps):
            rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=self.generator)
            loss = torch.nn.functional.smooth_l1_loss(self.network(x[rows]), y[rows])
            self.optimizer.zero_grad()
            loss.backward()
            norm = float(torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_CLIP))
            self.optimizer.step()
            total += float(loss.detach())
        self.epoch += 1
        self.losses.append(total / self.settings.steps)
        self.gradient_norms.append(norm)
        return self.losses[-1]

    def predict(self, x: Array) -> Array:
        """Typical residuals [N] of features [N, P]."""
        with torch.no_grad():
            found = self.network(torch.as_tensor(x, dtype=torch.float32))
        return np.asarray(found.numpy().astype(np.float64))

    def arrays(self, typical: Array) -> dict[str, Array]:
        """The network as the brain reads it."""
        named = dict(self.network.named_parameters()) | dict(self.network.named_buffers())
        numbers = {name: value.detach().numpy().astype(np.float64) for name, value in named.items()}
        return numbers | {"typical": typical}

    def state(self) -> dict[str, Array]:
        """Everything that training goes on from: weights, optimizer, generator, counters. Plain arrays."""
        out = {f"net.{name}": value.detach().numpy().copy() for name, value in self.network.state_dict().items()}
        for i, parameter in enumerate(self.network.parameters()):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                out[f"adam.{i}.{name}"] = torch.as_tensor(value).detach().numpy().copy()
        out["generator"] = self.generator.get_state().numpy().copy()
        out["epoch"] = np.array(self.epoch)
        out["losses"], out["gradient_norms"] = np.array(self.losses), np.array(self.gradient_norms)
        return out

    def restore(self, arrays: dict[str, Any]) -> None:
        """Go on from `state()`. Raises KeyError, ValueError or RuntimeError when the arrays are of another network."""
        self.network.load_state_dict({k[4:]: torch.as_tensor(v) for k, v in arrays.items() if k.startswith("net.")})
        self.optimizer.state.clear()
        parameters = list(self.network.parameters())
        for key, value in arrays.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                self.optimizer.state[parameters[int(index)]][name] = torch.as_tensor(value).clone()
        self.generator.set_state(torch.as_tensor(arrays["generator"]))
        self.epoch = int(arrays["epoch"])
        self.losses, self.gradient_norms = list(arrays["losses"]), list(arrays["gradient_norms"])


STATIC_NIGHTS = 30
"""Nights of training that a static network gets, all on its first table."""


def network_fit(seed: int, settings: NetworkSettings | None = None, static: bool = False) -> Any:
    """A `Fit` of `learn/worth.py` that keeps one network a quantity and trains it on every night's residuals.

    `static`: trained once, on the first table, and never again: the block of equal size that does not go on learning.
    """
    torch.set_num_threads(1)
    trainers: dict[tuple[str, bool], NetworkTrainer] = {}

    def fit(quantity: str, table: ResidualTable) -> GrownBlock:
        key = (quantity, table.weather)
        if key not in trainers:
            trainers[key] = NetworkTrainer(table.x.shape[1], settings or NetworkSettings(), seed)
            for _ in range(STATIC_NIGHTS if static else 0):
                trainers[key].train(table)
        if not static:
            trainers[key].train(table)
        arrays = trainers[key].arrays(table.typical)
        digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
        return block_from_arrays(quantity, "network", table.weather, arrays, digest)

    return fit
