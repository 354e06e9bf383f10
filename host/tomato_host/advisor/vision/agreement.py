"""How far a verdict about a photo is trusted: by the measured picture now, and by past comparisons."""

from __future__ import annotations

from dataclasses import dataclass

from tomato_host.advisor.vision.measure import PhotoMeasure
from tomato_host.advisor.vision.verdict import PhotoVerdict

YELLOW_SURE = 0.25
YELLOW_NONE = 0.05
DROOP_SHARE = 0.8
"""Canopy height below this share of the same camera's recent median hints at hanging leaves."""

PENALTY = 0.5
"""Each disagreement halves the confidence."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many questions both could answer, and the names of those on which they differ."""

    asked: int
    differ: tuple[str, ...]

    @property
    def agreed(self) -> int:
        """Questions with the same answer."""
        return self.asked - len(self.differ)


def compare(verdict: PhotoVerdict, measure: PhotoMeasure, usual_height: float | None) -> Agreement:
    """`usual_height` is the median canopy height of this camera's last photos (0..1), None without a history."""
    if not measure.usable or measure.canopy_fraction is None:
        return Agreement(0, ())
    checks = (
        ("leaf_color_differs", _colour(verdict, measure)),
        ("wilting_differs", _wilting(verdict, measure, usual_height)),
        ("stress_differs", _stress(verdict, measure)),
    )
    answered = [(flag, same) for flag, same in checks if same is not None]
    return Agreement(len(answered), tuple(flag for flag, same in answered if not same))


def confidence_after(base: float, agreement: Agreement) -> float:
    """The calibrated base, halved for each disagreement."""
    return round(base * PENALTY ** len(agreement.differ), 4)


def _colour(verdict: PhotoVerdict, measure: PhotoMeasure) -> bool | None:
    yellow = measure.yellow_fraction
    if yellow is None or verdict.leaf_color == "unknown":
        return None
    if yellow >= YELLOW_SURE:
        return verdict.leaf_color != "green"
    if yellow <= YELLOW_NONE:
        return verdict.leaf_color != "yellowing"
    return None


def _wilting(verdict: PhotoVerdict, measure: PhotoMeasure, usual_height: float | None) -> bool | None:
    height = measure.canopy_height_fraction
    if verdict.wilting is None or height is None or not usual_height:
        return None
    drooping = height < DROOP_SHARE * usual_height
    return verdict.wilting == drooping if drooping or verdict.wilting else None


def _stress(verdict: PhotoVerdict, measure: PhotoMeasure) -> bool | None:
    """A plant that is measured to be largely yellow is not free of stress, whatever a note in the picture says."""
    if verdict.stress_score is None or measure.yellow_fraction is None or measure.yellow_fraction < YELLOW_SURE:
        return None
    return verdict.stress_score >= 0.2


PRIOR_AGREED = 1.0
PRIOR_DIFFERED = 3.0
CEILING = 0.8


def calibrated_confidence(agreed: int, differed: int) -> float:
    """0..1 from counts of past checks of the same model with the same prompt; 0.25 for a newcomer.

    With ten agreements out of ten it is 0.79.
    """
    mean = (PRIOR_AGREED + agreed) / (PRIOR_AGREED + PRIOR_DIFFERED + agreed + differed)
    return min(CEILING, mean)
