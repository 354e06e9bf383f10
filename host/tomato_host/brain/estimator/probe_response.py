"""Does a soil probe follow the water? Wrong calibration and a probe outside the wetted soil show in its response.

Swapped calibration points make a probe rise while the pot dries: no threshold sees it, and the controller gives no
water to a plant that "gets wetter". What a probe must do is known without a model: it rises when water comes and falls
or stands when none comes. Three findings, each per probe:

- it rises steadily by RISE_POINTS though no water came for DRAINED_S          -> REVERSED
- it falls by FALL_POINTS altogether over doses, two at least, without a rise  -> REVERSED
- it does not answer SILENT_DOSES doses in a row, though another probe does    -> UNRESPONSIVE

Water by hand comes without a pulse of the pump: a rise of HAND_POINTS within a quarter of an hour is taken for it.
Figures are judgements; docs/confidence_scoring.md gives the reasons and what was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

DRAINED_S: Final = 21_600.0
RISE_POINTS: Final = 4.0
HAND_POINTS: Final = 1.5
HAND_WITHIN_S: Final = 900.0
JUDGED_AFTER_S: Final = 2_700.0
"""A dose is judged this long after its last water, like its arrival (soil.py)."""
LEAST_ML: Final = 30.0
ANSWER_POINTS: Final = 0.5
FALL_LEAST_POINTS: Final = 0.7
"""A fall within one dose's time that is more than drying and noise."""
FALL_POINTS: Final = 3.0
SILENT_DOSES: Final = 8
RIGHT_DOSES: Final = 2
"""Answers in the right direction, in a row, that end a finding."""
FULL_PCT: Final = 60.0
"""A root zone above this may let water run through ..."""
FULL_MARGIN_POINTS: Final = 2.0
"""... and so may one that stands so near to the wettest it has been after a dose that it answered: the pot is full."""


class _Probe:
    """What one probe has shown."""

    __slots__ = (
        "before",
        "falls",
        "fell_points",
        "full",
        "lowest",
        "quarter",
        "quarter_s",
        "reversed",
        "right",
        "silent",
        "unresponsive",
    )

    def __init__(self) -> None:
        self.before: float | None = None
        self.lowest: float | None = None
        self.quarter: float | None = None
        self.quarter_s = 0.0
        self.fell_points = 0.0
        self.full: float | None = None
        self.falls = 0
        self.silent = 0
        self.right = 0
        self.reversed = False
        self.unresponsive = False


class ProbeResponse:
    """Call `update` with every sample; `reversed` and `unresponsive` tell the findings by probe."""

    def __init__(self, probes: int) -> None:
        self._probes = [_Probe() for _ in range(probes)]
        self._ml_seen: float | None = None
        self._water_s: float | None = None
        """When water came last, as far as it is known; before the first sample nothing is."""
        self._dose_ml = 0.0

    def reversed(self, probe: int) -> bool:
        """Whether this probe moves against the water."""
        return self._probes[probe].reversed

    def unresponsive(self, probe: int) -> bool:
        """Whether this probe does not notice the water."""
        return self._probes[probe].unresponsive

    def update(self, t_s: float, ml_used_today: float, moistures: Sequence[float | None], disturbed: bool) -> None:
        """One sample: ml since midnight, moisture of each probe in % (None: no value), whether the tent is open."""
        seen, self._ml_seen = self._ml_seen, ml_used_today
        if self._water_s is None:
            self._water_s = t_s
        if seen is not None and ml_used_today > seen:
            if not self._dose_ml:
                for probe, moisture in zip(self._probes, moistures, strict=True):
                    probe.before = moisture if probe.quarter is None else probe.quarter
            self._dose_ml += ml_used_today - seen
            self._water_s = t_s
        if self._dose_ml and t_s - self._water_s >= JUDGED_AFTER_S:
            self._judge_dose(moistures)
        for probe, moisture in zip(self._probes, moistures, strict=True):
            self._judge_rest(probe, t_s, moisture, disturbed)

    def _judge_dose(self, moistures: Sequence[float | None]) -> None:
        known = [
            (probe, moisture - probe.before, max(moisture, probe.before))
            for probe, moisture in zip(self._probes, moistures, strict=True)
            if moisture is not None and probe.before is not None and max(moisture, probe.before) < FULL_PCT
        ]
        enough, self._dose_ml = self._dose_ml >= LEAST_ML, 0.0
        if not enough:
            return
        answered = any(change >= ANSWER_POINTS for _, change, _ in known)
        for probe, change, level in known:
            if change >= ANSWER_POINTS:
                self._right_answer(probe, level)
                continue
            if probe.full is not None and level >= probe.full:
                continue
            probe.right = 0
            if change <= -FALL_LEAST_POINTS:
                probe.falls += 1
                probe.fell_points -= change
                probe.reversed = probe.reversed or (probe.falls >= 2 and probe.fell_points >= FALL_POINTS)
            if answered:
                probe.silent += 1
                probe.unresponsive = probe.unresponsive or probe.silent >= SILENT_DOSES

    def _right_answer(self, probe: _Probe, level: float) -> None:
        full = level - FULL_MARGIN_POINTS
        probe.full = full if probe.full is None else max(probe.full, full)
        probe.falls, probe.fell_points, probe.silent = 0, 0.0, 0
        probe.right += 1
        if probe.right >= RIGHT_DOSES:
            probe.reversed = probe.unresponsive = False

    def _judge_rest(self, probe: _Probe, t_s: float, moisture: float | None, disturbed: bool) -> None:
        """A slow rise without water; `quarter` is the level a quarter of an hour ago."""
        if moisture is None:
            probe.lowest = probe.quarter = None
            return
        if probe.quarter is None or t_s - probe.quarter_s >= HAND_WITHIN_S:
            probe.quarter, probe.quarter_s = moisture, t_s
        by_hand = disturbed or moisture - probe.quarter >= HAND_POINTS
        if by_hand:
            self._water_s = t_s
        if self._water_s is None or t_s - self._water_s < DRAINED_S:
            probe.lowest = None
            return
        probe.lowest = moisture if probe.lowest is None else min(probe.lowest, moisture)
        if moisture - probe.lowest >= RISE_POINTS:
            probe.reversed = True
