"""Soil probes pick up the lamp: its ballast can shift a capacitive reading by up to a quarter when it switches.

At each switch the mean of the two minutes before is compared with the mean of the two minutes after. The dark reading
is taken as true; while the lamp is on its shift is subtracted. During the two minutes the last value is held.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from tomato_host.brain.estimator.channels import DOOR, PUMPED
from tomato_host.brain.estimator.sensor_health import INTERFERENCE, SensorTrack

WINDOW_S: Final = 120.0
NOTICED: Final = 0.8
"""A shift below this (points of water content) is noise and not subtracted."""
FLAGGED: Final = 2.0
"""A shift of this many points is flagged: the probe needs a shielded cable."""
LARGEST_SHARE: Final = 0.30
LARGEST_FLOOR: Final = 8.0
"""A step of more than this share of the reading (and this many points) is not the lamp: the probe itself jumped."""
UNEXPLAINED: Final = 6.0
"""After switching off, this many points left over are a jump that happened meanwhile."""
REMEMBERED_S: Final = 172_800.0


class LampInterference:
    """The lamp's shift of one probe. Call `update` with every sample; it passes the corrected one on to the track."""

    __slots__ = (
        "_after_n",
        "_after_sum",
        "_before",
        "_lamp",
        "_learned",
        "_recent",
        "_settle_from",
        "_track",
        "_wet",
        "flagged_s",
        "offset",
    )

    def __init__(self, track: SensorTrack) -> None:
        self._track = track
        self._recent: deque[tuple[float, float]] = deque(maxlen=24)
        self._lamp: bool | None = None
        self._settle_from: float | None = None
        self._before = 0.0
        self._after_sum = 0.0
        self._after_n = 0
        self._wet = False
        self._learned = 0.0
        self.offset = 0.0
        """Shift subtracted now, in points of water content."""
        self.flagged_s = -1e12

    def update(self, t_s: float, reading: float | None, lamp: bool, events: int, reason: str) -> None:
        """One sample of the probe; the lamp's state and the mask of recent events at that moment."""
        track = self._track
        if lamp is not self._lamp:
            self._switched(t_s, lamp)
        if self._settle_from is not None and reading is not None:
            self._settle(t_s, reading, events)
            return
        track.update(t_s, reading, self._excused(reading, events), self.offset, reason)
        if reading is not None:
            self._recent.append((t_s, reading))

    def _excused(self, reading: float | None, events: int) -> bool:
        """An open door (work on the pots) explains any step, water only a rise."""
        if events & DOOR or not events & PUMPED:
            return bool(events & DOOR)
        last = self._track.raw
        return last is not None and reading is not None and reading - self.offset > last

    def _switched(self, t_s: float, lamp: bool) -> None:
        first = self._lamp is None
        self._lamp = lamp
        if first:
            return
        if self._track.raw is None:
            self.offset = self._learned if lamp else 0.0
            return
        window = [r for at, r in self._recent if at >= t_s - WINDOW_S - 15.0]
        if not window and self._recent:
            window = [self._recent[-1][1]]
        if not window:
            return
        self._before = sum(window) / len(window)
        self._settle_from = t_s
        self._track.settling = True
        self._after_sum = 0.0
        self._after_n = 0
        self._wet = False

    def _settle(self, t_s: float, reading: float, events: int) -> None:
        """Collect the two minutes after; then decide what the step was."""
        assert self._settle_from is not None
        low, high = self._track.channel.low, self._track.channel.high
        self._wet = self._wet or bool(events & PUMPED)
        if low <= reading <= high:
            self._after_sum += reading
            self._after_n += 1
        lasted_s = t_s - self._settle_from
        last_t_s = self._recent[-1][0] if self._recent else t_s
        if lasted_s < WINDOW_S and t_s - last_t_s < WINDOW_S + lasted_s:
            self._hold_last(t_s, reading, low, high)
            return
        self._settle_from = None
        self._track.settling = False
        if self._after_n:
            self._classify(t_s, self._after_sum / self._after_n - self._before)
        self._recent.clear()
        self._track.update(t_s, reading, self._excused(reading, events), self.offset)
        self._recent.append((t_s, reading))

    def _hold_last(self, t_s: float, reading: float, low: float, high: float) -> None:
        held = self._track.value
        if held is None or not low <= reading <= high:
            self._track.update(t_s, reading, True, self.offset)
        else:
            self._track.hold(t_s, held)

    def _classify(self, t_s: float, shift: float) -> None:
        """Decide what the step between before and after was, and set the offset."""
        track = self._track
        was = self.offset
        if self._wet:
            # Water moved too: the step cannot be separated, so the shift learned before is used.
            self.offset = self._learned if self._lamp else 0.0
            track.raw = None
            return
        largest = max(LARGEST_FLOOR, LARGEST_SHARE * abs(self._before))
        if self._lamp:
            self.offset = shift if NOTICED <= abs(shift) <= largest else 0.0
            if abs(shift) > largest:
                track.flag_jump(t_s)
            self._learned = self.offset
        else:
            self.offset = 0.0
            left_over = shift + was
            if was == 0.0 and abs(shift) <= largest:
                self._learned = -shift if abs(shift) >= NOTICED else 0.0
            elif abs(left_over) > UNEXPLAINED:
                track.flag_jump(t_s)
        track.raw = None
        if abs(self._learned) >= FLAGGED:
            self.flagged_s = t_s
            track.faults |= INTERFERENCE
        elif track.faults & INTERFERENCE and t_s - self.flagged_s > REMEMBERED_S:
            track.faults &= ~INTERFERENCE
