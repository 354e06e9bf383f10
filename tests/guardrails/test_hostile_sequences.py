"""No sequence of proposals, of whatever origin, makes an accepted action break a limit."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tomato_host.brain.guardrails import GuardContext, Guardrails, GuardSettings
from tomato_host.brain.guardrails.profiles import GENTLE, PERMITTED
from tomato_host.brain.settings import BudgetSettings

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType, ActionV1, Outcome, Params
from tests.control.states import NOON, state

AMOUNTS = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, 1e-9, 0.5, 5.0, 30.0, 200.0, 3600.0, 7200.0, 1e12]))
LIMITS, BUDGETS = GuardSettings(), BudgetSettings()
DAY = {
    "water_pump": BUDGETS.water_ml_per_day,
    "co2_solenoid": BUDGETS.co2_s_per_day,
    "light": 64_800,
    "humidifier": 21_600,
    "heater_mat": 43_200,
}
HOUR = {"water_pump": LIMITS.water_ml_per_hour, "co2_solenoid": 120, "humidifier": 1_800, "heater_mat": 2_700}


ROUNDING = 0.0005
"""The ledger count thousandths; a proposal may be half of one beside them."""


def _with_outcome(action: ActionV1, delivered: float, now: datetime) -> ActionV1:
    """The action as the record has it when it delivered this much (ml or s) at `now`."""
    water = action.type is ActionType.WATER
    outcome = Outcome(
        status="DONE",
        delivered_ml=delivered if water else None,
        delivered_s=None if water else delivered,
        finished_ts=now,
    )
    return action.model_copy(update={"outcome": outcome})


class HostileProposals(RuleBasedStateMachine):
    """Submits anything at any time; an executor that draws greedily; its own plain ledger check the guardrails'."""

    def __init__(self) -> None:
        super().__init__()
        self.guardrails = Guardrails()
        self.now: datetime = NOON
        self.count = 0
        self.running: list[ActionV1] = []
        self.open: list[tuple[ActionV1, float]] = []
        self.sent: list[tuple[str, datetime, float]] = []
        """(output, when its result came or now, amount): pulses delivered in full, the worst case."""
        self.recorded: list[ActionV1] = []
        """Each pulse as a finished action of the record."""
        self.accepted: list[tuple[ActionV1, datetime]] = []
        self.context = GuardContext(NOON, state())

    @initialize()
    def start(self) -> None:
        self.look(0.9, 0.9, 60.0, 700.0, 30.0, "NORMAL", True, None)

    @rule(
        confidence=st.floats(0, 1),
        rh_trust=st.floats(0, 1),
        rh=st.floats(0, 100),
        co2=st.floats(0, 5000),
        soil=st.floats(0, 100),
        mode=st.sampled_from(["NORMAL", "CAUTION", "SAFE", "PAUSED"]),
        link=st.booleans(),
        leak=st.sampled_from([None, False, True]),
    )
    def look(
        self,
        confidence: float,
        rh_trust: float,
        rh: float,
        co2: float,
        soil: float,
        mode: Any,
        link: bool,
        leak: bool | None,
    ) -> None:
        seen = state(self.now, confidence=confidence, rh=rh, co2=co2, probes=((soil, 0.9),), trust={"rh_pct": rh_trust})
        self.context = GuardContext(self.now, seen, mode=mode, link_up=link, leak=leak)

    @rule(seconds=st.sampled_from([1, 30, 61, 600, 1800, 3600, 20_000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.context = GuardContext(
            self.now, self.context.state, self.context.mode, self.context.link_up, leak=self.context.leak
        )

    @rule(
        kind=st.sampled_from(sorted(ActionType)),
        origin=st.sampled_from(sorted(PERMITTED)),
        amount=AMOUNTS,
        period=st.one_of(st.none(), AMOUNTS),
        state_name=st.sampled_from(["ON", "OFF", None]),
        age=st.sampled_from([0, 0, 0, 100, 1000, -100]),
        pulses=st.sampled_from([None, 1, 5, 100, -3]),
        repeat=st.booleans(),
    )
    def submit(
        self,
        kind: ActionType,
        origin: Any,
        amount: float,
        period: float | None,
        state_name: Any,
        age: int,
        pulses: int | None,
        repeat: bool,
    ) -> None:
        self.count += 0 if repeat else 1
        water = kind is ActionType.WATER
        asked = ActionV1.model_construct(
            schema_version="action_v1",
            ts=self.now - timedelta(seconds=age),
            type=kind,
            id=f"a-{self.count}",
            origin=origin,
            params=Params.model_construct(
                ml=amount if water else None,
                pulses=pulses,
                seconds=None if water else amount,
                state=None if water else state_name,
                period_s=period,
            ),
        )
        verdict = self.guardrails.judge(asked, self.context)
        if not verdict.allowed:
            assert verdict.rule and verdict.action.safety.refused_by == verdict.rule
            return
        if kind in OUTPUT_OF and asked.params.state != "OFF":
            self.check_accepted(verdict.action)
            self.accepted.append((verdict.action, self.now))
            self.running.append(verdict.action)

    def check_accepted(self, action: ActionV1) -> None:
        context, params = self.context, action.params
        assert (context.link_up and context.mode != "PAUSED") or (
            action.origin in ("person", "safe_mode") and context.link_up
        )
        assert action.type in PERMITTED[action.origin]
        if action.type not in GENTLE:
            assert context.state is not None and (self.now - context.state.ts).total_seconds() <= LIMITS.state_age_s
            assert not (context.leak and action.type is not ActionType.CO2_INJECT)
            assert context.mode != "SAFE"
        if action.type is ActionType.WATER:
            assert params.ml is not None and 5.0 - ROUNDING <= params.ml <= LIMITS.water_ml_per_hour + ROUNDING
        else:
            assert params.seconds is not None
            assert 1.0 - ROUNDING <= params.seconds <= LIMITS.longest_s + ROUNDING
        if action.type is ActionType.SET_HUMIDIFIER:
            assert (
                context.state is not None and context.state.env.rh_pct is not None and context.state.env.rh_pct < 88.0
            )

    @precondition(lambda self: self.running)
    @rule(data=st.data(), amount=st.sampled_from([1.0, 30.0, 200.0, 900.0, 5000.0]))
    def allocate(self, data: st.DataObject, amount: float) -> None:
        action = data.draw(st.sampled_from(self.running[-6:]))
        drawn = self.guardrails.allocate(action, amount, self.now)
        if drawn > 0.0:
            out = OUTPUT_BY_NAME[OUTPUT_OF[action.type]]
            assert drawn <= (out.max_dose if out.kind == "pump" else out.max_on_ms / 1000.0)
            self.open.append((action, drawn))

    @precondition(lambda self: self.open)
    @rule(share=st.sampled_from([0.0, 0.3, 1.0]))
    def result(self, share: float) -> None:
        action, drawn = self.open.pop(0)
        self.guardrails.settle(action, drawn, drawn * share, self.now)
        self.sent.append((OUTPUT_OF[action.type], self.now, drawn * share))
        self.recorded.append(_with_outcome(action, drawn * share, self.now))

    @precondition(lambda self: self.running)
    @rule()
    def finish(self) -> None:
        self.guardrails.release(self.running.pop(0))

    @rule()
    def restart(self) -> None:
        """A new process knows what the records tell: what was delivered; pulses under way count in full, now."""
        self.sent += [(OUTPUT_OF[action.type], self.now, drawn) for action, drawn in self.open]
        self.recorded += [_with_outcome(action, drawn, self.now) for action, drawn in self.open]
        self.open.clear()
        self.running.clear()
        delivered = {a.id for a in self.recorded if a.outcome and (a.outcome.delivered_ml or a.outcome.delivered_s)}
        self.accepted = [(a, when) for a, when in self.accepted if a.id in delivered]  # no water, no pause to keep
        self.guardrails = Guardrails()
        self.guardrails.replay(self.recorded)

    @invariant()
    def budgets_hold(self) -> None:
        pending: dict[str, float] = {}
        for action, drawn in self.open:
            name = OUTPUT_OF[action.type]
            pending[name] = pending.get(name, 0.0) + drawn
        for budgets, span in ((DAY, 86_400.0), (HOUR, 3_600.0)):
            oldest = self.now - timedelta(seconds=span)
            for name, budget in budgets.items():
                used = sum(amount for out, when, amount in self.sent if out == name and when > oldest)
                assert used + pending.get(name, 0.0) <= budget + 0.01

    @invariant()
    def water_keeps_its_pause(self) -> None:
        times = [when for action, when in self.accepted if action.type is ActionType.WATER]
        assert all((b - a).total_seconds() >= LIMITS.water_pause_s for a, b in pairwise(times))


HostileProposals.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHostileProposals = HostileProposals.TestCase
