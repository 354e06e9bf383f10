"""The tent's agents at the guardrails: who is who, quotas of their own, shadow, and one call site."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tomato_host.brain.admission.answered_verdicts import params_fingerprint
from tomato_host.brain.admission.refusals import BY_CODE
from tomato_host.brain.admission.tent_admission import TentAdmission, default_agents
from tomato_host.brain.guardrails import Guardrails

from shared_schemas.records import ActionV1
from shared_schemas.records.agent_v1 import ORIGIN_AGENTS
from tests.admission.cases import agent, tent_admission
from tests.control.states import NOON
from tests.guardrails.proposals import ON, facts, ledger_view, proposal

HOST = Path(__file__).resolve().parents[2] / "host" / "tomato_host"


def tent(*records: Any) -> TentAdmission:
    admission = tent_admission()
    for record in records:
        admission.set_agent(record)
    return admission


def of(name: str | None, action: ActionV1, **fields: Any) -> ActionV1:
    return action.model_copy(update={"agent": name, **fields})


def test_the_guardrails_have_one_caller() -> None:
    """Facades, environments, MCP and engines go through admission because there is no other way."""
    calls = []
    for path in HOST.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr in ("judge", "preview") and owner.endswith("guardrails"):
                    calls.append((path.relative_to(HOST).as_posix(), node.func.attr))
    assert sorted(calls) == [
        ("brain/admission/answered_verdicts.py", "judge"),
        ("brain/admission/tent_admission.py", "judge"),
        ("brain/admission/tent_admission.py", "preview"),
    ]


def test_every_origin_has_an_agent_and_only_the_policy_is_in_shadow() -> None:
    rows = default_agents("main")
    assert {row.origin: row.name for row in rows} == ORIGIN_AGENTS
    assert {row.name for row in rows if row.shadow} == {"policy"}
    assert {row.name for row in rows if row.role == "owner"} == {"owner"}


@pytest.mark.parametrize("origin", [o for o in ORIGIN_AGENTS if o != "policy"])
def test_what_the_guardrails_say_is_what_the_agent_gets(origin: str) -> None:
    for action in (
        proposal("SET_CIRCULATION_FAN", origin=origin, **ON),
        proposal("WATER", "b", origin=origin, ml=5_000.0, pulses=30),
        proposal("SET_LIGHT", "c", origin=origin, state="OFF"),
        proposal("STOP_ALL", "d", origin=origin),
    ):
        direct, admitted = Guardrails().judge(action, facts()), tent().admit(action, facts())
        assert admitted == direct


def test_a_repeat_moves_nothing() -> None:
    admission = tent()
    action = proposal("SET_CIRCULATION_FAN", origin="api", **ON)
    assert admission.admit(action, facts()).allowed
    held = ledger_view(admission._guardrails)
    again = admission.admit(action, facts())
    assert (
        again.repeated and again.action == admission._answers.judge(action, facts(), params_fingerprint(action)).action
    )
    assert ledger_view(admission._guardrails) == held


def test_a_stage_before_the_guardrails_refuses_with_its_code() -> None:
    sitter = agent("sitter", origin="person", may=["WATER"], quotas={"water_ml_per_day": 100.0})
    admission = tent(sitter)
    lamp = admission.admit(of("sitter", proposal("SET_LIGHT", "a", origin="person", **ON)), facts())
    assert (lamp.allowed, lamp.rule, lamp.action.safety.refused_by) == (False, "NOT_PERMITTED", "NOT_PERMITTED")
    doses = [
        admission.admit(of("sitter", proposal("WATER", f"w{i}", origin="person", ml=60.0)), facts(NOON))
        for i in range(2)
    ]
    assert doses[0].allowed and doses[1].rule == "QUOTA_EXCEEDED" and doses[1].limit == 100.0
    nobody = admission.admit(of("stranger", proposal("WATER", "x", origin="api", ml=60.0)), facts())
    assert nobody.rule == "NOT_PERMITTED" and "stranger" in nobody.checks[0].text
    posing = admission.admit(of("planner", proposal("WATER", "y", origin="api", ml=60.0)), facts())
    assert posing.rule == "NOT_PERMITTED", "an API client is not the planner because it says so"
    assert {lamp.rule, doses[1].rule, nobody.rule} <= set(BY_CODE)


def test_one_agents_flood_costs_only_its_own_quota() -> None:
    flood = agent("flood", origin="mqtt", quotas={"intents_per_hour": 10})
    admission = tent(flood)
    for i in range(200):
        admission.admit(of("flood", proposal("SET_CIRCULATION_FAN", f"f{i}", origin="mqtt", **ON)), facts())
    for origin in ("controller", "person", "safe_mode"):
        assert admission.admit(proposal("SET_EXHAUST_FAN", origin, origin=origin, **ON), facts()).rule not in BY_CODE
    off = of("flood", proposal("SET_CIRCULATION_FAN", "off", origin="mqtt", state="OFF"))
    assert admission.admit(off, facts()).rule not in BY_CODE, "OFF counts for nothing"


def test_shadow_is_judged_and_reserves_nothing() -> None:
    admission = tent()
    before = ledger_view(admission._guardrails)
    verdict = admission.admit(proposal("WATER", origin="policy", ml=60.0), facts())
    assert not verdict.allowed and verdict.action.safety.validated and verdict.action.shadow
    too_much = admission.admit(proposal("WATER", "b", origin="policy", ml=60.0), facts(leak=True))
    assert not too_much.action.safety.validated and too_much.rule == "environment"
    assert ledger_view(admission._guardrails) == before
    promoted = agent("policy", origin="policy", shadow=False)
    admission.set_agent(promoted)
    assert admission.admit(proposal("WATER", "c", origin="policy", ml=60.0), facts()).allowed


def test_a_quarantined_agent_may_only_switch_off() -> None:
    admission = tent(agent("api", origin="api", state="quarantined", reason="five bad tokens"))
    refused = admission.admit(proposal("SET_LIGHT", "a", origin="api", **ON), facts())
    assert refused.rule == "QUARANTINED" and "five bad tokens" in refused.checks[0].text
    assert admission.admit(proposal("SET_LIGHT", "b", origin="api", state="OFF"), facts()).allowed


def test_a_stale_proposal_is_refused_by_what_it_has_read() -> None:
    admission = tent()
    view = admission.pipeline.accounts["api"].view
    view.add(["/soil/P1/moisture_pct"])
    dose = of(None, proposal("WATER", "a", origin="api", ml=60.0), context_seq=0)
    fan = of(None, proposal("SET_CIRCULATION_FAN", "b", origin="api", **ON), context_seq=0)
    assert admission.admit(dose, facts()).rule == "STALE_CONTEXT" and admission.admit(fan, facts()).allowed


def test_many_wait_and_are_judged_in_fair_order() -> None:
    admission = tent(agent("flood", origin="api"), agent("quiet", origin="api"))
    for i in range(40):
        flood = of("flood", proposal("SET_CIRCULATION_FAN", f"f{i:02d}", origin="api", **ON))
        assert admission.submit(flood, facts()) is None
    assert admission.submit(of("quiet", proposal("SET_EXHAUST_FAN", "q", origin="api", **ON)), facts()) is None
    planner = admission.admit(proposal("SET_LIGHT", "p", **ON), facts())
    assert planner.action.id == "p", "its verdict does not wait for the flood"
    first = admission.turn(facts(NOON + timedelta(seconds=1)), lambda: 0.0)
    assert "q" in [verdict.action.id for verdict in first[:3]] and len(first) <= 33


def test_quotas_survive_a_restart() -> None:
    """What an agent has used counts in the next process; what admission refused at the entrance never counted."""
    sitter = agent("sitter", origin="person", quotas={"water_ml_per_day": 100.0, "intents_per_hour": 3})

    def dose(name: str, ml: float) -> ActionV1:
        return of("sitter", proposal("WATER", name, origin="person", ml=ml))

    first, recorded = tent(sitter), list[ActionV1]()
    for one in (dose("a", 60.0), dose("b", 60.0), of("sitter", proposal("WATER", "off", origin="person", ml=1.0))):
        recorded.append(first.admit(one, facts()).action)
    assert [one.safety.refused_by for one in recorded][:2] == [None, "QUOTA_EXCEEDED"]
    fresh = tent(sitter)
    assert fresh.admit(dose("c", 60.0), facts()).rule is None, "without the record the day begins anew"
    resumed = tent(sitter)
    resumed.resume(recorded)
    later = facts(NOON + timedelta(hours=2))
    again = resumed.admit(dose("c", 60.0).model_copy(update={"ts": later.now}), later)
    assert (again.rule, again.value, again.limit) == ("QUOTA_EXCEEDED", 120.0, 100.0)
    another = tent(sitter)
    another.resume(recorded)
    usages = [admission.pipeline.accounts["sitter"].usage for admission in (first, another)]
    assert usages[0].intents(NOON.timestamp()) == usages[1].intents(NOON.timestamp()) == 2
    assert usages[0].last_effect_s == usages[1].last_effect_s == NOON.timestamp()


def test_refusals_of_quotas_are_counted_by_the_minute() -> None:
    admission = tent(agent("flood", origin="mqtt", quotas={"intents_per_hour": 2}))
    for i in range(50):
        admission.admit(of("flood", proposal("SET_CIRCULATION_FAN", f"f{i}", origin="mqtt", **ON)), facts())
    assert admission.pop_refused(NOON.timestamp()) == [], "the minute is not over"
    (count,) = admission.pop_refused(NOON.timestamp() + 60.0)
    assert (count.agent, count.code, count.count) == ("flood", "QUOTA_EXCEEDED", 48)
    assert admission.pop_refused(float("inf")) == []
