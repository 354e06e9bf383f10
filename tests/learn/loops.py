"""A trainer on made-up residuals, with clocks and nonces that a test sets."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from tomato_host.brain.world_model.data import HORIZON_H
from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.learn.boundary import Policy, PolicyCall
from tomato_host.learn.checkpoint import CheckpointStore
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.trainer import Trainer

KEYS = SigningKeys((b"k" * 32,))
NOW_MS = 1_780_000_000_000


def now_ms() -> int:
    return NOW_MS


def table(seed: int = 0, rows: int = 1_500, slope: float = 0.6) -> ResidualTable:
    """Residuals that follow the first two features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(FEATURES)))
    y = slope * np.sign(x[:, 0]) + 0.2 * x[:, 1] + rng.normal(0.0, 0.2, rows)
    return ResidualTable(x, np.clip(y, -3.0, 3.0), np.full(HORIZON_H, 0.1), False)


def trainer(
    root: Path,
    make_policy: Callable[[MessageSigner, MessageVerifier], Policy] = PolicyService,
    settings: LearnSettings | None = None,
    wait_s: float = 2.0,
) -> Trainer:
    """A trainer with one slot, `vpd_kpa.0`."""
    numbers = count(1)
    signer = MessageSigner(KEYS, now_ms, lambda: next(numbers))
    policy = make_policy(signer, MessageVerifier(KEYS, now_ms))
    if isinstance(policy, PolicyService):
        policy.selection.expert = (settings or LearnSettings()).expert
    call = PolicyCall(policy, MessageVerifier(KEYS, now_ms), wait_s)
    one = Trainer(settings or LearnSettings(), signer, call, CheckpointStore(root / "learn" / "checkpoints"), run_id=1)
    one.timer.now = time.process_time  # a busy test machine must not fail the gate of the boundary's budget
    if not one.resume():
        one.register("vpd_kpa.0")
    return one


GOOD = {"vpd_kpa": {"days": 14.0, "origins": 300.0, "ratio": 0.95, "share": 0.25}}
BAD = {"vpd_kpa": {"days": 14.0, "origins": 300.0, "ratio": 1.05, "share": 0.0}}
