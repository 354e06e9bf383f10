"""The watchdog: resets the board when the loop has not checked in for two seconds."""

from machine import WDT, Timer

from tomato.contract import WATCHDOG_MS

_MAINTENANCE_FEED_MS = 500


class Watchdog:
    """`feed` only from a loop in which every task has checked in. Once started it cannot be stopped."""

    def __init__(self):
        self.wdt = WDT(timeout=WATCHDOG_MS)
        self.timer = None

    def feed(self):
        self.wdt.feed()

    def maintenance(self):
        """The console is in charge and all outputs are off: a timer feeds from now on."""
        self.timer = Timer(-1)
        self.timer.init(mode=Timer.PERIODIC, period=_MAINTENANCE_FEED_MS, callback=self._feed)

    def _feed(self, _timer):
        self.wdt.feed()
