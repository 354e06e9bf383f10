"""Proximal policy optimisation (Schulman et al. 2017): ratio, clip, GAE, entropy, KL stop. `import torch` stands here.

The loss is checked against stable-baselines3's on the same numbers (tests/learn_torch/test_ppo.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tomato_host.learn.policy.view import PolicyAction

GAMMA, LAMBDA = 0.99, 0.95
CLIP, ENTROPY, VALUE, GRADIENT_CLIP = 0.2, 0.01, 0.5, 1.0
MINIBATCH = 256


@dataclass
class Batch:
    """Decisions to learn from, one a row."""

    features: Any
    mask: Any
    actions: Any
    old_log_p: Any
    advantages: Any
    returns: Any
    weights: Any = None
    """Of prioritised replay; None: all one."""


@dataclass(frozen=True)
class PpoLoss:
    """The loss and its parts."""

    total: Any
    policy: Any
    value: Any
    entropy: Any
    kl: Any


@dataclass
class TrainingFigures:
    """What was watched."""

    epochs: int = 0
    updates: int = 0
    kl: float = 0.0
    entropy: float = 0.0
    explained_variance: float = 0.0
    losses: list[float] = field(default_factory=list)
    stopped_by_kl: bool = False

    @property
    def collapsed(self) -> bool:
        """Whether the policy has settled on one action wherever it is asked."""
        return self.entropy < 0.02


def gae(rewards: Sequence[float], values: Sequence[float], last_value: float) -> tuple[Any, Any]:
    """Advantages and returns of one episode (Schulman et al. 2016). `values` has one entry a reward."""
    advantage, found = 0.0, np.zeros(len(rewards))
    following = last_value
    for t in range(len(rewards) - 1, -1, -1):
        delta = rewards[t] + GAMMA * following - values[t]
        advantage = delta + GAMMA * LAMBDA * advantage
        found[t], following = advantage, values[t]
    return found, found + np.asarray(values)


def ppo_loss(policy: Any, batch: Batch, normalise: bool = True) -> PpoLoss:
    """The clipped surrogate, the critic's squared error and the entropy's bonus."""
    log_p, values = policy(batch.features, batch.mask)
    chosen = log_p.gather(1, batch.actions[:, None]).squeeze(1)
    log_ratio = chosen - batch.old_log_p
    ratio = log_ratio.exp()
    advantages = batch.advantages
    if normalise and len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    weights = torch.ones_like(ratio) if batch.weights is None else batch.weights
    surrogate = torch.min(ratio * advantages, ratio.clamp(1.0 - CLIP, 1.0 + CLIP) * advantages)
    policy_loss = -(weights * surrogate).mean()
    value_loss = (weights * (batch.returns - values) ** 2).mean()
    finite = log_p.masked_fill(~batch.mask, 0.0)
    entropy = -(finite.exp() * finite * batch.mask).sum(dim=1).mean()
    total = policy_loss + VALUE * value_loss - ENTROPY * entropy
    kl = ((ratio - 1.0) - log_ratio).mean().detach()
    return PpoLoss(total, policy_loss, value_loss, entropy, kl)


def update(
    policy: Any, batch: Batch, *, epochs: int, learning_rate: float, target_kl: float, seed: int = 0
) -> TrainingFigures:
    """Passes over the batch in minibatches; stops when the policy has moved 1.5 times `target_kl`."""
    torch.set_num_threads(1)
    parameters = [p for p in policy.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, eps=1e-5, foreach=False)
    generator, figures = torch.Generator().manual_seed(seed), TrainingFigures()
    for _ in range(epochs):
        for rows in torch.randperm(len(batch.actions), generator=generator).split(MINIBATCH):
            loss = ppo_loss(policy, rows_of(batch, rows))
            figures.kl = float(loss.kl)
            if figures.kl > 1.5 * target_kl:
                figures.stopped_by_kl = True
                break
            optimizer.zero_grad()
            loss.total.backward()
            torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_CLIP)
            optimizer.step()
            figures.updates += 1
            figures.losses.append(float(loss.total.detach()))
        if figures.stopped_by_kl:
            break
        figures.epochs += 1
    _watch(policy, batch, figures)
    return figures


def batch_of(
    features: Any, allowed: Sequence[Sequence[int]], actions: Any, old_log_p: Any, advantages: Any, returns: Any
) -> Batch:
    """Tensors of plain arrays."""
    mask = np.zeros((len(allowed), len(PolicyAction)), dtype=bool)
    for row, indices in enumerate(allowed):
        mask[row, list(indices)] = True

    def floats(value: Any) -> Any:
        return torch.as_tensor(np.asarray(value, dtype=np.float32))

    chosen = torch.as_tensor(np.asarray(actions, dtype=np.int64))
    return Batch(
        floats(features), torch.as_tensor(mask), chosen, floats(old_log_p), floats(advantages), floats(returns)
    )


def rows_of(batch: Batch, rows: Any) -> Batch:
    """Some rows of a batch, by index."""
    weights = None if batch.weights is None else batch.weights[rows]
    parts = (batch.features, batch.mask, batch.actions, batch.old_log_p, batch.advantages, batch.returns)
    features, mask, actions, old_log_p, advantages, returns = (part[rows] for part in parts)
    return Batch(features, mask, actions, old_log_p, advantages, returns, weights)


def _watch(policy: Any, batch: Batch, figures: TrainingFigures) -> None:
    with torch.no_grad():
        loss = ppo_loss(policy, batch)
        _, values = policy(batch.features, batch.mask)
    figures.entropy = float(loss.entropy)
    spread = float(batch.returns.var()) if len(batch.returns) > 1 else 0.0
    figures.explained_variance = 1.0 - float((batch.returns - values).var()) / spread if spread > 0.0 else 0.0
