"""Which notices become messages: by level and kind, once, not too often, and never leaving a wrong impression."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tomato_host.service.notify.notice import LEVELS, Notice
from tomato_host.service.notify.settings import RuleSettings

HOUR_S = 3_600.0
MOST_REMEMBERED = 500
FORGET_AFTER_S = 86_400.0
"""Of what is over and was told long ago nothing need be known."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a person reads."""

    level: str
    title: str
    text: str
    photo: bool = False


@dataclass(slots=True)
class _Known:
    """One thing as the reader believes it to be, and as it is."""

    notice: Notice
    told_at_s: float | None = None
    told_level: int = -1
    reader_thinks_open: bool = False
    open: bool = False
    held: int = 0


class Gate:
    """One rule at work. Times are monotonic seconds, so a clock that is set does not matter."""

    def __init__(self, rule: RuleSettings, most_per_hour: int) -> None:
        self._rule = rule
        self._most_per_hour = most_per_hour
        self._known: dict[str, _Known] = {}
        self._sent_at_s: deque[float] = deque(maxlen=most_per_hour)
        self.held_back = 0

    def hear(self, notice: Notice, now_s: float) -> list[Message]:
        """Take one notice; the messages that follow from it now."""
        if self._rule.kinds and notice.kind not in self._rule.kinds:
            return []
        known = self._known.get(notice.key)
        if notice.ends:
            return self._over(known, notice, now_s) if known is not None else []
        if LEVELS[notice.level] < LEVELS[self._rule.level]:
            return []
        if known is None:
            known = self._known[notice.key] = _Known(notice)
            self._forget(now_s)
        known.notice, known.open = notice, True
        if self._may_tell(known, now_s):
            return [self._tell(known, now_s)]
        known.held += 1
        self.held_back += 1
        return []

    def due(self, now_s: float) -> list[Message]:
        """What was held back, lasts still, and may be told by now."""
        out: list[Message] = []
        for known in self._known.values():
            untold = known.open and not known.reader_thinks_open and known.held > 0
            if untold and self._may_tell(known, now_s):
                out.append(self._tell(known, now_s))
        return out

    # -- inside ------------------------------------------------------------------------------------------------

    def _may_tell(self, known: _Known, now_s: float) -> bool:
        level = LEVELS[known.notice.level]
        cool = known.told_at_s is None or now_s - known.told_at_s >= self._rule.cool_down_s
        return (cool or level > known.told_level) and self._room(level, now_s)

    def _tell(self, known: _Known, now_s: float) -> Message:
        known.told_at_s, known.told_level, known.reader_thinks_open = now_s, LEVELS[known.notice.level], True
        again = f" (again; held back {known.held} x)" if known.held else ""
        known.held = 0
        self._sent_at_s.append(now_s)
        return self._message(known.notice.level, f"{known.notice.text}{again}")

    def _over(self, known: _Known, notice: Notice, now_s: float) -> list[Message]:
        was_told = known.reader_thinks_open
        known.open, known.reader_thinks_open, known.held = False, False, 0
        if not (was_told and self._rule.recovered):
            return []
        # The reader believes it lasts: this message passes even a full hour.
        self._sent_at_s.append(now_s)
        return [self._message("INFO", f"Recovered: {known.notice.text} {notice.text}".strip())]

    def _room(self, level: int, now_s: float) -> bool:
        if level == LEVELS["ALARM"] or len(self._sent_at_s) < self._most_per_hour:
            return True
        return now_s - self._sent_at_s[0] >= HOUR_S

    def _message(self, level: str, text: str) -> Message:
        return Message(level, f"Tomato {level.lower()}", text[:2_000], self._rule.photo)

    def _forget(self, now_s: float) -> None:
        if len(self._known) <= MOST_REMEMBERED:
            return
        old = [
            key
            for key, k in self._known.items()
            if not k.open and (k.told_at_s is None or now_s - k.told_at_s > FORGET_AFTER_S)
        ]
        for key in old or [next(iter(self._known))]:
            del self._known[key]
