"""Quiet hours: a span of the local day in which only what harms the plant soon is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` until `end` by the clock on the wall, over midnight where `end` is the earlier one."""

    begin: time
    end: time
    zone: ZoneInfo

    def cover(self, now: datetime) -> bool:
        """Whether this moment (aware) is in them."""
        local = now.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end


def quiet_hours(begin: str, end: str, zone: str) -> QuietHours | None:
    """From two settings as HH:MM; None when they are empty."""
    if not begin or not end:
        return None
    return QuietHours(time.fromisoformat(begin), time.fromisoformat(end), ZoneInfo(zone))
