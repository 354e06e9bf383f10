"""A smart plug as lamp or fan: a pure state machine that never counts as ON without an end that was read back.

The idea. The board decides: its output runs through every interlock, budget, lease and fault, whether a relay hangs on
its pin or not. The plug only follows that output. What makes it safe is not this process, the host, the broker or the
network, any of which may stop at any moment, but the plug's own off timer. So a pulse is:

    ARMING      the timer is set, and its setting is read back, before the plug is switched on
    CONFIRMING  ON is sent; the plug must report ON, and its timer that it runs, with no more left than was set
    ON          counted as ON; renewed after a third of the timer in the same two steps, so that two may fail in time
    LATCHED     what was not read back within `READ_BACK_S`, or differs, is OFF at once, and stays off until a person
                has looked and clears it; OFF is repeated until the plug reports it

A plug that somebody switches on by its button is switched off again (its timer would end it anyway). Rejected: trusting
"ON" alone (a plug whose timer was reset by an update would burn for ever), one long timer for a whole photoperiod (a
dead host would leave the lamp on for hours), and the plug as a part of the controller's own way to the outputs (then
each interlock would have to exist twice).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

READ_BACK_S = 3.0
REPEAT_OFF_S = 5.0
RENEW_SHARE = 1.0 / 3.0

PlugState = Literal["OFF", "ARMING", "CONFIRMING", "ON", "LATCHED"]
PlugOrder = Literal["arm", "on", "read", "off"]
"""What is to be sent to the plug: set its timer, switch it on, ask for its timer, switch it off."""


@dataclass(frozen=True, slots=True)
class PlugReport:
    """What a plug has said; None where it said nothing about it. `left_s`: what its running timer has left."""

    is_on: bool | None = None
    timer_s: float | None = None
    left_s: float | None = None
    is_reachable: bool | None = None
    refusal: str = ""
    """Why the plug refused what it was asked."""


class PlugGuard:
    """One plug. Times are monotonic seconds; each call returns what is to be sent now, in its order."""

    def __init__(self, off_after_s: float, latched: str = "") -> None:
        """`off_after_s`: the plug's own timer; `latched`: why it is latched since an earlier process."""
        self._off_after_s = off_after_s
        self.state: PlugState = "LATCHED" if latched else "OFF"
        self.reason = latched
        self._since_s = self._asked_off_s = float("-inf")
        self._renew_at_s = float("inf")
        self._is_on: bool | None = None
        """As the plug last reported; None: not known."""
        self._timer_runs = False

    def reconnected(self) -> None:
        """A new connection: what was under way has no answer any more; its timer, once read back, ends the pulse."""
        self._is_on, self._timer_runs = None, False
        if self.state != "LATCHED":
            self.state = "OFF"

    def clear(self) -> None:
        """A person has looked: the next pulse may be tried."""
        if self.state == "LATCHED":
            self.state, self.reason = "OFF", ""

    def tick(self, wanted: bool, now_s: float) -> list[PlugOrder]:
        """`wanted`: the board's output is on, by a status that is fresh."""
        if self.state == "LATCHED" or not wanted:
            if self.state != "LATCHED":
                self.state = "OFF"
            return self._off_until_reported(now_s)
        if self.state == "OFF":
            return self._arm(now_s)
        if self.state == "ON":
            return self._arm(now_s) if now_s >= self._renew_at_s else []
        if now_s - self._since_s > READ_BACK_S:
            what = "its off timer" if self.state == "ARMING" or self._is_on else "that it is on"
            return self._latch(f"the plug did not report {what} within {READ_BACK_S:g} s", now_s)
        return []

    def report(self, report: PlugReport, now_s: float) -> list[PlugOrder]:
        """The plug has said something."""
        if report.is_on is not None:
            self._is_on = report.is_on
        if report.is_reachable is False and self.state in ("ARMING", "CONFIRMING", "ON"):
            return self._latch("the plug has left the broker", now_s)
        if report.refusal and self.state in ("ARMING", "CONFIRMING"):
            return self._latch(f"the plug refused: {report.refusal}", now_s)
        if report.timer_s is not None and self.state != "LATCHED" and report.timer_s != self._off_after_s:
            return self._on_other_timer(report.timer_s, now_s)
        if self.state == "ARMING" and report.timer_s is not None:
            self.state, self._since_s, self._timer_runs = "CONFIRMING", now_s, False
            return ["on", "read"]
        if self.state in ("CONFIRMING", "ON"):
            return self._on_running(report, now_s)
        return []

    # -- inside ------------------------------------------------------------------------------------------------

    def _arm(self, now_s: float) -> list[PlugOrder]:
        self.state, self._since_s = "ARMING", now_s
        return ["arm"]

    def _on_other_timer(self, timer_s: float, now_s: float) -> list[PlugOrder]:
        """Nobody else may set the timer; in OFF a leftover of the factory's is no fault, it will be set anew."""
        if self.state == "OFF":
            return []
        return self._latch(
            f"the plug's off timer is {timer_s:g} s, not the {self._off_after_s:g} s that were set", now_s
        )

    def _on_running(self, report: PlugReport, now_s: float) -> list[PlugOrder]:
        if report.left_s is not None:
            self._timer_runs = 0.0 < report.left_s <= self._off_after_s
            if not self._timer_runs and self._is_on:
                return self._latch("the plug is on and its off timer does not run", now_s)
        if self.state == "CONFIRMING" and self._is_on and self._timer_runs:
            self.state, self._renew_at_s = "ON", now_s + RENEW_SHARE * self._off_after_s
        elif self.state == "ON" and report.is_on is False:
            self.state = "OFF"  # by its button or its timer: the next tick begins a new pulse
        return []

    def _latch(self, reason: str, now_s: float) -> list[PlugOrder]:
        self.state, self.reason, self._asked_off_s = "LATCHED", reason, now_s
        return ["off"]

    def _off_until_reported(self, now_s: float) -> list[PlugOrder]:
        if self._is_on is False or now_s - self._asked_off_s < REPEAT_OFF_S:
            return []
        self._asked_off_s = now_s
        return ["off"]
