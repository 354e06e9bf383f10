"""The hardware timer that ends the soonest pulse even when the loop hangs: the first of three enforcers."""

from machine import Timer


class Deadline:
    """One one-shot timer for the pulse that ends first; the safety tick re-arms it for the next."""

    def __init__(self, outputs, timer_id=-1):
        self.outputs = outputs
        self.timer = Timer(timer_id)
        self.mask = 0
        self.end_ms = -1
        # A bound method is an object: made once, because an interrupt may not allocate.
        self._callback = self._fire
        self._hard = True

    def arm(self, now_ms, in_ms, mask):
        """Cut the outputs of `mask` in `in_ms` from `now_ms`; -1: nothing runs, disarm."""
        end_ms = now_ms + in_ms if in_ms >= 0 else -1
        if end_ms == self.end_ms and mask == self.mask:
            return
        self.timer.deinit()
        self.end_ms = end_ms
        self.mask = mask
        if in_ms >= 0:
            self.outputs.uncut()
            self._start(max(1, in_ms))

    def over(self, now_ms):
        """True when a decision made for `now_ms` already knows of the end this was armed for.

        What that decision still wants on was prolonged or is forced, and is no longer the business of the cut.
        """
        return 0 <= self.end_ms <= now_ms

    def shift(self, by_ms):
        """A new epoch has begun: see core.clock64. What is armed stays armed."""
        if self.end_ms >= 0:
            self.end_ms -= by_ms

    def _start(self, in_ms):
        if self._hard:
            try:
                self.timer.init(mode=Timer.ONE_SHOT, period=in_ms, callback=self._callback, hard=True)
                return
            except (TypeError, ValueError):  # a port without hard timers: it does not know the word, or refuses it
                self._hard = False
        self.timer.init(mode=Timer.ONE_SHOT, period=in_ms, callback=self._callback)

    def _fire(self, _timer):
        self.outputs.cut(self.mask)
