"""Facts of a wake cycle and of a day, rendered by code with unit and rounding. A fact is all a model may quote."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared_schemas.records import ActionV1, AnomalyV1, PlanV1, StateV1
from tomato_host.advisor.context import DayTotals, WakeContext
from tomato_host.advisor.memory import StoredFact

FACTS_MAX = 24

STATE_FACTS: tuple[tuple[str, str, Callable[[StateV1], float | None], str], ...] = (
    ("air", "air temperature", lambda s: s.env.air_temp_c, "{:.1f} °C"),
    ("air", "relative humidity", lambda s: s.env.rh_pct, "{:.0f} %"),
    ("air", "vapour pressure deficit", lambda s: s.env.vpd_kpa, "{:.2f} kPa"),
    ("air", "carbon dioxide", lambda s: s.env.co2_ppm, "{:.0f} ppm"),
    ("air", "leaf minus air temperature", lambda s: s.plant.leaf_air_delta_c, "{:+.1f} °C"),
    ("soil", "mean soil moisture", lambda s: s.soil.avg_moisture_pct, "{:.1f} %"),
    ("soil", "soil temperature", lambda s: s.soil.temp_c, "{:.1f} °C"),
    ("water", "water used today", lambda s: s.budgets.water_ml_used_today, "{:.0f} ml"),
    ("water", "water budget today", lambda s: s.budgets.water_ml_budget_today, "{:.0f} ml"),
)
"""Group, name, where it is, how it is written."""

DAY_FACTS: tuple[tuple[str, Callable[[DayTotals], float | str | None], str], ...] = (
    ("date", lambda d: d.date, "{}"),
    ("lowest air temperature", lambda d: d.air_temp_min_c, "{:.1f} °C"),
    ("highest air temperature", lambda d: d.air_temp_max_c, "{:.1f} °C"),
    ("mean vapour pressure deficit", lambda d: d.vpd_mean_kpa, "{:.2f} kPa"),
    ("mean soil moisture", lambda d: d.soil_moisture_mean_pct, "{:.1f} %"),
    ("water given", lambda d: d.water_ml, "{:.0f} ml"),
    ("carbon dioxide time", lambda d: d.co2_seconds, "{:.0f} s"),
    ("actions done", lambda d: d.actions_done, "{}"),
    ("actions refused", lambda d: d.actions_refused, "{}"),
    ("anomalies", lambda d: d.anomalies, "{}"),
    ("board starts", lambda d: d.board_resets, "{}"),
)


@dataclass(frozen=True, slots=True)
class Fact:
    """One quotable fact: `name` without, `value` with numbers; `group` is the sentence a template puts it into."""

    name: str
    value: str
    group: str = "more"

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


def cycle_facts(context: WakeContext, stored: Iterable[StoredFact] = ()) -> tuple[Fact, ...]:
    """State, anomalies, actions and plan of one cycle, then what the season remembers; at most FACTS_MAX."""
    facts = [
        *_state_facts(context.state),
        *(_anomaly_fact(a) for a in context.anomalies[:4]),
        *(_action_fact(a) for a in context.actions[:6]),
        *_plan_facts(context.plan),
        *(Fact(r.key.replace("_", " ").replace(".", " "), f"{r.value} {r.unit}".strip(), "season") for r in stored),
    ]
    return tuple(facts[:FACTS_MAX])


def day_facts(day: DayTotals) -> tuple[Fact, ...]:
    """One day in facts; what was not measured is not there."""
    known = ((name, form, get(day)) for name, get, form in DAY_FACTS)
    return tuple(Fact(name, form.format(value), "day") for name, form, value in known if value is not None)


def numbered(facts: tuple[Fact, ...]) -> str:
    """The list a model reads: `F1: air temperature 24.3 °C`."""
    return "\n".join(f"F{number}: {fact}" for number, fact in enumerate(facts, 1))


def _state_facts(state: StateV1 | None) -> list[Fact]:
    if state is None:
        return [Fact("state", "unknown", "air")]
    read = ((group, name, form, get(state)) for group, name, get, form in STATE_FACTS)
    known = [Fact(name, form.format(value), group) for group, name, form, value in read if value is not None]
    probes = [
        Fact(f"soil probe {p.id}", "without a value" if p.moisture_pct is None else f"{p.moisture_pct:.1f} %", "soil")
        for p in state.soil.probes[:4]
    ]
    return [*known, *probes]


def _anomaly_fact(anomaly: AnomalyV1) -> Fact:
    name = anomaly.type.value.replace("_", " ").lower()
    about = f" of {anomaly.subject}" if anomaly.subject else ""
    how = f"{anomaly.phase.lower()}, severity {anomaly.severity.value.lower()}"
    return Fact(f"anomaly {name}{about}", how, "noticed")


def _action_fact(action: ActionV1) -> Fact:
    amount = next(
        (
            form.format(value)
            for value, form in (
                (action.params.ml, "{:.0f} ml"),
                (action.params.seconds, "{:.0f} s"),
                (action.params.state, "{}"),
            )
            if value is not None
        ),
        "",
    )
    name = action.type.value.replace("_", " ").lower()
    rules = f" because {'; '.join(action.why.rules_fired)}" if action.why.rules_fired else ""
    status = action.outcome.status if action.outcome else "PROPOSED"
    return Fact(f"action {name}", f"{amount} {status.replace('_', ' ').lower()}{rules}".strip(), "actions")


def _plan_facts(plan: PlanV1 | None) -> list[Fact]:
    if plan is None:
        return []
    why = [Fact("reason of the plan", plan.explanation.rstrip(". "), "plan")] if plan.explanation else []
    return [*why, *(Fact("not done", reason, "plan") for reason in plan.not_done[:3])]
