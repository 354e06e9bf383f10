"""The root zone as a whole: average over trusted probes, pattern of zones, water that did not arrive."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from shared_schemas.records.state_v1 import ZonePattern

TRUSTED: Final = 0.30
"""A probe below this confidence takes part in no conclusion."""
DRY_PCT: Final = 15.0
WET_PCT: Final = 75.0
TWO_ZONE_GAP_PCT: Final = 12.0
"""Neighbouring probes further apart than this stand in different zones."""
UNIFORM_SPAN_PCT: Final = 6.0

Trusted = tuple[float, float]
"""Moisture in % and confidence of one probe."""


def trusted_probes(moistures: Sequence[float | None], confidences: Sequence[float]) -> list[Trusted]:
    """The probes that may take part in a conclusion."""
    return [(m, c) for m, c in zip(moistures, confidences, strict=True) if m is not None and c >= TRUSTED]


def average_moisture_pct(probes: Sequence[Trusted]) -> float | None:
    """Mean over trusted probes, weighted by confidence; None without one, because missing is not dry."""
    total = sum(c for _, c in probes)
    return sum(m * c for m, c in probes) / total if total > 0.0 else None


def zone_pattern(probes: Sequence[Trusted]) -> ZonePattern:
    """How the water is distributed. With fewer than two probes the pattern is "unknown".

    dry / wet: all trusted probes on that side. uniform: within 6 points. two_zone: sorted by moisture there is one gap
    of 12 points or more. gradient: a spread in between.
    """
    if len(probes) < 2:
        return "unknown"
    levels = sorted(m for m, _ in probes)
    if levels[-1] < DRY_PCT:
        return "dry"
    if levels[0] > WET_PCT:
        return "wet"
    if levels[-1] - levels[0] <= UNIFORM_SPAN_PCT:
        return "uniform"
    widest = max(b - a for a, b in pairwise(levels))
    return "two_zone" if widest >= TWO_ZONE_GAP_PCT else "gradient"


class WaterArrival:
    """Did the water that was pumped reach a probe? Counts millilitres after which no probe rose."""

    __slots__ = ("_answered_s", "_before", "_ml_seen", "_pending_ml", "_since_s", "_trail", "unanswered_ml")

    ANSWER_WITHIN_S: Final = 2_700.0
    ANSWER_POINTS: Final = 0.5
    LEAST_ML: Final = 99.0
    """Less water than this cannot lift a pot by as much: its silence proves nothing."""
    FULL_PCT: Final = 60.0
    """A root zone above this may let water run through without getting wetter."""
    TRAIL_S: Final = 900.0
    """The count of millilitres may arrive after the water reached the probe, so it is compared with the lowest level
    of this long before the count."""
    TRAIL_STEP_S: Final = 60.0

    def __init__(self) -> None:
        self._ml_seen: float | None = None
        self._pending_ml = 0.0
        self._since_s = 0.0
        self._answered_s = -1e12
        self._before: list[float | None] = []
        self._trail: deque[tuple[float, tuple[float | None, ...]]] = deque(maxlen=int(self.TRAIL_S / self.TRAIL_STEP_S))
        self.unanswered_ml = 0.0

    def update(self, t_s: float, ml_used_today: float, moistures: Sequence[float | None]) -> None:
        """One sample: ml pumped since midnight and the trusted moisture of every probe."""
        seen = self._ml_seen
        self._ml_seen = ml_used_today
        # A dose comes in pulses; once one of them has arrived, the others of that hour need no proof of their own.
        if seen is not None and ml_used_today > seen and t_s - self._answered_s > self.ANSWER_WITHIN_S:
            if self._pending_ml == 0.0:
                self._before = self._lowest_lately(t_s, moistures)
                self._since_s = t_s
            self._pending_ml += ml_used_today - seen
        if not self._trail or t_s - self._trail[-1][0] >= self.TRAIL_STEP_S:
            self._trail.append((t_s, tuple(moistures)))
        if self._pending_ml:
            self._check_answer(t_s, moistures)

    def _lowest_lately(self, t_s: float, moistures: Sequence[float | None]) -> list[float | None]:
        """Lowest known level of each probe before now: one sample ago at a slow pace, minutes at a fast one."""
        rows = [row for at, row in self._trail if t_s - at <= self.TRAIL_S]
        rows = [*(rows or [row for _, row in self._trail][-1:]), tuple(moistures)]
        return [min((m for m in column if m is not None), default=None) for column in zip(*rows, strict=True)]

    def _check_answer(self, t_s: float, moistures: Sequence[float | None]) -> None:
        known = [(a, b) for a, b in zip(self._before, moistures, strict=True) if a is not None and b is not None]
        if any(b - a >= self.ANSWER_POINTS or b >= self.FULL_PCT for a, b in known):
            self._pending_ml = 0.0
            self.unanswered_ml = 0.0
            self._answered_s = t_s
        elif t_s - self._since_s >= self.ANSWER_WITHIN_S:
            if known and self._pending_ml > self.LEAST_ML:
                self.unanswered_ml += self._pending_ml
            self._pending_ml = 0.0
