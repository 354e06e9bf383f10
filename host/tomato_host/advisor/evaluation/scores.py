"""Figures over verdicts and labels: validity, accuracy, abstention, Brier score, calibration error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIELDS = ("leaf_color", "wilting", "pest_signs", "fruit_count_est", "flower_count_est")
UNKNOWN = ("unknown", None)
BINS = 5
COUNT_SLACK = 0.25
"""A count is right within a quarter of the true one, and always within one."""


@dataclass(frozen=True, slots=True)
class FieldScore:
    """One field over all labelled photos: how often asked, answered, right. Shares are None where nothing was asked."""

    asked: int
    answered: int
    right: int

    @property
    def accuracy(self) -> float | None:
        """Right among answered."""
        return self.right / self.answered if self.answered else None

    @property
    def abstention(self) -> float | None:
        """Not answered among asked."""
        return 1.0 - self.answered / self.asked if self.asked else None


def right(field: str, said: object, label: object) -> bool:
    """Whether an answer counts as right; counts have slack, words have none."""
    if field.endswith("_count_est") and isinstance(said, int) and isinstance(label, int):
        return abs(said - label) <= max(1.0, COUNT_SLACK * label)
    return said == label


def field_score(field: str, pairs: Sequence[tuple[object, object]]) -> FieldScore:
    """Score (said, label) pairs; a photo without a label for this field is not asked about."""
    asked = [(said, label) for said, label in pairs if label not in UNKNOWN]
    answered = [(said, label) for said, label in asked if said not in UNKNOWN]
    return FieldScore(len(asked), len(answered), sum(right(field, said, label) for said, label in answered))


def brier(forecasts: Sequence[tuple[float, bool]]) -> float | None:
    """Mean squared distance of confidence and outcome (Brier 1950); 0 is perfect, 0.25 a coin's."""
    return sum((p - hit) ** 2 for p, hit in forecasts) / len(forecasts) if forecasts else None


def calibration_error(forecasts: Sequence[tuple[float, bool]], bins: int = BINS) -> float | None:
    """Expected calibration error: the mean gap of confidence and hit rate over equal bins, weighted by their size."""
    if not forecasts:
        return None
    gap = 0.0
    for number in range(bins):
        inside = [(p, hit) for p, hit in forecasts if number == min(bins - 1, int(p * bins))]
        if inside:
            gap += abs(sum(p for p, _ in inside) - sum(hit for _, hit in inside))
    return gap / len(forecasts)
