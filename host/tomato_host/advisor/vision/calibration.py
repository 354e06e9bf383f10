"""How far a model's verdicts are to be trusted: from its own record of agreement, never from what it claims.

The posterior mean of a Beta distribution over 'agrees with the measured picture', started pessimistically, and capped:
a measured picture can contradict a verdict but never prove its counts or pests.
"""

from __future__ import annotations

PRIOR_AGREED = 1.0
PRIOR_DIFFERED = 3.0
CEILING = 0.8


def calibrated_confidence(agreed: int, differed: int) -> float:
    """0..1 from counts of past checks of the same model with the same prompt; 0.25 for a newcomer.

    With ten agreements out of ten it is 0.79.
    """
    mean = (PRIOR_AGREED + agreed) / (PRIOR_AGREED + PRIOR_DIFFERED + agreed + differed)
    return min(CEILING, mean)
