"""The watchdog: resets the board when the loop has not checked in for two seconds."""

from machine import WDT, Timer

from tomato.contract import WATCHDOG_MS

_MAINTENANCE_FEED_MS = 500
# A console that nobody leaves must not keep the plant waiting for ever: then the watchdog resets the board.
_MAINTENANCE_FEEDS = 7_200  # an hour


class Watchdog:
    """`feed` only from a loop in which every task has checked in. Once started it cannot be stopped."""

    def __init__(self, timer_id=-1):
        self.wdt = WDT(timeout=WATCHDOG_MS)
        self.timer_id = timer_id
        self.timer = None
        self.left = _MAINTENANCE_FEEDS

    def feed(self):
        self.wdt.feed()

    def maintenance(self):
        """The console is in charge and all outputs are off: a timer feeds from now on, for an hour."""
        self.wdt.feed()
        self.timer = Timer(self.timer_id)
        self.timer.init(mode=Timer.PERIODIC, period=_MAINTENANCE_FEED_MS, callback=self._feed)

    def _feed(self, _timer):
        if self.left:
            self.left -= 1
            self.wdt.feed()
