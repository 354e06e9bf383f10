"""One sensor over time: filter its noise, check each sample, hold its faults.

`SensorTrack.update` is called for every sample and stays small; the rules are those of docs/confidence_scoring.md.
Bits instead of sets keep a sample at about a microsecond.
"""

from __future__ import annotations

from typing import Final

from shared_schemas.records import FaultType
from tomato_host.brain.estimator.channels import Channel

STUCK: Final = 1
JUMP: Final = 2
DRIFT: Final = 4
OUT_OF_RANGE: Final = 8
DISCONNECT: Final = 16
INCONSISTENT: Final = 32
INTERFERENCE: Final = 64
REVERSED: Final = 128
UNRESPONSIVE: Final = 256

FAULT_OF_BIT: Final[dict[int, FaultType]] = {
    STUCK: FaultType.STUCK_AT,
    JUMP: FaultType.JUMP,
    DRIFT: FaultType.DRIFT,
    OUT_OF_RANGE: FaultType.OUT_OF_RANGE,
    DISCONNECT: FaultType.DISCONNECT,
    INCONSISTENT: FaultType.INCONSISTENT,
    INTERFERENCE: FaultType.LIGHT_INTERFERENCE,
    REVERSED: FaultType.REVERSED,
    UNRESPONSIVE: FaultType.UNRESPONSIVE,
}

NO_VALUE: Final = STUCK | OUT_OF_RANGE | DISCONNECT
"""With one of these the sensor gives nothing that can be used."""

DISCONNECT_AFTER_S: Final = 25.0
DISCONNECT_AFTER_SAMPLES: Final = 2
RECOVERED_AFTER_S: Final = 120.0
"""A value that was missing, out of range or stuck counts again after this long without a bad sample."""
JUMP_REMEMBERED_S: Final = 7_200.0
STUCK_AFTER_SAMPLES: Final = 4
STUCK_LONGEST_S: Final = 43_200.0
FLAT_RUN_MARGIN: Final = 2.0
"""A sensor of coarse resolution may be flat longer: this many times its longest flat run that ended by itself."""
FLAT_RUN_GROWTH: Final = 1.25
"""... but one run counts for at most this many times the present limit, so that a real fault raises it little."""
FLAT_RUN_WEEK_S: Final = 604_800.0
"""Runs are remembered for one to two of these spans."""
SLOW_PACE_S: Final = 600.0
"""At this pace or slower a jump counts at once; faster, the next sample must confirm it."""
HOLD_S: Final = 60.0
"""A value may be this old and still be used; after that the state has null."""


class SensorTrack:
    """The state of one sensor. Times are seconds since the epoch and must grow from call to call."""

    __slots__ = (
        "_anchor",
        "_bad",
        "_bad_s",
        "_channel",
        "_flat_run_before_s",
        "_flat_run_s",
        "_flat_samples",
        "_flat_week_end_s",
        "_high",
        "_jump",
        "_jump_per_s",
        "_jump_share",
        "_low",
        "_missing_samples",
        "_missing_since",
        "_pending",
        "_pending_tries",
        "_seen",
        "_smooth_s",
        "_t_s",
        "changed_s",
        "excused_by",
        "faults",
        "fitted",
        "jump_s",
        "last_good_s",
        "raw",
        "reason",
        "reported",
        "settling",
        "spikes",
        "stuck_after_s",
        "value",
    )

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._low = channel.low
        self._high = channel.high
        self._jump = channel.jump
        self._jump_per_s = channel.jump_per_min / 60.0
        self._jump_share = channel.jump_share
        self._smooth_s = channel.smooth_s
        self.excused_by = channel.excused_by
        self.fitted = False
        self.faults = 0
        self.reported = 0
        """The faults as they were last reported as anomalies."""
        self.settling = False
        """True while a lamp switch keeps the reading from being checked."""
        self.value: float | None = None
        """Filtered value; None when nothing trusted is at hand."""
        self.raw: float | None = None
        """Last accepted raw value."""
        self.reason = "not_fitted"
        self.last_good_s: float | None = None
        self.jump_s = -1e12
        self.spikes = 0
        self.changed_s = 0.0
        self.stuck_after_s = channel.stuck_s
        self._anchor: float | None = None
        self._flat_samples = 0
        self._flat_run_s = 0.0
        self._flat_run_before_s = 0.0
        self._flat_week_end_s = -1e12
        self._t_s = 0.0
        self._pending: float | None = None
        self._pending_tries = 0
        self._missing_since: float | None = None
        self._missing_samples = 0
        self._bad_s = -1e12
        self._seen = 0
        self._bad = 0

    @property
    def channel(self) -> Channel:
        """The policy in force."""
        return self._channel

    def update(self, t_s: float, reading: float | None, excused: bool, offset: float = 0.0, reason: str = "") -> None:
        """Check one sample. `reading` as measured, `offset` a known interference in it, `reason` why it is None."""
        self._seen += 1
        if reading is None:
            self._on_missing(t_s, reason)
            return
        self.fitted = True
        if reading < self._low or reading > self._high:
            self._on_out_of_range(t_s)
            return
        if self._missing_since is not None:
            self._on_return(t_s)
        self._check_flatness(t_s, reading)
        # An offset subtracted from a probe that has dried out meanwhile must not leave the scale.
        corrected = reading - offset
        if offset:
            corrected = min(max(corrected, self._low), self._high)
        last = self.raw
        if last is None:
            self._accept(t_s, corrected, restart=True)
            return
        step = corrected - last
        limit = self._jump + self._jump_per_s * (t_s - self._t_s)
        if -limit < step < limit or self._within_share(step, limit, corrected, last):
            self._pending = None
            self._accept(t_s, corrected, restart=False)
        else:
            self._on_large_step(t_s, corrected, last, limit, excused)

    @property
    def trusted(self) -> float | None:
        """The filtered value, or None while a fault makes the sensor unusable."""
        return None if self.faults & NO_VALUE else self.value

    def pop_bad_share(self) -> float:
        """Share of bad samples since the last call, 0..1; starts the count anew."""
        share = self._bad / self._seen if self._seen else 0.0
        self._seen = self._bad = 0
        return share

    def flat_share(self, t_s: float) -> float:
        """Length of the present flat run as a share of the limit; 1 or more is stuck."""
        if self._flat_samples < STUCK_AFTER_SAMPLES or self._anchor is None or self._natural_flat(self._anchor):
            return 0.0
        return (t_s - self.changed_s) / self.stuck_after_s

    def hold(self, t_s: float, value: float) -> None:
        """Do not check this sample and hold `value` (while the lamp's switching disturbs a probe)."""
        self._seen += 1
        self.raw = self.value = value
        self._t_s = t_s
        self.last_good_s = t_s

    def flag_jump(self, t_s: float) -> None:
        """Flag a jump that was found outside (before and after a lamp switch)."""
        self.faults |= JUMP
        self.jump_s = t_s

    def _within_share(self, step: float, limit: float, new: float, last: float) -> bool:
        if self._jump_share == 0.0:
            return False
        return abs(step) < limit + self._jump_share * max(abs(new), abs(last))

    def _accept(self, t_s: float, value: float, restart: bool) -> None:
        """A good value: filter it and let old faults expire."""
        if restart or self.value is None:
            self.value = value
        else:
            dt = t_s - self._t_s
            self.value += (value - self.value) * dt / (self._smooth_s + dt)
        self.raw = value
        self._t_s = t_s
        self.last_good_s = t_s
        if self.faults:
            self._expire(t_s)

    def _expire(self, t_s: float) -> None:
        if self.faults & NO_VALUE and t_s - self._bad_s >= RECOVERED_AFTER_S:
            self.faults &= ~NO_VALUE
        if self.faults & JUMP and t_s - self.jump_s >= JUMP_REMEMBERED_S:
            self.faults &= ~JUMP

    def _on_missing(self, t_s: float, reason: str) -> None:
        self.reason = reason
        if reason == "not_fitted" or reason == "not_measured" or (reason == "warming_up" and self.raw is None):
            return
        if reason == "out_of_range":
            self._on_out_of_range(t_s)
            return
        self.fitted = True
        self._count_bad(t_s)
        self._missing_samples += 1
        gap_s = t_s - self._t_s
        if gap_s >= DISCONNECT_AFTER_S and (self._missing_samples >= DISCONNECT_AFTER_SAMPLES or gap_s >= SLOW_PACE_S):
            self.faults |= DISCONNECT
        self._drop_stale(t_s)

    def _on_out_of_range(self, t_s: float) -> None:
        self.fitted = True
        self.faults |= OUT_OF_RANGE
        self._count_bad(t_s)
        self._drop_stale(t_s)

    def _count_bad(self, t_s: float) -> None:
        self._bad += 1
        self._bad_s = t_s
        if self._missing_since is None:
            self._missing_since = t_s

    def _drop_stale(self, t_s: float) -> None:
        """A short gap is bridged with the last value; a longer one leaves no value at all."""
        if self.faults & NO_VALUE or self.last_good_s is None or t_s - self.last_good_s > HOLD_S:
            self.value = None

    def _on_return(self, t_s: float) -> None:
        """First value after a gap."""
        gap_s = t_s - (self.last_good_s if self.last_good_s is not None else t_s)
        self._missing_since = None
        self._missing_samples = 0
        if gap_s > HOLD_S:
            # Nothing to compare with: the level may really have changed in between.
            self.raw = None
            self._anchor = None

    def _natural_flat(self, reading: float) -> bool:
        return reading <= self._channel.flat_below or reading >= self._channel.flat_above

    def _check_flatness(self, t_s: float, reading: float) -> None:
        """Count how long the reading has not moved at all."""
        if reading != self._anchor:
            run_s = t_s - self.changed_s
            if (run_s > self._flat_run_s or t_s >= self._flat_week_end_s) and self._anchor is not None:
                self._learn_flat_run(t_s, run_s)
            self._anchor = reading
            self.changed_s = t_s
            self._flat_samples = 1
            return
        self._flat_samples += 1
        if (
            t_s - self.changed_s >= self.stuck_after_s
            and self._flat_samples >= STUCK_AFTER_SAMPLES
            and not self._natural_flat(reading)
        ):
            self.faults |= STUCK
            self._bad += 1
            self._bad_s = t_s

    def _learn_flat_run(self, t_s: float, run_s: float) -> None:
        """A flat run that ended by itself shows how coarse this sensor is; the limit follows it."""
        if t_s >= self._flat_week_end_s:
            self._flat_week_end_s = t_s + FLAT_RUN_WEEK_S
            self._flat_run_before_s, self._flat_run_s = self._flat_run_s, 0.0
        if self._anchor is not None and not self._natural_flat(self._anchor):
            self._flat_run_s = max(self._flat_run_s, min(run_s, FLAT_RUN_GROWTH * self.stuck_after_s))
        limit = FLAT_RUN_MARGIN * max(self._flat_run_s, self._flat_run_before_s)
        self.stuck_after_s = min(max(self._channel.stuck_s, limit), STUCK_LONGEST_S)

    def _on_large_step(self, t_s: float, value: float, last: float, limit: float, excused: bool) -> None:
        """A step too large to be real: excused by an event, a single spike, or a jump."""
        slow_pace = t_s - self._t_s >= SLOW_PACE_S
        if excused and abs(value - last) < limit + (limit - self._jump) * (self._channel.excused_pace - 1.0):
            self._pending = None
            self._accept(t_s, value, restart=True)
            return
        pending = self._pending
        near = self._jump + self._jump_share * abs(value)
        confirmed = slow_pace or (pending is not None and (abs(value - pending) < near or self._pending_tries >= 2))
        if confirmed:
            self._pending = None
            self._pending_tries = 0
            self.faults |= JUMP
            self.jump_s = t_s
            self._accept(t_s, value, restart=True)
            return
        self._bad += 1
        self.spikes += 1
        self._pending_tries = self._pending_tries + 1 if pending is not None else 0
        self._pending = value
