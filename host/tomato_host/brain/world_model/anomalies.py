"""Regressors of a pot's departure from its usual days: of itself, of what is measured in it, and of the pots beside it.

The usual value of an hour is the mean of the same hour on the days before. The departure of one hour is half noise;
its mean over six and over 24 hours is not. How long a departure lasts depends on the time of day, because pots are
watered by day: so it also enters multiplied by the time of day of the hour forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index, zero_if_unknown
from tomato_host.brain.world_model.data import Quantity
from tomato_host.brain.world_model.features import PAD_H, PaddedLog, median_of_known

OWN_SIZE = 12
OTHER_SIZE = 3
_SHORT_H, _LONG_H = 6, 24
_LEAST_KNOWN = 0.7
"""Share of the hours of a mean that must be known."""


@dataclass(frozen=True)
class Departures:
    """Of every hour of a padded log: less the usual at that hour, and its means over the last 6 and 24 hours."""

    now: Array
    short: Array
    long: Array


def departures(frame: PaddedLog, names: tuple[str, ...], days: int, fade: float) -> Departures:
    """Departures from the faded mean of the `days` days before, median over those of `names` that are known.

    Kept with the frame, because every horizon and every pot asks for them.
    """
    key = ("departures", names, days, fade)
    if key not in frame.kept:
        each = np.stack([_departed(frame.padded(name), days, fade) for name in names])
        now = median_of_known(each) if len(names) > 1 else each[0]  # one broken probe moves no median
        frame.kept[key] = Departures(now, _mean_of_last(now, _SHORT_H), _mean_of_last(now, _LONG_H))
    found: Departures = frame.kept[key]
    return found


def _departed(column: Array, days: int, fade: float) -> Array:
    """A padded column less the faded mean of the same hours before; NaN where either is unknown."""
    hours = np.arange(len(column)) - 24 * np.arange(1, days + 1)[:, None]
    before = np.where(hours >= 0, column[hours], np.nan)
    known, fades = np.isfinite(before), fade ** np.arange(days)
    weight = fades @ known
    usual = fades @ np.where(known, before, 0.0) / np.maximum(weight, 1e-9)
    return np.where(weight > 0.0, column - usual, np.nan)


def _mean_of_last(column: Array, hours: int) -> Array:
    known = np.isfinite(column)
    total = np.cumsum(np.where(known, column, 0.0))
    count = np.cumsum(known).astype(np.float64)
    total[hours:], count[hours:] = total[hours:] - total[:-hours], count[hours:] - count[:-hours]
    return np.where(count >= _LEAST_KNOWN * hours, total / np.maximum(count, 1.0), np.nan)


def anomaly_regressors(
    frame: PaddedLog,
    quantity: Quantity,
    beside: tuple[str, ...],
    o: Index,
    s: Index,
    lag: Index,
    days: int,
    fade: float,
) -> Array:
    """What the ridges of a pot see of origins and hours forecast [n, H]: [n, H, p].

    `beside`: the other pots. An unknown companion counts as usual; an unknown own value leaves the row out.
    """
    own = departures(frame, (quantity.name,), days, fade)
    (sine, cosine, *_), origin, same = frame.day_waves(s), o + PAD_H, s - lag + PAD_H
    now, short = own.now[origin], own.short[origin]
    columns = [np.ones(s.shape), now, own.now[same], own.long[origin], short, own.now[origin - 1]]
    columns += [sine, cosine, now * sine, now * cosine, short * sine, short * cosine]
    for names in [(name,) for name in quantity.companions] + ([beside] if beside else []):
        other = departures(frame, names, days, fade)
        columns += [zero_if_unknown(v) for v in (other.now[origin], other.now[same], other.long[origin])]
    out = np.empty((*s.shape, len(columns)))
    for k, column in enumerate(columns):
        out[:, :, k] = column
    return out


def anomaly_count(quantity: Quantity, beside: tuple[str, ...]) -> int:
    """Size of the last axis of `anomaly_regressors`."""
    return OWN_SIZE + OTHER_SIZE * (len(quantity.companions) + bool(beside))
