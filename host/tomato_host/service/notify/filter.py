"""Which notices become messages: one a cause, once, worse at once, escalated and repeated while it lasts, rate-limited.

Everything is counted by cause (`Notice.subject`): the anomaly, the board's fault and the mode that come from one leak
are one message, and one "Recovered" when the last of them has ended. A notice that only follows from others (`follows`)
waits FOLLOWS_WAIT_S for the message that names the cause, and is sent by itself only if none comes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tomato_host.service.notify.notice import Notice
from tomato_host.service.notify.settings import RuleSettings
from tomato_host.service.notify.urgency import LEVELS

HOUR_S = 3_600.0
MOST_REMEMBERED = 500
MOST_AFTER_QUIET = 20
FORGET_AFTER_S = 86_400.0
"""What is over and was sent that long ago is forgotten."""
RECENTLY_S = 900.0
"""What a board reports when its link is back belongs to the message about the link, which has ended by then."""
NEXT_DOSE_S = 3 * HOUR_S
"""So long after a fault that stopped water the next dose has shown whether it arrives again."""
FOLLOWS_WAIT_S = 60.0
"""The board's fault and its health arrive within seconds of each other, in any order."""
ALARM = LEVELS["ALARM"]
NAME_OF_LEVEL = {number: name for name, number in LEVELS.items()}


@dataclass(frozen=True, slots=True)
class Notification:
    """What is sent."""

    level: str
    title: str
    text: str
    photo: bool = False
    cause: str = ""
    """What an acknowledgement of this message is about; empty: there is nothing that lasts."""


@dataclass(slots=True)
class _Tracked:
    """One cause: as it is, and as the reader last learnt it."""

    notice: Notice
    """The worst one of it, in whose words it is sent."""
    began_at_s: float
    open_keys: dict[str, Notice] = field(default_factory=dict)
    sent_at_s: float | None = None
    sent_level: int = -1
    reader_thinks_open: bool = False
    held: int = 0
    waits_until_s: float | None = None
    first_text: str = ""
    """The words in which it was first sent since it began."""
    told_keys: set[str] = field(default_factory=set)
    """All that belonged to it since it began."""
    ended_at_s: float | None = None
    """When the reader was told that it has ended."""
    acknowledged_until_s: float | None = None
    acknowledged_level: int = -1

    @property
    def open(self) -> bool:
        return bool(self.open_keys)

    def level(self, now_s: float) -> int:
        """The level by now: what lasts too long is an alarm."""
        after_h = self.notice.alarm_after_h
        late = after_h is not None and self.open and now_s - self.began_at_s >= after_h * HOUR_S
        return ALARM if late and self.notice.lasts else LEVELS[self.notice.level]

    def named_lately(self, now_s: float, within_s: float) -> Iterable[str]:
        """Keys of what the reader was told: of what lasts, and of what has ended that short a time ago."""
        lately = self.ended_at_s is not None and now_s - self.ended_at_s < within_s
        return self.told_keys if lately or self.reader_thinks_open else ()

    def is_acknowledged(self, now_s: float) -> bool:
        """Whether a reader takes care of it, and it is no worse than the reader knew."""
        until_s = self.acknowledged_until_s
        return until_s is not None and now_s < until_s and LEVELS[self.notice.level] <= self.acknowledged_level

    def rings_always(self, now_s: float) -> bool:
        """Whether it is sent in quiet hours: an alarm, and what harms the plant within a day."""
        return self.level(now_s) == ALARM or self.notice.harms_within_a_day


class NotificationFilter:
    """One rule of `[[notify.rules]]`. Times are monotonic seconds, so a clock that is set does not matter."""

    def __init__(
        self, rule: RuleSettings, most_per_hour: int, tent: str = "", acknowledged_s: float = 12 * HOUR_S
    ) -> None:
        """`tent`: the installation's name, in every title; `acknowledged_s`: how long an acknowledgement holds."""
        self._rule = rule
        self._most_per_hour = most_per_hour
        self._tent = tent
        self._acknowledged_s = acknowledged_s
        self._after_quiet: list[Notification] = []
        self._tracked: dict[str, _Tracked] = {}
        self._sent_at_s: deque[float] = deque(maxlen=most_per_hour)
        self.held_back = 0

    def apply(self, notice: Notice, now_s: float, *, quiet: bool = False) -> list[Notification]:
        """The messages that follow from one notice now. `quiet`: it is in quiet hours; what can wait is held back."""
        if self._rule.kinds and notice.kind not in self._rule.kinds:
            return []
        tracked = self._tracked.get(notice.subject)
        if notice.ends:
            return self._end(tracked, notice, now_s, quiet) if tracked is not None else []
        if not notice.lasts and LEVELS[notice.level] < LEVELS[self._rule.level]:
            return []
        tracked = self._track(tracked, notice, now_s)
        if LEVELS[notice.level] < LEVELS[self._rule.level]:
            return []
        waits = bool(notice.follows or notice.may_pass)
        if tracked.reader_thinks_open:  # again, of what was sent by itself
            waits = self._explained(notice, now_s)
        if waits and tracked.notice is notice and tracked.waits_until_s is None:
            tracked.waits_until_s = now_s + FOLLOWS_WAIT_S
        is_covered = bool(notice.covered_by) and self._explained(notice, now_s)
        if tracked.waits_until_s is None and not is_covered and self._may_send(tracked, now_s, quiet):
            return [self._send(tracked, now_s)]
        tracked.held += 1
        self.held_back += 1
        return []

    def acknowledge(self, cause: str, now_s: float) -> bool:
        """A reader takes care of this cause: no repetition and no escalation by time until it ends or gets worse."""
        tracked = self._tracked.get(cause)
        if tracked is None or not tracked.open:
            return False
        tracked.acknowledged_until_s = now_s + self._acknowledged_s
        tracked.acknowledged_level = LEVELS[tracked.notice.level]
        return True

    def due(self, now_s: float, *, quiet: bool = False) -> list[Notification]:
        """What was held back, has become worse or is to be repeated, still lasts, and may be sent by now."""
        out: list[Notification] = []
        if not quiet:
            out, self._after_quiet = self._after_quiet, []
        for tracked in list(self._tracked.values()):
            until_s = tracked.waits_until_s
            if until_s is not None and (now_s < until_s or self._settle_wait(tracked, now_s)):
                continue
            if tracked.open and self._wants_sending(tracked, now_s) and self._may_send(tracked, now_s, quiet):
                out.append(self._send(tracked, now_s))
        return out

    # -- inside ------------------------------------------------------------------------------------------------

    def _track(self, tracked: _Tracked | None, notice: Notice, now_s: float) -> _Tracked:
        if tracked is None:
            tracked = self._tracked[notice.subject] = _Tracked(notice, now_s)
            self._forget(now_s)
        if not tracked.open:
            tracked.notice, tracked.began_at_s, tracked.acknowledged_until_s = notice, now_s, None
            tracked.first_text, tracked.ended_at_s = "", None
            tracked.told_keys.clear()
        elif LEVELS[notice.level] > LEVELS[tracked.notice.level] or notice.key == tracked.notice.key:
            tracked.notice = notice
        tracked.open_keys[notice.key] = notice
        tracked.told_keys.add(notice.key)
        return tracked

    def _settle_wait(self, tracked: _Tracked, now_s: float) -> bool:
        """The wait of a notice that follows from others is over; True when another message has named the cause."""
        tracked.waits_until_s = None
        if not self._explained(tracked.notice, now_s):
            return False
        tracked.reader_thinks_open, tracked.held = True, 0
        tracked.sent_at_s, tracked.sent_level = now_s, tracked.level(now_s)
        return True

    def _wants_sending(self, tracked: _Tracked, now_s: float) -> bool:
        level = tracked.level(now_s)
        if level < LEVELS[self._rule.level]:
            return False
        if tracked.notice.covered_by and self._explained(tracked.notice, now_s):
            return False
        if not tracked.reader_thinks_open:
            return tracked.held > 0 or level > tracked.sent_level
        if not tracked.notice.lasts or tracked.sent_at_s is None or tracked.notice.follows:
            return False
        repeat_s = self._rule.repeat_s
        return level > tracked.sent_level or (
            level == ALARM and repeat_s > 0.0 and now_s - tracked.sent_at_s >= repeat_s
        )

    def _explained(self, notice: Notice, now_s: float) -> bool:
        """Whether a message that the reader has seen, and that is not long over, names what this one follows from."""
        causes, within_s = (*notice.follows, *notice.covered_by), NEXT_DOSE_S if notice.covered_by else RECENTLY_S
        return bool(causes) and any(
            any(key.startswith(causes) for key in other.named_lately(now_s, within_s))
            for other in self._tracked.values()
            if notice.key not in other.open_keys
        )

    def _may_send(self, tracked: _Tracked, now_s: float, quiet: bool) -> bool:
        if tracked.is_acknowledged(now_s) or (quiet and not tracked.rings_always(now_s)):
            return False
        level = tracked.level(now_s)
        cool = tracked.sent_at_s is None or now_s - tracked.sent_at_s >= self._rule.cool_down_s
        return (cool or level > tracked.sent_level) and self._within_hourly_limit(level, now_s)

    def _send(self, tracked: _Tracked, now_s: float) -> Notification:
        level, lasts_s = tracked.level(now_s), now_s - tracked.began_at_s
        is_first, still = (
            tracked.sent_at_s is None,
            tracked.reader_thinks_open and tracked.notice.lasts and lasts_s >= HOUR_S,
        )
        tracked.sent_at_s, tracked.sent_level, tracked.reader_thinks_open = now_s, level, True
        held = tracked.held - int(bool(tracked.notice.follows or tracked.notice.may_pass))  # its own wait is none
        again = f" ({'' if is_first else 'again; '}held back {held} x)" if held > 0 else ""
        tracked.held = 0
        self._sent_at_s.append(now_s)
        notice = tracked.notice
        tracked.first_text = tracked.first_text or notice.name or notice.text
        text = f"{notice.text}{again}"
        if notice.do and level >= LEVELS["WARNING"]:
            text = f"{text.rstrip('.')}. {notice.do}"
        shown = f"For {lasts_s / HOUR_S:.0f} h now: {text}" if still else text
        cause = notice.subject if notice.lasts and level >= LEVELS["WARNING"] else ""
        return self._message(NAME_OF_LEVEL[level], shown, cause)

    def _end(self, tracked: _Tracked, notice: Notice, now_s: float, quiet: bool) -> list[Notification]:
        tracked.open_keys.pop(notice.key, None)
        told = tracked.notice
        if tracked.open:
            if told.key != notice.key:
                return []
            # What lasts is said in its own words; what is no more than worth knowing began for the reader just now.
            tracked.notice = max(tracked.open_keys.values(), key=lambda left: LEVELS[left.level])
            if LEVELS[tracked.notice.level] >= LEVELS[self._rule.level] or told.level == tracked.notice.level:
                return []
            tracked.began_at_s, tracked.sent_level = now_s, -1
        tracked.acknowledged_until_s = None
        was_sent = tracked.reader_thinks_open and tracked.waits_until_s is None
        follows = told.follows
        tracked.reader_thinks_open, tracked.held, tracked.waits_until_s = False, 0, None
        if not (was_sent and self._rule.recovered) or follows:
            return []
        # The reader believes that it lasts: this message passes even the hourly limit.
        tracked.ended_at_s = now_s
        message = self._message("INFO", _recovered(tracked.first_text, notice))
        tracked.first_text = ""
        if quiet and not tracked.rings_always(now_s):
            self._after_quiet = [*self._after_quiet, message][-MOST_AFTER_QUIET:]
            return []
        self._sent_at_s.append(now_s)
        return [message]

    def _within_hourly_limit(self, level: int, now_s: float) -> bool:
        if level == ALARM or len(self._sent_at_s) < self._most_per_hour:
            return True
        return now_s - self._sent_at_s[0] >= HOUR_S

    def _message(self, level: str, text: str, cause: str = "") -> Notification:
        title = f"Tomato {level.lower()}" + (f": {self._tent}" if self._tent else "")
        return Notification(level, title, text[:2_000], self._rule.photo, cause)

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


def _recovered(before: str, end: Notice) -> str:
    """`Recovered: Vpd high: vpd 2.51 kPa, limit 2.5 kPa; now vpd 1.02 kPa`: as it was first sent, the reading of now.

    The next step that was asked for is none any more.
    """
    before = before.split(" Next: ")[0]
    if end.kind == "anomaly":
        name, _, now = end.text.partition(": ")
        return f"Recovered: {before}" + (f"; now {now}" if now and before.startswith(name) else "")
    after = "" if end.text == before else end.text
    return f"Recovered: {before}" + (f"{'' if before.endswith('.') else '.'} {after}" if after else "")
