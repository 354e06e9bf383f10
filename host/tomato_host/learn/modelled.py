"""A trainer on made-up residuals, for drills, the demo and latency reports: everything real but the tent."""

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
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageSigner, MessageVerifier
from tomato_host.learn.trainer import Trainer

MODEL_KEYS = SigningKeys((b"modelled, never a real key......",))
EARNS = {"vpd_kpa": {"days": 14.0, "origins": 300.0, "ratio": 0.95, "share": 0.25}}
"""What a brain would have judged of a block that helps."""


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def modelled_signer() -> MessageSigner:
    """A signer with counted nonces."""
    numbers = count(1)
    return MessageSigner(MODEL_KEYS, now_ms, lambda: next(numbers))


def modelled_verifier() -> MessageVerifier:
    """Its other end."""
    return MessageVerifier(MODEL_KEYS, now_ms)


def modelled_table(seed: int = 0, rows: int = 1_500) -> ResidualTable:
    """Residuals that follow the first two features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(FEATURES)))
    y = 0.6 * np.sign(x[:, 0]) + 0.2 * x[:, 1] + rng.normal(0.0, 0.2, rows)
    return ResidualTable(x, np.clip(y, -3.0, 3.0), np.full(HORIZON_H, 0.1), False)


def modelled_trainer(
    root: Path, make_policy: Callable[[MessageSigner, MessageVerifier], Policy], wait_s: float = 2.0
) -> Trainer:
    """A trainer with one slot, `vpd_kpa.0`, whose block earns a share."""
    signer = modelled_signer()
    call = PolicyCall(make_policy(signer, modelled_verifier()), modelled_verifier(), wait_s)
    one = Trainer(LearnSettings(), signer, call, CheckpointStore(root / "checkpoints"), run_id=1)
    one.timer.now = time.process_time  # a busy machine must not decide what a drill shows
    one.register("vpd_kpa.0")
    one.skills = EARNS
    return one
