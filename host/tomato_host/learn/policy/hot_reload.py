"""A new policy while the loop runs, in two steps: verify (hash, schema, loads, dry run), activate; back on a failure.

promoted.json names the version that may decide, and the one before it. Whoever promotes replaces that file, whole.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from shared_schemas.learn.budgets import POLICY_INFERENCE_MS
from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.learn.policy.heuristic import heuristic
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.policy.view import FEATURES, PolicyAction
from tomato_host.learn.policy.weights import PolicyWeights, unpack_weights
from tomato_host.learn.settings import LearnPolicySettings
from tomato_host.logs import Log

PROMOTED = "promoted.json"
DRY_RUNS = 32
_log = Log("learn.policy")


@dataclass(frozen=True)
class Promotion:
    """One row of promoted.json. Version 0 is the heuristic."""

    version: int
    sha256: str = ""
    before: int = 0
    before_sha256: str = ""


def read_promotion(root: Path) -> Promotion:
    """The promoted version; the heuristic where nothing, or nothing readable, is promoted."""
    try:
        return Promotion(**json.loads((root / PROMOTED).read_bytes()))
    except FileNotFoundError:
        return Promotion(0)
    except (OSError, ValueError, TypeError) as error:
        _log.warning("promotion_unreadable", error=type(error).__name__)
        return Promotion(0)


def store_policy(root: Path, version: int, body: bytes) -> str:
    """Store the weights of one version; returns their hash. Raises OSError."""
    replace_file(weights_file(root, version), body, parents=True)
    return hashlib.sha256(body).hexdigest()


def promote(root: Path, version: int) -> Promotion:
    """Let this version decide from the next epoch on; 0 is the heuristic.

    Raises TomatoError E-LEARN-POLICY when its weights are missing or may not be used; then nothing has changed.
    """
    held = read_promotion(root)
    digest = ""
    if version:
        try:
            body = weights_file(root, version).read_bytes()
            digest = hashlib.sha256(body).hexdigest()
            dry_run(unpack_weights(body, version, digest))
        except (OSError, ValueError) as error:
            raise TomatoError(
                "E-LEARN-POLICY",
                f"Policy {version} may not be used: {error}.",
                "train and validate one: `tomato-host learn train`, `tomato-host learn validate`",
            ) from None
    found = Promotion(version, digest, held.version, held.sha256)
    replace_file(root / PROMOTED, json.dumps(asdict(found)).encode(), parents=True)
    return found


def reload_promoted(root: Path, policy: PolicyService, settings: LearnPolicySettings) -> str:
    """Bring the deciding policy to the promoted version: activated, refused, rolled_back; empty: nothing to do."""
    wanted = read_promotion(root)
    if wanted.version == policy.version or (wanted.version and settings.kind == "heuristic"):
        return ""
    if wanted.version == 0:
        policy.use(heuristic, 0)
        return "rolled_back"
    try:
        staged = unpack_weights(weights_file(root, wanted.version).read_bytes(), wanted.version, wanted.sha256)
        dry_run(staged)
    except (OSError, ValueError) as error:
        _log.warning("policy_refused", version=wanted.version, why=str(error)[:200])
        return "refused"
    before = (policy.core, policy.version)
    policy.use(staged, wanted.version)
    try:
        policy.core(tuple(0.0 for _ in FEATURES), tuple(int(action) for action in PolicyAction))
    except Exception as error:  # whatever the new one does, the one before decides
        policy.use(*before)
        _log.warning("policy_rolled_back", version=wanted.version, why=type(error).__name__)
        return "rolled_back"
    return "activated"


def dry_run(staged: PolicyWeights) -> None:
    """Answers to drawn states: allowed, of finite probability, in time. Raises ValueError."""
    rng = np.random.default_rng(0)
    slowest = 0.0
    for _ in range(DRY_RUNS):
        features = tuple(rng.normal(0.0, 1.5, len(FEATURES)))
        allowed = tuple(sorted({0, *rng.choice(len(PolicyAction), 3).tolist()}))
        started = time.thread_time()
        choice = staged(features, allowed)
        slowest = max(slowest, (time.thread_time() - started) * 1_000.0)
        total = float(np.exp(staged.evaluate(features, allowed)[0]).sum())
        if choice.action not in allowed or not np.isfinite(choice.log_probability) or abs(total - 1.0) > 1e-9:
            raise ValueError(f"action {choice.action} of {allowed}, probabilities sum to {total:.6f}")
    if slowest > POLICY_INFERENCE_MS:
        raise ValueError(f"{slowest:.1f} ms for an answer, {POLICY_INFERENCE_MS:g} are allowed")


def weights_file(root: Path, version: int) -> Path:
    """Where the weights of a version are."""
    return root / f"policy-{version:04d}.npz"
