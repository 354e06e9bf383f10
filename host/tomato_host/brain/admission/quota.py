"""Quotas of one agent: intents an hour, and amounts a day, in rolling windows; nobody else's use counts.

An intent reserves what it asks for when it is admitted to the queue, so that two that wait cannot both use the same
rest. `settle` replaces the reservation by what became of it: the amount that the validator left, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared_schemas.records.agent_v1 import AgentV1
from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.brain.guardrails.ledger import HOUR_S
from tomato_host.brain.guardrails.rolling_window import DAY_S, RollingWindow

MILLI = 1_000
INTENTS = "intents_per_hour"
DAILY = ("water_ml_per_day", "on_s_per_day", "tokens_per_day")
"""Fields of `AgentQuotas` that count amounts; an intent's `amounts` are named so."""


class AgentUsage:
    """What one agent has used and reserved. Amounts are thousandths, so that sums stay exact."""

    __slots__ = ("_day", "_hour", "_reserved", "last_effect_s")

    def __init__(self) -> None:
        self._hour = RollingWindow(HOUR_S)
        self._day = {name: RollingWindow(DAY_S) for name in DAILY}
        self._reserved = dict.fromkeys(DAILY, 0)
        self.last_effect_s = float("-inf")

    def shift(self, by_s: float) -> None:
        """The clock was set by this much: everything stays as long ago as it was."""
        for window in (self._hour, *self._day.values()):
            window.shift(by_s)
        self.last_effect_s += by_s

    def intents(self, now_s: float) -> int:
        """Intents admitted within the last hour."""
        return self._hour.used(now_s)

    def used(self, name: str, now_s: float) -> float:
        """What the last 24 h have used of a daily quota, with what waits for its verdict."""
        return (self._day[name].used(now_s) + self._reserved[name]) / MILLI

    def reserve(self, amounts: Mapping[str, float], now_s: float) -> None:
        """Count an admitted intent and reserve what it asks for."""
        self._hour.add(now_s, 1)
        for name, amount in amounts.items():
            self._reserved[name] += round(amount * MILLI)

    def settle(self, asked: Mapping[str, float], granted: Mapping[str, float], now_s: float) -> None:
        """The verdict is in: `granted` is used, what else was reserved is free again."""
        for name, amount in asked.items():
            self._reserved[name] -= round(amount * MILLI)
        for name, amount in granted.items():
            if amount > 0.0:
                self._day[name].add(now_s, round(amount * MILLI))


def quota(case: AdmissionCase, usage: AgentUsage, now_s: float) -> Refusal | None:
    """Refuse what would exceed the agent's own quotas. Stops, safe mode and the owner are exempt."""
    if case.stops or case.exempt:
        return None
    agent = case.agent
    most = agent.quotas.intents_per_hour
    if most is not None and usage.intents(now_s) >= most:
        return Refusal("QUOTA_EXCEEDED", "intents in the last hour", float(usage.intents(now_s)), float(most), 60.0)
    for name, amount in case.amounts.items():
        limit = _limit(agent, name)
        if limit is not None and usage.used(name, now_s) + amount > limit:
            return Refusal(
                "QUOTA_EXCEEDED", f"{name}: with this intent", usage.used(name, now_s) + amount, limit, 3_600.0
            )
    return None


def cooldown(case: AdmissionCase, usage: AgentUsage, now_s: float) -> Refusal | None:
    """Refuse an effect too soon after the agent's last one."""
    pause_s = case.agent.cooldown_s
    since_s = now_s - usage.last_effect_s
    if case.stops or case.exempt or since_s >= pause_s or since_s < 0.0:  # what lies in the future does not count
        return None
    return Refusal("COOLDOWN", "since the agent's last effect, s", since_s, pause_s, pause_s - since_s)


def _limit(agent: AgentV1, name: str) -> float | None:
    limit = getattr(agent.quotas, name)
    return None if limit is None else float(limit)
