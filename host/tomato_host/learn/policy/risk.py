"""The risk engine: five signals make a level; the level says what becomes of a command, with a reason code.

    score = 1 - product of (1 - weight * signal^2)

so that one signal alone can be decisive and five quiet ones are not. Latency alone never pauses the loop: one slow
night is mostly the machine's. Each signal is 0.5 at its limit. The level rises at once and falls by one after
`calm_windows` epochs of a lower score. Conservative mode multiplies every threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from shared_schemas.learn.budgets import POLICY_INFERENCE_MS, VIOLATIONS_TO_QUARANTINE
from shared_schemas.learn.command_pb2 import ReasonCode, RiskLevel
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.state_pb2 import StateMetric
from tomato_host.learn.policy.view import EpochView
from tomato_host.learn.settings import LearnPolicySettings

WEIGHTS = {"gradient": 1.0, "drift": 0.95, "resource": 0.85, "latency": 0.65, "lifecycle": 0.6}
DRIFT_LIMIT = 0.025
"""Error with blocks over without, less one, at which the signal of drift is at its half."""
NORM_LIMIT = 5.0
_CLOSED = frozenset({SlotStage.CULLED, SlotStage.EMBARGOED})


@dataclass(frozen=True)
class RiskAssessment:
    """Level, reason and the signals behind it."""

    level: Any
    """RiskLevel."""
    reason: Any
    """ReasonCode."""
    score: float
    signals: dict[str, float]


@dataclass
class RiskEngine:
    """Holds the level and how long the score has been lower."""

    settings: LearnPolicySettings
    level: int = RiskLevel.RISK_LEVEL_GREEN
    _calm: int = field(default=0)

    def assess(self, view: EpochView, conservative: bool = False) -> RiskAssessment:
        """The level of this epoch."""
        signals = signals_of(view, self.settings)
        score = 1.0 - math.prod(1.0 - WEIGHTS[name] * value**2 for name, value in signals.items())
        now = self._level_of(score, conservative)
        if now >= self.level:
            self.level, self._calm = now, 0
        else:
            self._calm += 1
            if self._calm >= self.settings.calm_windows:
                self.level, self._calm = self.level - 1, 0
        return RiskAssessment(self.level, _reason(view, signals, self.level), score, signals)

    def _level_of(self, score: float, conservative: bool) -> int:
        factor = self.settings.conservative_factor if conservative else 1.0
        wanted = self.settings
        for level, threshold in (
            (RiskLevel.RISK_LEVEL_CRITICAL, wanted.critical),
            (RiskLevel.RISK_LEVEL_RED, wanted.red),
            (RiskLevel.RISK_LEVEL_ORANGE, wanted.orange),
            (RiskLevel.RISK_LEVEL_YELLOW, wanted.yellow),
        ):
            if score >= threshold * factor:
                return int(level)
        return int(RiskLevel.RISK_LEVEL_GREEN)


def signals_of(view: EpochView, settings: LearnPolicySettings) -> dict[str, float]:
    """The five signals, each 0 to 1; what is not known is 0."""
    violations = max((slot.violations for slot in view.slots), default=0)
    norm = max((slot.gradient_norm for slot in view.slots), default=0.0)
    closed = view.count(_CLOSED) / max(len(view.slots), 1)
    boundary = view.metric(StateMetric.STATE_METRIC_BOUNDARY_MS) / (2.0 * settings.boundary_ms)
    policy = view.metric(StateMetric.STATE_METRIC_POLICY_MS) / (2.0 * POLICY_INFERENCE_MS)
    drift = view.metric(StateMetric.STATE_METRIC_HELD_OUT_ERROR, 1.0) - 1.0
    found = {
        "gradient": max(violations / VIOLATIONS_TO_QUARANTINE, norm / (2.0 * NORM_LIMIT) if norm > NORM_LIMIT else 0.0),
        "drift": drift / (2.0 * DRIFT_LIMIT),
        "resource": view.metric(StateMetric.STATE_METRIC_MEMORY_MB) / (2.0 * settings.memory_mb),
        "latency": max(boundary, policy),
        "lifecycle": closed,
    }
    return {name: min(max(value, 0.0), 1.0) if math.isfinite(value) else 1.0 for name, value in found.items()}


def _reason(view: EpochView, signals: dict[str, float], level: int) -> int:
    if level == RiskLevel.RISK_LEVEL_GREEN:
        return int(ReasonCode.REASON_CODE_UNSPECIFIED)
    name = max(signals, key=lambda one: WEIGHTS[one] * signals[one] ** 2)
    violated = any(slot.violations for slot in view.slots)
    return int(
        {
            "gradient": ReasonCode.REASON_CODE_ISOLATION_VIOLATION if violated else ReasonCode.REASON_CODE_LOSS_SPIKE,
            "drift": ReasonCode.REASON_CODE_SKILL_LOST,
            "resource": ReasonCode.REASON_CODE_RESOURCE_LIMIT,
            "latency": ReasonCode.REASON_CODE_HOOK_BUDGET,
            "lifecycle": ReasonCode.REASON_CODE_GATE_FAILED,
        }[name]
    )
