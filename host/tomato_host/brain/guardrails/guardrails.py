"""The only way to the board: every proposal of any origin is validated, clipped, committed or refused.

Two phases. `judge` gives a verdict and, when it allows, reserves the amount in the ledger. The executor then asks
`allocate` before every pulse it sends, calls `settle` with the board's RESULT, and `release` when the action is over.
What is under way or delivered counts against the budgets; what was never allocated is free again.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from shared_schemas.devices import OUTPUTS
from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType, ActionV1, Check, Outcome, Params, Safety
from tomato_host.brain.guardrails.context import GuardContext, ProposalCase, RuleFinding
from tomato_host.brain.guardrails.ledger import Hold, Ledger
from tomato_host.brain.guardrails.limits import MILLI, OUTPUT_NAMES, build_limits, check_thresholds
from tomato_host.brain.guardrails.profiles import DOSES, OWN_ORIGINS, PROFILES, RANK
from tomato_host.brain.guardrails.refusal_text import finding_text, possible_again
from tomato_host.brain.guardrails.rules import CLIPPING, OFF_RULES, REFUSING, RULE_NAMES, asker, asks_for, hold_key
from tomato_host.brain.guardrails.settings import GuardSettings
from tomato_host.brain.settings import BudgetSettings

GRACE_S = 120.0
"""A hold outlasts its span by this much: the board's minimum pauses push the last pulse back."""
LONGEST_S = 21_600.0
"""No settings allow an action that reaches further (`GuardSettings.longest_s`)."""
PART_S = 900.0
OFF_NAMES = tuple(name for name, _ in OFF_RULES)
MOST_MILLI = 86_400 * MILLI
EXCLUDES: dict[str, tuple[str, ...]] = {
    row.action: tuple(other.name for other in OUTPUTS if other.group == row.group and not other.vents)
    for row in OUTPUTS
    if row.vents
}
"""Air out goes before gas in: an accepted exhaust ends the holds of its interlock group, a running CO2 dose."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guardrails says. `action` is the proposal with its verdict written into `safety` (and clipped `params`).

    When refused, `rule`, `value` and `limit` name what refused it; when clipped, the last rule that clipped.
    """

    action: ActionV1
    allowed: bool
    rule: str | None = None
    value: float | None = None
    limit: float | None = None
    checks: tuple[Check, ...] = ()
    preempts: tuple[str, ...] = ()
    """Outputs whose running action the executor must stop first."""
    repeated: bool = False
    """The answer of before to an id that came again: it is recorded and carried out already."""


def _check(rule: str, finding: RuleFinding, now: datetime) -> Check:
    """A finding as it stands in the record. Built without validation: this runs on every verdict."""
    return Check.model_construct(
        rule=rule,
        ok=finding.milli is not None,
        value=finding.value,
        limit=finding.limit,
        unit=finding.unit,
        again_ts=possible_again(finding, now),
        text=finding_text(finding, now),
    )


def refused(
    action: ActionV1, rule: str, finding: RuleFinding, before: tuple[Check, ...] = (), now: datetime | None = None
) -> Verdict:
    """The verdict that refuses `action` by `rule`, after the checks `before`; `now` only words the text."""
    check = _check(rule, finding, now or action.ts)
    if check.ok:  # clipped to nothing worth doing: a refusal by the rule that clipped
        check = check.model_copy(update={"ok": False})
    safety = Safety.model_construct(
        validated=False, guardrails=RULE_NAMES, refused_by=rule, clipped_by=(), checks=(*before, check)
    )
    return Verdict(
        action.model_copy(update={"safety": safety}), False, rule, finding.value, finding.limit, (*before, check)
    )


def _clipped_params(case: ProposalCase) -> Params:
    """The params with the amount that is left; pulses are as many as the board needs for it."""
    params = case.action.params
    if case.kind in DOSES:
        pulses = max(params.pulses or 1, -(-case.milli // case.limit.pulse_milli))
        return params.model_copy(update={"ml": case.milli / MILLI, "pulses": pulses})
    return params.model_copy(update={"seconds": case.milli / MILLI})


def _parts(action: ActionV1, outcome: Outcome) -> list[tuple[float, int]]:
    """When an action delivered how much, as (epoch seconds, thousandths).

    A record has the sum alone. A dose is counted at its end. Hours of light counted at their end would fill the day's
    budget with what is long past, so on-time is spread evenly over the action, a part for each quarter of an hour.
    """
    ended_s = (outcome.finished_ts or action.ts).timestamp()
    milli = round(((outcome.delivered_ml if action.type in DOSES else outcome.delivered_s) or 0.0) * MILLI)
    lasted_s = ended_s - action.ts.timestamp()
    # A longer span than any action has, or none, is that of a clock that was set in between.
    even = action.type not in DOSES and 0.0 < lasted_s <= LONGEST_S + GRACE_S
    count = max(1, ceil(lasted_s / PART_S)) if even else 1
    ends = [milli * (part + 1) // count for part in range(count)]
    return [
        (ended_s - (count - 1 - part) * lasted_s / count, end - before)
        for part, (before, end) in enumerate(zip([0, *ends], ends, strict=False))
        if end > before
    ]


class Guardrails:
    """The guardrails. Deterministic: equal settings, ledger and calls give equal verdicts."""

    def __init__(
        self,
        settings: GuardSettings | None = None,
        budgets: BudgetSettings | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """Raises ValueError when the settings are wider than the board's own limits."""
        self.settings = settings or GuardSettings()
        check_thresholds(self.settings)
        self.limits = build_limits(self.settings, budgets or BudgetSettings())
        self.ledger = ledger or Ledger(OUTPUT_NAMES)

    # phase one
    def judge(self, proposal: ActionV1, context: GuardContext) -> Verdict:
        """Judge one proposal now. An allowed one holds its output and its amount until released."""
        now_s = context.now.timestamp()
        if proposal.type not in OUTPUT_OF:
            return self._no_output(proposal, now_s)
        milli, span_s = asks_for(proposal)
        off = proposal.params.state == "OFF"
        limit = self.limits[proposal.type]
        if not (limit.least_milli <= milli <= MOST_MILLI or (off and milli == 0)):
            asked, least = milli / MILLI, limit.least_milli / MILLI
            nonsense = RuleFinding(asked, least, "amount too small, too large or no number")
            return refused(proposal, "schema", nonsense, now=context.now)
        case = ProposalCase(
            action=proposal,
            kind=proposal.type,
            rank=RANK[proposal.origin],
            milli=milli,
            span_s=min(span_s, float(self.settings.longest_s)),
            now_s=now_s,
            context=context,
            limit=limit,
            profile=PROFILES[context.mode],
            settings=self.settings,
            ledger=self.ledger,
        )
        for name, rule in OFF_RULES if off else REFUSING:
            finding = rule(case)
            if finding is not None:
                return refused(proposal, name, finding, now=context.now)
        return self._allow_off(case) if off else self._clip_and_allow(case)

    def preview(self, proposal: ActionV1, context: GuardContext) -> Verdict:
        """The verdict that `judge` would give, with nothing reserved: for shadow and for what-if."""
        ledger = self.ledger
        self.ledger = deepcopy(ledger)
        try:
            return self.judge(proposal, context)
        finally:
            self.ledger = ledger

    def _no_output(self, proposal: ActionV1, now_s: float) -> Verdict:
        """STOP_ALL always passes and ends every hold; NO_ACTION is only recorded."""
        preempts: tuple[str, ...] = ()
        if proposal.type is ActionType.STOP_ALL:
            preempts = tuple(name for name in OUTPUT_NAMES if self.ledger.hold(name, now_s) is not None)
            for name in preempts:
                self.ledger.end_hold(name)
        safety = Safety.model_construct(validated=True, guardrails=(), refused_by=None, clipped_by=(), checks=())
        return Verdict(proposal.model_copy(update={"safety": safety}), True, preempts=preempts)

    def _clip_and_allow(self, case: ProposalCase) -> Verdict:
        limit, checks = case.limit, tuple[Check, ...]()
        last: tuple[str, RuleFinding] | None = None
        for name, rule in CLIPPING:
            finding = rule(case)
            if finding is None:
                continue
            if finding.milli is None or finding.milli < limit.least_milli:
                return refused(case.action, name, finding, checks, case.context.now)
            case.milli = finding.milli
            checks, last = (*checks, _check(name, finding, case.context.now)), (name, finding)
        return self._reserve(case, checks, last)

    def _allow_off(self, case: ProposalCase) -> Verdict:
        """OFF with seconds keeps the output off that long against lower ranks; without, it only ends the hold."""
        return self._reserve(case, (), None)

    def _reserve(self, case: ProposalCase, checks: tuple[Check, ...], last: tuple[str, RuleFinding] | None) -> Verdict:
        output, key = case.limit.output, hold_key(case.action)
        affected = [output]
        if case.milli > 0 and case.kind in EXCLUDES:
            affected += EXCLUDES[case.kind]
        preempts = tuple(name for name in affected if self.ledger.hold(name, case.now_s) is not None)
        for name in preempts:
            self.ledger.end_hold(name)
        self.ledger.remember(key)
        hold = Hold(key, case.rank, case.milli, case.now_s + case.span_s + GRACE_S, case.now_s)
        self.ledger.reserve(output, hold, asker(case.action), case.now_s)
        names = RULE_NAMES if case.milli else OFF_NAMES
        # The brain's own ids never come again; of others the asked parameters tell a retry from another intent.
        asked = case.action.params if last is not None and case.action.origin not in OWN_ORIGINS else None
        clipped_by = tuple(c.rule for c in checks)
        safety = Safety.model_construct(
            validated=True, guardrails=names, refused_by=None, clipped_by=clipped_by, checks=checks, asked=asked
        )
        update: dict[str, Any] = {"safety": safety}
        if last is not None:
            update["params"] = _clipped_params(case)
        rule, finding = last if last is not None else (None, RuleFinding(None, None, ""))
        action = case.action.model_copy(update=update)
        return Verdict(action, True, rule, finding.value, finding.limit, checks, preempts)

    # phase two
    def allocate(self, action: ActionV1, amount: float, now: datetime) -> float:
        """How much of `amount` (ml or s) one pulse for this accepted action may take now; ledger it as under way.

        0.0 means: not now (hour or day full, hold over or taken by another). Never more than one pulse of the board.
        """
        limit, now_s = self.limits[action.type], now.timestamp()
        held = self.ledger.hold(limit.output, now_s)
        if held is None or held.key != hold_key(action):
            return 0.0
        milli = min(
            int(amount * MILLI),
            held.left_milli,
            limit.pulse_milli,
            limit.hour_milli - self.ledger.hour_used(limit.output, now_s),
            limit.day_milli - self.ledger.day_used(limit.output, now_s),
        )
        if milli <= 0:
            return 0.0
        self.ledger.allocate(limit.output, milli)
        return milli / MILLI

    def settle(self, action: ActionV1, drawn: float, delivered: float, now: datetime) -> None:
        """The board's RESULT for a pulse: `drawn` as `allocate` gave it, `delivered` as the board measured it."""
        output = self.limits[action.type].output
        self.ledger.settle(output, round(drawn * MILLI), round(delivered * MILLI), now.timestamp())

    def refund(self, action: ActionV1, drawn: float) -> None:
        """The board refused a pulse before it began: what was drawn for it may be drawn again."""
        self.ledger.refund(self.limits[action.type].output, hold_key(action), round(drawn * MILLI))

    def release(self, action: ActionV1) -> None:
        """The action is over, stopped or was never sent: its hold ends, what it did not draw is free again.

        A person's OFF keeps its hold for the time it was asked for; only its end or a higher rank lifts it.
        """
        if action.type not in OUTPUT_OF or action.params.state == "OFF":
            return
        output = OUTPUT_OF[action.type]
        held = self.ledger.newest_hold(output)
        if held is not None and held.key == hold_key(action):
            self.ledger.end_hold(output)

    # restart, clock
    def replay(self, actions: Iterable[ActionV1], now: datetime | None = None) -> None:
        """Rebuild the ledger from recorded actions with an outcome; `now` None: the newest of them ends now."""
        used: dict[str, list[tuple[float, int]]] = {}
        for action in actions:
            if action.id is None or action.outcome is None:
                continue
            self.ledger.remember(hold_key(action))
            if action.type not in OUTPUT_OF:
                continue
            used.setdefault(OUTPUT_OF[action.type], []).extend(_parts(action, action.outcome))
        newest_s = max((at_s for entries in used.values() for at_s, _ in entries), default=0.0)
        for output, entries in used.items():
            self.ledger.resume(output, entries, newest_s if now is None else now.timestamp())

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: elapsed time goes on deciding about pauses, budgets, counts and holds."""
        self.ledger.clock_was_set(moved.total_seconds())


__all__ = ["Guardrails", "Verdict"]
