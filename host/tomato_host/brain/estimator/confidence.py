"""Confidence of a sensor and of the state, 0..1; the algorithm of docs/confidence_scoring.md, number for number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

EDGE_SHARE: Final = 0.02
"""The outer share of the plausible span in which the range factor falls from 1 to RANGE_AT_EDGE."""
RANGE_AT_EDGE: Final = 0.5
RATE_AFTER_JUMP: Final = 0.3
RATE_RECOVERS_S: Final = 7_200.0
RATE_WHILE_SETTLING: Final = 0.6
CROSS_LEAST: Final = 0.4
FLAT_DOUBT_FROM: Final = 0.5
DRIFT_DOUBT_FROM: Final = 0.5
DRIFT_LEAST: Final = 0.3
DRIFT_LEAST_ALONE: Final = 0.6
"""Drift that no companion confirms costs no more: it may be the tent that moved, and without its hygrometer a tent is
neither misted nor planned for. Above what the controllers ask for (`control_inputs.MIN_CONFIDENCE`), by a margin."""
BAD_SHARE_WEIGHT: Final = 0.8
WITHOUT_BOARD: Final = 0.5


def range_factor(value: float | None, low: float, high: float, natural_edge: bool = False) -> float:
    """1 well inside the plausible range, falling to 0.5 at its edge, 0 outside or without a value.

    `natural_edge`: the edge is an ordinary value of the quantity (0 lx at night, 100 % in fog); no deduction there.
    """
    if value is None or not low <= value <= high:
        return 0.0
    if natural_edge:
        return 1.0
    edge = EDGE_SHARE * (high - low)
    inside = min(value - low, high - value) / edge
    return 1.0 if inside >= 1.0 else RANGE_AT_EDGE + (1.0 - RANGE_AT_EDGE) * inside


def rate_factor(since_jump_s: float, settling: bool = False) -> float:
    """0.3 at a jump, back to 1 in a straight line within 2 h; at most 0.6 while a lamp switch settles."""
    recovered = min(1.0, max(0.0, since_jump_s / RATE_RECOVERS_S))
    factor = RATE_AFTER_JUMP + (1.0 - RATE_AFTER_JUMP) * recovered
    return min(factor, RATE_WHILE_SETTLING) if settling else factor


def cross_factor(mismatch: float) -> float:
    """1 while companions agree (mismatch up to 1 = their limit), falling to 0.4 at twice the limit and beyond."""
    return 1.0 - (1.0 - CROSS_LEAST) * min(1.0, max(0.0, mismatch - 1.0))


def history_factor(bad_share: float, flat_share: float, drift_evidence: float, alone: bool = False) -> float:
    """From the past: share of bad samples (6 h memory), flat run against its limit, evidence of drift.

    `alone`: whether that evidence is the sensor's own past only, no companion's.
    """
    bad = 1.0 - BAD_SHARE_WEIGHT * min(1.0, max(0.0, bad_share))
    flat = _falling(flat_share, FLAT_DOUBT_FROM, 0.0)
    drift = _falling(drift_evidence, DRIFT_DOUBT_FROM, DRIFT_LEAST_ALONE if alone else DRIFT_LEAST)
    return bad * flat * drift


def _falling(evidence: float, doubt_from: float, least: float) -> float:
    """1 up to `doubt_from`, straight down to `least` at evidence 1."""
    if evidence <= doubt_from:
        return 1.0
    return 1.0 - (1.0 - least) * min(1.0, (evidence - doubt_from) / (1.0 - doubt_from))


def sensor_confidence(range_: float, rate: float, cross: float, history: float) -> float:
    """Product of the four factors: one good reason for low confidence is enough."""
    return range_ * rate * cross * history


def overall_confidence(weighted: Iterable[tuple[float, float]], board_connected: bool) -> float:
    """Mean of sensor confidences `(weight, confidence)` by weight; halved while the board is not connected.

    A fitted sensor without a value takes part with 0. No sensor at all is confidence 0.
    """
    total = got = 0.0
    for weight, confidence in weighted:
        total += weight
        got += weight * confidence
    mean = got / total if total > 0.0 else 0.0
    return mean if board_connected else mean * WITHOUT_BOARD
