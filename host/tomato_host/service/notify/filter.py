"""Which notices become messages: by level and kind, once, rate-limited, and never leaving a stale impression."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tomato_host.service.notify.notice import LEVELS, Notice
from tomato_host.service.notify.settings import RuleSettings

HOUR_S = 3_600.0
MOST_REMEMBERED = 500
FORGET_AFTER_S = 86_400.0
"""What is over and was sent that long ago is forgotten."""


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent."""

    level: str
    title: str
    text: str
    photo: bool = False


@dataclass(slots=True)
class _Tracked:
    """One condition: as it is, and as the reader last learnt it."""

    notice: Notice
    sent_at_s: float | None = None
    sent_level: int = -1
    reader_thinks_open: bool = False
    open: bool = False
    held: int = 0


class NotificationFilter:
    """One rule of `[[notify.rules]]`. Times are monotonic seconds, so a clock that is set does not matter."""

    def __init__(self, rule: RuleSettings, most_per_hour: int) -> None:
        self._rule = rule
        self._most_per_hour = most_per_hour
        self._tracked: dict[str, _Tracked] = {}
        self._sent_at_s: deque[float] = deque(maxlen=most_per_hour)
        self.held_back = 0

    def apply(self, notice: Notice, now_s: float) -> list[Notification]:
        """The messages that follow from one notice now."""
        if self._rule.kinds and notice.kind not in self._rule.kinds:
            return []
        tracked = self._tracked.get(notice.key)
        if notice.ends:
            return self._end(tracked, notice, now_s) if tracked is not None else []
        if LEVELS[notice.level] < LEVELS[self._rule.level]:
            return []
        if tracked is None:
            tracked = self._tracked[notice.key] = _Tracked(notice)
            self._forget(now_s)
        tracked.notice, tracked.open = notice, True
        if self._may_send(tracked, now_s):
            return [self._send(tracked, now_s)]
        tracked.held += 1
        self.held_back += 1
        return []

    def due(self, now_s: float) -> list[Notification]:
        """What was held back, still lasts, and may be sent by now."""
        out: list[Notification] = []
        for tracked in self._tracked.values():
            unsent = tracked.open and not tracked.reader_thinks_open and tracked.held > 0
            if unsent and self._may_send(tracked, now_s):
                out.append(self._send(tracked, now_s))
        return out

    # -- inside ------------------------------------------------------------------------------------------------

    def _may_send(self, tracked: _Tracked, now_s: float) -> bool:
        level = LEVELS[tracked.notice.level]
        cool = tracked.sent_at_s is None or now_s - tracked.sent_at_s >= self._rule.cool_down_s
        return (cool or level > tracked.sent_level) and self._within_hourly_limit(level, now_s)

    def _send(self, tracked: _Tracked, now_s: float) -> Notification:
        tracked.sent_at_s, tracked.sent_level, tracked.reader_thinks_open = now_s, LEVELS[tracked.notice.level], True
        again = f" (again; held back {tracked.held} x)" if tracked.held else ""
        tracked.held = 0
        self._sent_at_s.append(now_s)
        return self._message(tracked.notice.level, f"{tracked.notice.text}{again}")

    def _end(self, tracked: _Tracked, notice: Notice, now_s: float) -> list[Notification]:
        was_sent = tracked.reader_thinks_open
        tracked.open, tracked.reader_thinks_open, tracked.held = False, False, 0
        if not (was_sent and self._rule.recovered):
            return []
        # The reader believes that it lasts: this message passes even the hourly limit.
        self._sent_at_s.append(now_s)
        return [self._message("INFO", f"Recovered: {tracked.notice.text} {notice.text}".strip())]

    def _within_hourly_limit(self, level: int, now_s: float) -> bool:
        if level == LEVELS["ALARM"] or len(self._sent_at_s) < self._most_per_hour:
            return True
        return now_s - self._sent_at_s[0] >= HOUR_S

    def _message(self, level: str, text: str) -> Notification:
        return Notification(level, f"Tomato {level.lower()}", text[:2_000], self._rule.photo)

    def _forget(self, now_s: float) -> None:
        if len(self._tracked) <= MOST_REMEMBERED:
            return
        old = [
            key
            for key, k in self._tracked.items()
            if not k.open and (k.sent_at_s is None or now_s - k.sent_at_s > FORGET_AFTER_S)
        ]
        for key in old or [next(iter(self._tracked))]:
            del self._tracked[key]
