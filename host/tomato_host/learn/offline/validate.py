"""The gate before a learned policy may decide: performance, regression, chaos, property, security. Needs no torch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from shared_schemas.learn.budgets import POLICY_INFERENCE_MS
from tomato_host.learn.offline.seasons import KEPT_BACK, NIGHTS, score
from tomato_host.learn.policy.heuristic import BASELINES, Core, heuristic
from tomato_host.learn.policy.view import FEATURES, PolicyAction
from tomato_host.learn.policy.weights import PolicyWeights, pack_weights, unpack_weights
from tomato_host.learn.telemetry import ALARM, INFO, Source, Telemetry

SEEDS = (101, 102, 103, 104, 105)
"""Seeds of the seasons that were kept back."""
ONE_ACTION = 0.98
"""Share of the decisions with a choice that one action takes, above which the policy has collapsed."""


@dataclass
class ValidationResult:
    """Whether it may be promoted, what failed, and the figures."""

    failed: list[str] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every part holds."""
        return not self.failed

    def check(self, name: str, holds: bool) -> None:
        """Note a condition."""
        if not holds:
            self.failed.append(name)


def validate(
    body: bytes,
    current: Core = heuristic,
    telemetry: Telemetry | None = None,
    seeds: Sequence[int] = SEEDS,
    nights: int = NIGHTS,
) -> ValidationResult:
    """All parts; a policy that fails security is not run at all. A failure emits an alarm."""
    result = ValidationResult()
    policy = _security(body, result)
    if policy is not None:
        _property(policy, result)
        _chaos(policy, result)
        if result.passed:
            _performance(policy, current, result, seeds, nights)
    if telemetry is not None:
        outcome = "passed" if result.passed else "failed"
        text = f"validation {outcome} {', '.join(result.failed)}".strip()
        level = INFO if result.passed else ALARM
        source = Source.TELEMETRY_SOURCE_OFFLINE
        telemetry.emit(source, "validation", text, result.figures, {"result": outcome}, level)
    return result


def _security(body: bytes, result: ValidationResult) -> PolicyWeights | None:
    """Plain arrays of the right shapes, finite, bounded; no pickle, nothing else in the file; packing is stable."""
    try:
        policy = unpack_weights(body, 0, hashlib.sha256(body).hexdigest())
    except ValueError as error:
        result.failed.append(f"security: {error}")
        return None
    again = unpack_weights(pack := pack_weights(policy.arrays), 0, hashlib.sha256(pack).hexdigest())
    same = all(np.array_equal(again.arrays[name], policy.arrays[name]) for name in policy.arrays)
    result.check("security: packing changes the weights", same)
    return policy


def _property(policy: PolicyWeights, result: ValidationResult) -> None:
    """Allowed actions only, probabilities that sum to one, repeatable, in time."""
    rng, slow, good = np.random.default_rng(0), 0.0, True
    for _ in range(200):
        features = tuple(rng.normal(0.0, 1.5, len(FEATURES)).clip(-5, 5))
        allowed = tuple(sorted({0, *rng.choice(len(PolicyAction), rng.integers(0, 5)).tolist()}))
        started = time.thread_time()
        choice = policy(features, allowed)
        slow = max(slow, (time.thread_time() - started) * 1_000.0)
        log_p, value = policy.evaluate(features, allowed)
        good &= choice.action in allowed and choice == policy(features, allowed)
        good &= bool(abs(np.exp(log_p).sum() - 1.0) < 1e-9 and np.isfinite(value))
    result.check("property: mask, probabilities or repeatability", good)
    result.check("property: inference time", slow <= POLICY_INFERENCE_MS)
    result.figures["inference_max_ms"] = slow


def _chaos(policy: PolicyWeights, result: ValidationResult) -> None:
    """Extreme states: all at a limit, alternating, zero; one action allowed, all allowed."""
    edge = [np.full(len(FEATURES), v) for v in (-5.0, 0.0, 5.0)]
    edge.append(np.where(np.arange(len(FEATURES)) % 2, 5.0, -5.0))
    good = True
    for features in edge:
        for allowed in ((0,), (0, 4), tuple(range(len(PolicyAction)))):
            choice = policy(tuple(features), allowed)
            good &= choice.action in allowed and bool(np.isfinite([choice.log_probability, choice.value]).all())
    result.check("chaos: an extreme state", good)


def _performance(
    policy: PolicyWeights, current: Core, result: ValidationResult, seeds: Sequence[int], nights: int
) -> None:
    """Better than never, schedule and greedy on the whole of what was kept back, and no worse than what decides now."""
    own = score(policy, KEPT_BACK, seeds, nights)
    total = float(np.mean(list(own.values())))
    result.figures |= {f"reward_{name}": value for name, value in own.items()} | {"reward": total}
    for name, core in BASELINES.items():
        other = float(np.mean(list(score(core, KEPT_BACK, seeds, nights).values())))
        result.figures[f"reward_of_{name}"] = other
        result.check(f"performance: not better than {name}", total > other)
    now = score(current, KEPT_BACK, seeds, nights)
    result.figures["reward_of_current"] = float(np.mean(list(now.values())))
    result.check("regression: worse than the policy that decides", total >= result.figures["reward_of_current"])
    result.check("performance: one action for everything", _variety(policy, seeds) <= ONE_ACTION)


def _variety(policy: PolicyWeights, seeds: Sequence[int]) -> float:
    """Share of the most frequent action among decisions in which there was something to decide."""
    from tomato_host.learn.offline.seasons import GREENHOUSES, play

    counts = np.zeros(len(PolicyAction))
    for name in KEPT_BACK:
        run = play(policy, GREENHOUSES[name], seeds[0])
        for choice, allowed in zip(run.choices, run.allowed, strict=True):
            if len(allowed) > 1:
                counts[choice.action] += 1
    return float(counts.max() / max(counts.sum(), 1.0))
