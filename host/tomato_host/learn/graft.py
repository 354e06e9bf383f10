"""Graft a slot's block into a torch host, detached, and check that the slot's loss never reaches the host.

    mix = share * block(host activation, detached) + (1 - share) * host activation

A violation is a host parameter for which the gradient of the slot's loss is not None: detached, none exists at all.
Ordinary gradients of the host's own loss are no violation and are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch


class GraftedLayer(torch.nn.Module):  # type: ignore[misc]  # torch is checked nowhere
    """A host's layer with a block beside it. Without a block, or at share 0, exactly the host's output."""

    def __init__(self, host_layer: Any) -> None:
        super().__init__()
        self.host_layer = host_layer
        self.block: Any = None
        self.share = 0.0
        self.block_output: Any = None
        """The block's output of the last pass: what the slot's own loss is computed from."""

    def attach(self, block: Any, share: float = 0.0) -> None:
        """Graft a block. Raises ValueError for a share outside 0 to 1."""
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share {share} is outside 0 to 1")
        self.block, self.share = block, share

    def detach_block(self) -> Any:
        """Take the block out again and return it."""
        block, self.block, self.share, self.block_output = self.block, None, 0.0, None
        return block

    def forward(self, x: Any) -> Any:
        """The mix; the host's own output, the same object, while there is no share."""
        host = self.host_layer(x)
        if self.block is None:
            return host
        self.block_output = self.block(host.detach())
        if self.block_output.shape != host.shape:
            raise ValueError(f"block gives {tuple(self.block_output.shape)}, the host {tuple(host.shape)}")
        return host if self.share == 0.0 else self.share * self.block_output + (1.0 - self.share) * host


@dataclass(frozen=True)
class IsolationResult:
    """Host parameters that the slot's loss reached, by name; empty is isolated."""

    reached: tuple[str, ...]
    block_norm: float
    """Norm of the block's own gradient from that loss; 0 means that it is not attached."""


def check_isolation(host: Any, block: Any, slot_loss: Callable[[], Any]) -> IsolationResult:
    """Compute the slot's loss alone and look at the gradients: None for the host, some for the block.

    `host` is the model with its grafted layers; parameters of `block` do not count as the host's.
    """
    own = {id(parameter) for parameter in block.parameters()}
    named = [(name, p) for name, p in host.named_parameters() if id(p) not in own and p.requires_grad]
    parameters = [parameter for _, parameter in named]
    loss = slot_loss()
    reached = _gradients(loss, parameters)
    names = tuple(name for (name, _), gradient in zip(named, reached, strict=True) if gradient is not None)
    norms = [float(g.norm()) for g in _gradients(loss, list(block.parameters())) if g is not None]
    return IsolationResult(names, sum(norm**2 for norm in norms) ** 0.5)


def _gradients(loss: Any, parameters: list[Any]) -> Iterable[Any]:
    if not parameters:
        return []
    found: Iterable[Any] = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return found
