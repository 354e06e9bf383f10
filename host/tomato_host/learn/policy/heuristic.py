"""The deterministic core: germinate where nothing grows, cull what clearly harms, else nothing.

And three yet simpler ones, which a learned policy must beat before it decides: never, a fixed schedule, greedy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tomato_host.learn.policy.field_reports import Choice
from tomato_host.learn.policy.view import FEATURES, PolicyAction

Core = Callable[[Sequence[float], Sequence[int]], Choice]
"""From features and allowed actions to a choice."""

_AT = {name: i for i, name in enumerate(FEATURES)}
HARM = 0.6
"""Ten times the share of error that a block adds, above which it is culled: 6 %."""
SCHEDULE_DAYS = 30


def heuristic(features: Sequence[float], allowed: Sequence[int]) -> Choice:
    """Cull a block that makes its forecast 6 % worse; else germinate a medium one while fewer than half grow."""
    if PolicyAction.CULL_WORST in allowed and features[_AT["worst_change"]] > HARM:
        return Choice(PolicyAction.CULL_WORST)
    if PolicyAction.GERMINATE_MEDIUM in allowed:
        return Choice(PolicyAction.GERMINATE_MEDIUM)
    return Choice(PolicyAction.NOTHING)


def never(features: Sequence[float], allowed: Sequence[int]) -> Choice:
    """Never grow anything."""
    return Choice(PolicyAction.NOTHING)


def scheduled(features: Sequence[float], allowed: Sequence[int]) -> Choice:
    """Germinate a medium block on every thirtieth day."""
    day = round(features[_AT["days_of_season"]] * 150.0)
    wanted = day % SCHEDULE_DAYS == 1 and PolicyAction.GERMINATE_MEDIUM in allowed
    return Choice(PolicyAction.GERMINATE_MEDIUM if wanted else PolicyAction.NOTHING)


def greedy(features: Sequence[float], allowed: Sequence[int]) -> Choice:
    """Germinate the largest block at once, cull at the first sign of harm."""
    if PolicyAction.CULL_WORST in allowed and features[_AT["worst_change"]] > 0.0:
        return Choice(PolicyAction.CULL_WORST)
    if PolicyAction.GERMINATE_LARGE in allowed:
        return Choice(PolicyAction.GERMINATE_LARGE)
    return Choice(PolicyAction.NOTHING)


BASELINES: dict[str, Core] = {"never": never, "schedule": scheduled, "greedy": greedy}
