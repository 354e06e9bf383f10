"""Several policies pre-trained beside each other, one a seed; the best on fresh seasons of what was trained on is kept.

`import torch` comes with `ppo`.

What decides are seasons of the greenhouses that may be trained on, with seeds of their own: the ones kept back stay
unseen until `validate`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tomato_host.learn.offline.ppo import TrainingFigures
from tomato_host.learn.offline.seasons import TRAINED_ON, score
from tomato_host.learn.offline.train import pretrain
from tomato_host.learn.policy.weights import pack_weights, unpack_weights
from tomato_host.learn.settings import LearnOfflineSettings
from tomato_host.parallel.tasks import Workers, run_tasks

CHOICE_SEEDS = (5_001, 5_002, 5_003, 5_004, 5_005)
"""Training takes seeds from 10,000 on, `validate` 101 to 105."""


@dataclass(frozen=True)
class PolicyCandidate:
    """One pre-trained policy, as a weights file."""

    seed: int
    body: bytes
    figures: TrainingFigures
    decisions: int
    reward: float
    """Mean reward of a season with `CHOICE_SEEDS`."""


def train_candidate(
    seed: int, settings: LearnOfflineSettings, rounds: int, report: Callable[[float], None] = lambda share: None
) -> PolicyCandidate:
    """What `pretrain` makes of this seed, judged. Needs torch. `report` gets the share of the rounds done."""
    found = pretrain("mlp", settings, seed, rounds, report=report)
    body = pack_weights(found.policy.arrays())
    policy = unpack_weights(body, 0, hashlib.sha256(body).hexdigest())
    reward = float(np.mean(list(score(policy, TRAINED_ON, CHOICE_SEEDS).values())))
    return PolicyCandidate(seed, body, found.figures, found.decisions, reward)


def best_candidate(
    settings: LearnOfflineSettings,
    first_seed: int,
    count: int,
    rounds: int,
    workers: Workers,
    finished: Callable[[str, PolicyCandidate], None] = lambda worker, candidate: None,
) -> PolicyCandidate:
    """The best of `count` policies with seeds from `first_seed` on; of equals the first. Raises what `run_tasks` does.

    `finished` is called with each as it comes.
    """
    found: dict[int, PolicyCandidate] = {}
    train = partial(train_candidate, settings=settings, rounds=rounds)
    for index, candidate, worker in run_tasks(train, range(first_seed, first_seed + count), workers):
        found[index] = candidate
        finished(worker, candidate)
    return max((found[index] for index in sorted(found)), key=lambda one: one.reward)
