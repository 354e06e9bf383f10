"""The rules of the guardrails, one tiny function each, in the order of the table at the end.

A rule returns None when it has nothing to say, a RuleFinding without `milli` to refuse, one with `milli` to clip.
Refusing rules come first, clipping ones last, so that a budget is never touched by a proposal that falls anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from shared_schemas.devices import LAMP, OUTPUTS, VENT, Output
from shared_schemas.records.action_v1 import ActionV1
from shared_schemas.records.state_v1 import StateV1
from tomato_host.brain.guardrails.context import ProposalCase, RuleFinding
from tomato_host.brain.guardrails.ledger import HOUR_S
from tomato_host.brain.guardrails.limits import MILLI
from tomato_host.brain.guardrails.profiles import DOSES, GASES, GENTLE, PERMITTED, RANK, RISKY

Rule = Callable[[ProposalCase], RuleFinding | None]
OPERATOR_RANK = RANK["person"]
FUTURE_S = 5.0
"""Clock difference that is forgiven in a proposal's time."""
WATER_SPAN_S = 900.0
"""A dose with its pulses and their pauses is over within this time."""
MOST_PULSES = 10
READY_STATES = frozenset({"READY", "LEASED"})
MIN_QUANTITY_CONFIDENCE = 0.4


def asker(action: ActionV1) -> str:
    """Whose count an action is on: an agent's own, else that of its origin. Nobody is refused for what others did."""
    return action.origin if action.agent is None else f"{action.origin}:{action.agent}"


def hold_key(action: ActionV1) -> str:
    """The id by which the ledger knows an action. Ids of different askers are different ids."""
    return f"{asker(action)}/{action.id}"


def _state_of(case: ProposalCase) -> StateV1:
    """The state; only for rules behind `state_fresh`, which refuses actions that need one."""
    state = case.context.state
    if state is None:
        raise ValueError("state_fresh must come before the rules that read the state")
    return state


def idempotency(case: ProposalCase) -> RuleFinding | None:
    """An accepted id moves nothing again; without any, nothing can be done once only."""
    if case.action.id is None:
        return RuleFinding(None, None, "the proposal carries no id")
    if case.ledger.knows(hold_key(case.action)):
        return RuleFinding(None, None, f"{case.action.id} was accepted before")
    return None


def permission(case: ProposalCase) -> RuleFinding | None:
    """Each origin has its own list of actions."""
    if case.kind in PERMITTED[case.action.origin]:
        return None
    return RuleFinding(None, None, f"{case.action.origin} may not ask for {case.kind.value}")


def mode(case: ProposalCase) -> RuleFinding | None:
    """What the mode forbids: to programmes more than to a person."""
    profile = case.profile
    forbidden = profile.forbidden_to_operator if case.rank >= OPERATOR_RANK else profile.forbidden
    if case.kind not in forbidden:
        return None
    return RuleFinding(None, None, f"mode {case.context.mode} allows no {case.kind.value} by {case.action.origin}")


def safe_mode(case: ProposalCase) -> RuleFinding | None:
    """What safe mode has switched off stays off, for everybody."""
    context = case.context
    if context.mode != "SAFE" or case.limit.output not in (
        RISKY if context.switched_off is None else context.switched_off
    ):
        return None
    why = f" ({', '.join(context.safe_causes)})" if context.safe_causes else ""
    return RuleFinding(None, None, f"safe mode{why} keeps {case.limit.output} off")


def expiry(case: ProposalCase) -> RuleFinding | None:
    """A proposal is for now: neither of the past nor of the future."""
    age_s = case.now_s - case.action.ts.timestamp()
    oldest_s = case.settings.proposal_age_s * case.profile.age_share
    if age_s > oldest_s:
        return RuleFinding(age_s, oldest_s, "the proposal is too old", unit="s")
    if age_s < -FUTURE_S:
        return RuleFinding(-age_s, FUTURE_S, "the proposal comes from the future", unit="s")
    limit = case.action.not_after
    if limit is not None and limit.timestamp() < case.now_s:
        return RuleFinding(case.now_s - limit.timestamp(), 0.0, "its not_after has passed", unit="s")
    return None


def link(case: ProposalCase) -> RuleFinding | None:
    """Nothing is accepted for a board that is absent or not ready."""
    context = case.context
    if not context.link_up:
        return RuleFinding(0.0, 1.0, "the board is not connected")
    if context.board_state not in READY_STATES:
        return RuleFinding(None, None, f"the board is in state {context.board_state}")
    return None


def board_fault(case: ProposalCase) -> RuleFinding | None:
    """With a fault latched only air and light may be asked for; the board decides about those itself."""
    faults = case.context.faults
    if not faults or case.kind in GENTLE:
        return None
    return RuleFinding(float(len(faults)), 0.0, f"the board holds fault {faults[0]}")


def state_fresh(case: ProposalCase) -> RuleFinding | None:
    """Actions that can do harm want a fresh state."""
    if case.kind in GENTLE:
        return None
    state = case.context.state
    if state is None:
        return RuleFinding(None, None, "there is no state yet")
    age_s = case.now_s - state.ts.timestamp()
    oldest_s = case.settings.state_age_s * case.profile.age_share
    if age_s < -FUTURE_S:
        return RuleFinding(-age_s, FUTURE_S, "the state comes from the future", unit="s")
    return RuleFinding(age_s, oldest_s, "the state is stale", unit="s") if age_s > oldest_s else None


def state_lag(case: ProposalCase) -> RuleFinding | None:
    """A programme's proposal must rest on (about) the newest state."""
    seen, state = case.action.why.state_ts, case.context.state
    if seen is None or state is None or case.rank >= OPERATOR_RANK:
        return None
    lag_s = (state.ts - seen).total_seconds()
    limit_s = case.settings.state_lag_s
    return RuleFinding(lag_s, limit_s, "decided on an old state", unit="s") if lag_s > limit_s else None


def priority(case: ProposalCase) -> RuleFinding | None:
    """An output held by a higher rank is refused to a lower one."""
    held = case.ledger.hold(case.limit.output, case.now_s)
    if held is None or held.rank <= case.rank:
        return None
    left_s = held.end_s - case.now_s
    return RuleFinding(left_s, 0.0, f"{case.limit.output} is held by {held.key}", unit="s", again_s=left_s)


def confidence(case: ProposalCase) -> RuleFinding | None:
    """A doubtful state allows air and light, and water by the small dose."""
    if case.kind in GENTLE or case.rank >= OPERATOR_RANK:
        return None
    value = _state_of(case).confidence
    least = case.settings.min_confidence + case.profile.extra_confidence
    if value >= least:
        return None
    if case.kind not in DOSES:
        return RuleFinding(value, least, "the state is not trusted", unit="confidence", least=True)
    dose = case.settings.low_confidence_dose_ml * MILLI
    text = "the state is not trusted, so a small dose"
    return RuleFinding(value, least, text, dose, "confidence", least=True) if case.milli > dose else None


QUANTITY_OF: dict[str, str] = {row.action: row.target_reading for row in OUTPUTS if row.target_reading}
"""The reading without which an action is blind."""


def quantity(case: ProposalCase) -> RuleFinding | None:
    """Gas, mist and heat each want their own sensor to be trusted, whoever asks."""
    name = QUANTITY_OF.get(case.kind)
    if name is None:
        return None
    state = _state_of(case)
    value = state.quantity_confidence.get(name, state.confidence)
    if value >= MIN_QUANTITY_CONFIDENCE:
        return None
    return RuleFinding(value, MIN_QUANTITY_CONFIDENCE, f"{name} is not trusted", unit="confidence", least=True)


UNIT_OF = {"rh_pct": "%", "co2_ppm": "ppm", "soil_temp_c": "°C", "air_temp_c": "°C"}


def _over(value: float | None, limit: float, what: str) -> RuleFinding | None:
    """Refuse at or above `limit`, and where there is no value at all."""
    if value is None:
        return RuleFinding(None, limit, f"no value of {what}")
    return RuleFinding(value, limit, f"{what} is too high", unit=UNIT_OF[what]) if value >= limit else None


def _air_temp_c(case: ProposalCase) -> float | None:
    state = case.context.state
    return None if state is None else state.env.air_temp_c


def no_leak(case: ProposalCase) -> RuleFinding | None:
    """Neither water nor heat into a wet tent."""
    return RuleFinding(1.0, 0.0, "the leak sensor is wet") if case.context.leak else None


def reservoir(case: ProposalCase) -> RuleFinding | None:
    """A pump must not run dry."""
    return RuleFinding(0.0, 1.0, "the reservoir is low") if case.context.reservoir_ok is False else None


def soil_not_wet(case: ProposalCase) -> RuleFinding | None:
    """A probe without confidence says nothing; only trusted wetness refuses water."""
    trusted = [
        p.moisture_pct
        for p in _state_of(case).soil.probes
        if p.moisture_pct is not None and p.confidence >= MIN_QUANTITY_CONFIDENCE
    ]
    if trusted and min(trusted) >= case.settings.soil_wet_pct:
        return RuleFinding(min(trusted), case.settings.soil_wet_pct, "the soil is wet", unit="%")
    return None


def in_light(case: ProposalCase) -> RuleFinding | None:
    """Leaves use CO2 in light only."""
    if getattr(_state_of(case).devices, LAMP.name) != "ON":
        return RuleFinding(0.0, 1.0, "no CO2 in the dark")
    return None


def not_vented(case: ProposalCase) -> RuleFinding | None:
    """Gas would be blown out. A hold is newer than the state: the exhaust may just have been asked to run or stop."""
    held = case.ledger.hold(VENT.name, case.now_s)
    if getattr(_state_of(case).devices, VENT.name) == "ON" if held is None else held.left_milli > 0:
        return RuleFinding(1.0, 0.0, "the exhaust would blow the CO2 out")
    return None


READING: dict[str, Callable[[StateV1], float | None]] = {
    "rh_pct": lambda state: state.env.rh_pct,
    "co2_ppm": lambda state: state.env.co2_ppm,
    "soil_temp_c": lambda state: state.soil.temp_c,
}
"""Where the state holds a target reading of the registry."""


def below_ceiling(reading: str, setting: str) -> Rule:
    """The rule that refuses at or above a key of `[guardrails]`, and where the reading has no value."""
    value_of = READING[reading]
    return lambda case: _over(value_of(_state_of(case)), getattr(case.settings, setting), reading)


def not_hot(case: ProposalCase) -> RuleFinding | None:
    """What warms the air stays off in a hot tent; without a reading the board decides."""
    air_c = _air_temp_c(case)
    return None if air_c is None else _over(air_c, case.settings.air_hot_c, "air_temp_c")


def not_cold(case: ProposalCase) -> RuleFinding | None:
    """No air out of a cold tent."""
    air_c = _air_temp_c(case)
    if air_c is None or air_c >= case.settings.air_cold_c:
        return None
    return RuleFinding(air_c, case.settings.air_cold_c, "air_temp_c is too low to blow air out", unit="°C", least=True)


def environment_rules(row: Output) -> tuple[Rule, ...]:
    """What a row of the registry says of its output's surroundings, as rules in the order in which they are asked."""
    chosen: tuple[tuple[bool, Rule], ...] = (
        ("no_leak" in row.needs, no_leak),
        ("reservoir_ok" in row.needs, reservoir),
        (row.kind == "pump", soil_not_wet),
        (row.only_in_light, in_light),
        (row.group == VENT.group and not row.vents, not_vented),
        (row.heats and not row.ceiling_setting, not_hot),  # what has a ceiling of its own is bounded by that
        (row.vents, not_cold),
    )
    ceiling = (below_ceiling(row.target_reading, row.ceiling_setting),) if row.ceiling_setting else ()
    return (*(rule for holds, rule in chosen if holds), *ceiling)


ENVIRONMENT: dict[str, tuple[Rule, ...]] = {row.action: environment_rules(row) for row in OUTPUTS}


def environment(case: ProposalCase) -> RuleFinding | None:
    """Leak, reservoir, air and soil: what the row of the output asks of its surroundings."""
    for rule in ENVIRONMENT[case.kind]:
        finding = rule(case)
        if finding is not None:
            return finding
    return None


def interval(case: ProposalCase) -> RuleFinding | None:
    """Water needs time to sink in before anyone may judge that more is wanted."""
    last_s = case.ledger.last_s(case.limit.output, case.now_s)
    if last_s is None:
        return None
    since_s, pause_s = max(0.0, case.now_s - last_s), case.limit.pause_s
    if since_s >= pause_s:
        return None
    text = "too soon after the last one"
    return RuleFinding(since_s, pause_s, text, unit="s", least=True, again_s=pause_s - since_s)


def actions_per_hour(case: ProposalCase) -> RuleFinding | None:
    """Who chatters is refused, and nobody else; a person and safe mode have twice the room."""
    limit = int(case.settings.actions_per_hour * case.profile.actions_share) * (2 if case.rank >= OPERATOR_RANK else 1)
    count = case.ledger.accepted_within_hour(asker(case.action), case.now_s)
    if count < limit:
        return None
    at_s = case.ledger.accepted_again_s(asker(case.action), count - limit + 1)
    again_s = None if at_s is None or limit < 1 else at_s - case.now_s
    return RuleFinding(float(count), float(limit), "too many in the last hour", unit="actions", again_s=again_s)


def _clip(case: ProposalCase, milli: int, text: str, again_s: float | None = None) -> RuleFinding | None:
    """A RuleFinding that lowers the amount to `milli`, if it is above."""
    if case.milli <= milli:
        return None
    left = max(0, milli)
    unit = "ml" if case.kind in DOSES else "s"
    return RuleFinding(case.milli / MILLI, left / MILLI, text, left, unit, again_s=again_s)


def _amount(case: ProposalCase, milli: int) -> str:
    return f"{milli / MILLI:.0f} {'ml' if case.kind in DOSES else 's'}"


def _again_s(case: ProposalCase, frees_s: Callable[[str, int], float | None], left: int) -> float | None:
    """Seconds until all of it is left again; None when what is there is worth having, or nobody can know."""
    if left >= case.limit.least_milli:
        return None
    at_s = frees_s(case.limit.output, min(case.milli, case.limit.hour_milli) - left)
    return None if at_s is None else at_s - case.now_s


def per_action(case: ProposalCase) -> RuleFinding | None:
    """The largest single action: pulses of the pump, or on-time within the span; never more of a span than allowed."""
    if case.kind in DOSES:
        pulses = case.action.params.pulses or 1
        if pulses > MOST_PULSES:
            return RuleFinding(float(pulses), float(MOST_PULSES), "too much in one action", unit="pulses")
        most = case.limit.pulse_milli * (case.action.params.pulses or 3)
        return _clip(case, int(min(most, case.limit.hour_milli) * case.profile.dose_share), "in one action")
    period_s, longest_s = case.action.params.period_s or 0.0, float(case.settings.longest_s)
    if period_s > longest_s:
        return RuleFinding(period_s, longest_s, "spread over too long", unit="s")
    share = case.profile.dose_share if case.kind in GASES else 1.0
    return _clip(case, int(case.span_s * MILLI * share), "in one action")


def hour_budget(case: ProposalCase) -> RuleFinding | None:
    """An action within the hour may use what is left of the rolling hour, a longer one the rate of the budget.

    `Guardrails.allocate` holds the exact rolling sum again before every single pulse.
    """
    hour = case.limit.hour_milli
    if case.span_s > HOUR_S:
        return _clip(case, int(hour * case.span_s / HOUR_S), "by the hour's budget over this span")
    left = hour - case.ledger.hour_used(case.limit.output, case.now_s)
    again_s = _again_s(case, case.ledger.hour_frees_s, left)
    return _clip(case, left, f"left of the hour's {_amount(case, hour)}", again_s)


def day_budget(case: ProposalCase) -> RuleFinding | None:
    """The last 24 h, whatever the calendar says: those that end with the action, for the window moves on with it.

    Before every pulse `Guardrails.allocate` holds the rolling sum of that moment. By the window of now, light that is
    on at the same hours each day would lose a quarter of an hour with each decision: what the running pulse has drawn
    ahead counts already, what it replaces of yesterday does still.
    """
    share = case.profile.day_share if case.kind in GASES else 1.0
    until_s = 0.0 if case.kind in DOSES else case.span_s
    left = int(case.limit.day_milli * share) - case.ledger.day_used(case.limit.output, case.now_s, until_s)
    again_s = _again_s(case, case.ledger.day_frees_s, left)
    whole = _amount(case, int(case.limit.day_milli * share))
    return _clip(case, left, f"left of the day's {whole}", again_s)


REFUSING: tuple[tuple[str, Rule], ...] = (
    ("idempotency", idempotency),
    ("permission", permission),
    ("mode", mode),
    ("safe_mode", safe_mode),
    ("expiry", expiry),
    ("link", link),
    ("board_fault", board_fault),
    ("state_fresh", state_fresh),
    ("state_lag", state_lag),
    ("priority", priority),
    ("quantity", quantity),
    ("environment", environment),
    ("interval", interval),
    ("actions_per_hour", actions_per_hour),
)
CLIPPING: tuple[tuple[str, Rule], ...] = (
    ("confidence", confidence),
    ("per_action", per_action),
    ("hour_budget", hour_budget),
    ("day_budget", day_budget),
)
RULES = REFUSING + CLIPPING
RULE_NAMES = tuple(name for name, _ in RULES)

FINAL_RULES = frozenset({"schema", "permission"})
"""Rules whose refusal no later moment lifts. All others say "not now": their ids are free to come again."""

OFF_RULES: tuple[tuple[str, Rule], ...] = (("idempotency", idempotency), ("expiry", expiry), ("priority", priority))
"""Switching off is nearly always right: only id, age and the hold of the output are checked."""


def asks_for(action: ActionV1) -> tuple[int, float]:
    """(amount in thousandths, seconds into the future) that a proposal asks for; amount 0 for OFF, -1 for nonsense."""
    params = action.params
    amount = params.ml if action.type in DOSES else params.seconds
    if not (isfinite(amount or 0.0) and isfinite(params.period_s or 0.0)):
        return -1, 0.0
    if params.state == "OFF":
        return 0, amount or 0.0
    span_s = WATER_SPAN_S if action.type in DOSES else max(amount or 0.0, params.period_s or 0.0)
    return round((amount or 0.0) * MILLI), span_s
