"""The rules to the digit: amounts, edges of bands and reasons, output by output, computed by hand.

The setting is the vegetative stage at 12:00 in Vienna: VPD 0.7 to 1.2 kPa, air 20 to 27 degC, soil 30 to 40 %, roots
from 18 degC, 800 ppm of CO2, light from 6:00 for 16 h, a cycle of two hours (7,200 s).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.control import ControllerMemory, ControlSettings, DecisionContext, rules
from tomato_host.brain.control.control_inputs import ControlInputs, read_inputs
from tomato_host.brain.control.proposals import OutputRequest, build_decision, cycle_steps, duties
from tomato_host.brain.control.targets import STAGES, base_targets, setpoints_at, stage_band, valid_targets
from tomato_host.brain.control.water_usage import recorded_usual_water_ml, usual_water_ml
from tomato_host.brain.settings import BudgetSettings

from shared_schemas.devices import OUTPUTS
from shared_schemas.records import ActionV1, TargetsV1
from shared_schemas.records.action_v1 import Outcome
from tests.control.states import MIDNIGHT, NOON, state
from tests.guardrails.proposals import proposal

Rule = Callable[[ControlInputs], OutputRequest]
MOIST = ((35.0, 0.9), (36.0, 0.9))


def inputs(ts: datetime = NOON, **facts: Any) -> ControlInputs:
    """What a rule sees; `duty`, `memory`, `settings`, `mode`, `recent`, `targets` go into the context."""
    names = ("settings", "mode", "recent", "recent_s", "targets", "budgets", "memory")
    into = {k: facts.pop(k) for k in names if k in facts}
    duty = facts.pop("duty", None)
    if duty is not None:
        into["memory"] = ControllerMemory(duty=duty)
    return read_inputs(DecisionContext(now=ts, state=state(ts, **facts), **into))


def check(rule: Rule, seen: ControlInputs, output: str, amount: float, text: str) -> OutputRequest:
    asked = rule(seen)
    assert asked.output == output and asked.amount == pytest.approx(amount, abs=1e-9), asked
    assert text in asked.text
    return asked


EXHAUST: list[tuple[dict[str, Any], float, float, str]] = [
    ({}, 0.0, 576.0, "fresh air"),
    ({}, 0.08, 576.0, "fresh air"),
    ({}, 0.3, 2_160.0, "as before"),
    ({"vpd": 0.7}, 0.3, 2_160.0, "as before"),
    ({"vpd": 1.2}, 0.3, 2_160.0, "as before"),
    ({"vpd": 0.5}, 0.3, 3_096.0, "VPD 0.50 kPa is below 0.7"),
    ({"vpd": 1.7}, 0.5, 1_800.0, "VPD 1.70 kPa is above 1.2: less air out"),
    ({"vpd": 2.2}, 0.5, 576.0, "fresh air"),
    ({"vpd": 0.3}, 0.9, 7_200.0, "is below"),
    ({"vpd": None}, 0.3, 2_160.0, "as before"),
    ({"vpd": None, "rh": 85.0}, 0.3, 2_160.0, "as before"),
    ({"rh": 97.0, "trust": {"rh_pct": 0.1}}, 0.0, 2_520.0, "RH 97 % is doubted, but a sign of damp air"),
    ({"rh": 97.0, "trust": {"rh_pct": 0.1}}, 0.6, 4_320.0, "as before"),
    ({"rh": 97.0, "trust": {"rh_pct": 0.1}, "air": 17.0}, 0.6, 0.0, "too cold to ventilate"),
    ({"air": 27.0}, 0.0, 576.0, "fresh air"),
    ({"air": 28.0}, 0.0, 3_240.0, "28.0 degC is too warm"),
    ({"air": 28.0}, 0.45, 3_240.0, "as before"),
    ({"air": 28.0}, 0.6, 4_320.0, "as before"),
    ({"air": 31.0}, 0.0, 7_200.0, "31.0 degC is too warm"),
    ({"air": 18.0}, 0.3, 2_160.0, "as before"),
    ({"air": 17.9}, 0.3, 0.0, "17.9 degC: too cold to ventilate"),
    ({"air": None}, 0.3, 2_160.0, "as before"),
]


@pytest.mark.parametrize(("facts", "last", "amount", "text"), EXHAUST)
def test_exhaust(facts: dict[str, Any], last: float, amount: float, text: str) -> None:
    asked = check(rules.exhaust, inputs(duty={"exhaust_fan": last}, **facts), "exhaust_fan", amount, text)
    assert asked.spread == (amount > 0.0)


@pytest.mark.parametrize(
    ("last", "vpd", "amount", "text"),
    [
        (0.0, 0.6, 0.0, "nothing to blow out"),
        (0.05, 0.6, 360.0, "as before"),
        (0.04, 0.6, 0.0, "as before"),
        (0.1, 0.3, 0.1 * 7_200 + 0.4 * 0.1 * 7_200 + 360, "is below"),
    ],
)
def test_exhaust_by_night_has_no_fresh_air(last: float, vpd: float, amount: float, text: str) -> None:
    seen = inputs(MIDNIGHT, vpd=vpd, air=18.0, duty={"exhaust_fan": last})
    check(rules.exhaust, seen, "exhaust_fan", amount, text)


def test_each_reason_of_the_exhaust_names_its_limit() -> None:
    def fired(**facts: Any) -> tuple[str, ...]:
        return rules.exhaust(inputs(duty={"exhaust_fan": 0.3}, **facts)).fired

    assert fired(vpd=0.5) == ("vpd < 0.7 kPa",) and fired(vpd=1.3) == ("vpd > 1.2 kPa",)
    assert fired(air=29.0) == ("air > 27 degC",) and fired() == ("exhaust holds",)
    assert rules.exhaust(inputs()).fired == ("fresh air by day",)


HUMIDIFIER: list[tuple[dict[str, Any], float, float, str]] = [
    ({"vpd": 1.4, "rh": 81.9}, 0.0, 2_700.0, "VPD 1.40 kPa is above 1.20"),
    ({"vpd": 1.4, "rh": 82.0}, 0.0, 0.0, "RH 82 % is 82 % or more"),
    ({"vpd": 1.2}, 0.0, 0.0, "is not above 1.20"),
    ({"vpd": 1.25}, 0.0, 1_800.0, "is above"),
    ({"vpd": 2.0}, 0.0, 3_600.0, "is above"),
    ({"vpd": 1.1}, 0.2, 1_530.0, "is above"),
    ({"vpd": 0.95}, 0.2, 0.0, "is not above 0.95"),
    ({"vpd": 0.96}, 0.05, 360.0, "is above"),
    ({"vpd": 2.0}, 0.4, 3_600.0, "is above"),
    ({"vpd": None}, 0.2, 0.0, "no trusted reading"),
    ({"vpd": 1.4, "rh": None}, 0.2, 0.0, "no trusted reading"),
]


@pytest.mark.parametrize(("facts", "last", "amount", "text"), HUMIDIFIER)
def test_humidifier(facts: dict[str, Any], last: float, amount: float, text: str) -> None:
    asked = check(rules.humidifier, inputs(duty={"humidifier": last}, **facts), "humidifier", amount, text)
    assert asked.spread == (amount > 0.0)
    assert asked.fired == (("vpd > 1.2 kPa",) if amount else ())


HEATER: list[tuple[dict[str, Any], float, float, str]] = [
    ({"soil_temp": 18.0}, 0.0, 0.0, "soil at 18.0 degC is warm enough"),
    ({"soil_temp": 17.9}, 0.0, 3_420.0, "soil at 17.9 degC is too cold"),
    ({"soil_temp": 18.5}, 0.3, 2_340.0, "too cold"),
    ({"soil_temp": 19.0}, 0.3, 0.0, "warm enough"),
    ({"soil_temp": 10.0}, 0.0, 5_040.0, "too cold"),
    ({"soil_temp": 17.9, "air": 27.0}, 0.0, 3_420.0, "too cold"),
    ({"soil_temp": 17.9, "air": 27.1}, 0.0, 0.0, "the air is warm"),
    ({"soil_temp": 17.9, "air": None}, 0.0, 3_420.0, "too cold"),
    ({"soil_temp": None}, 0.3, 0.0, "no trusted soil temperature"),
]


@pytest.mark.parametrize(("facts", "last", "amount", "text"), HEATER)
def test_heater(facts: dict[str, Any], last: float, amount: float, text: str) -> None:
    asked = check(rules.heater, inputs(duty={"heater_mat": last}, **facts), "heater_mat", amount, text)
    assert asked.spread == (amount > 0.0)
    assert asked.fired == (("soil < 18 degC",) if amount else ())


CO2: list[tuple[dict[str, Any], float, float, str]] = [
    ({"co2": 450.0}, 0.0, 37.5, "450 ppm is below 800"),
    ({"co2": 719.0}, 0.0, 37.5, "below 800"),
    ({"co2": 720.0}, 0.0, 0.0, "720 ppm is enough"),
    ({"co2": 450.0, "co2_used": 280.0}, 0.0, 20.0, "below 800"),
    ({"co2": 450.0, "co2_used": 295.0}, 0.0, 5.0, "below 800"),
    ({"co2": 450.0, "co2_used": 295.1}, 0.0, 0.0, "budget is used"),
    ({"co2": 450.0}, 0.1, 0.0, "the exhaust is to run in this cycle"),
    ({"co2": None}, 0.0, 0.0, "no trusted CO2 reading"),
    ({"co2": 450.0, "light": "OFF"}, 0.0, 0.0, "the lamp was off at 12:00"),
    ({"co2": 450.0, "mode": "CAUTION"}, 0.0, 0.0, "only in mode NORMAL, not in CAUTION"),
    ({"co2": 450.0, "settings": ControlSettings(use_co2=False)}, 0.0, 0.0, "switched off in the settings"),
]


@pytest.mark.parametrize(("facts", "exhaust_s", "amount", "text"), CO2)
def test_co2(facts: dict[str, Any], exhaust_s: float, amount: float, text: str) -> None:
    asked = check(lambda seen: rules.co2(seen, exhaust_s), inputs(**facts), "co2_solenoid", amount, text)
    assert asked.spread == (amount > 0.0) and asked.fired == (("co2 < 800 ppm",) if amount else ())


def test_co2_by_night_and_of_a_cycle_longer_than_the_light() -> None:
    assert rules.co2(inputs(MIDNIGHT, co2=450.0), 0.0).text == "only in light hours"
    short = targets(NOON, photoperiod_h=4.0, lights_on_hour=10.0)
    seen = inputs(co2=450.0, targets=short, settings=ControlSettings(cycle_s=21_600))
    assert rules.co2(seen, 0.0).amount == 300.0


def test_gas_gives_way_to_exhaust_but_not_to_mere_fresh_air() -> None:
    def both(last: float) -> tuple[float, float, str]:
        asked = {r.output: r for r in rules.requests(inputs(co2=450.0, duty={"exhaust_fan": last}))}
        return asked["exhaust_fan"].amount, asked["co2_solenoid"].amount, asked["exhaust_fan"].text

    assert both(0.0) == (0.0, 37.5, "closed while CO2 is dosed")
    assert both(0.09) == (pytest.approx(648.0), 0.0, "as before: VPD 1.00 kPa is in 0.7-1.2")


def test_every_output_is_asked_once_in_every_mode() -> None:
    names = [row.name for row in OUTPUTS]
    seen = inputs(probes=MOIST)
    assert sorted(r.output for r in rules.requests(seen)) == sorted(names)
    assert sorted(r.output for r in rules.safe_requests(seen)) == sorted(names)
    paused = rules.decide(DecisionContext(now=NOON, state=state(), mode="PAUSED"))
    assert [text.split(":")[0] for text in paused.plan.not_done] == names and paused.plan.controller == "rules"


def test_light() -> None:
    check(rules.light, inputs(air=32.9), "light", 7_200.0, "light hours (16 h a day)")
    check(rules.light, inputs(air=None), "light", 7_200.0, "light hours")
    check(rules.light, inputs(air=33.0), "light", 0.0, "33.0 degC is too hot for the lamp")
    check(rules.light, inputs(MIDNIGHT), "light", 0.0, "night")
    before = NOON.replace(hour=3, minute=30)
    check(rules.light, inputs(before), "light", 0.0, "night")
    check(rules.light, inputs(NOON.replace(hour=19, minute=59, second=59)), "light", 1.0, "light hours")
    none = inputs(targets=targets(NOON, photoperiod_h=0.0))
    check(rules.light, none, "light", 0.0, "night")
    assert rules.light(inputs()).spread is False and rules.light(inputs()).fired == ("photoperiod",)


def test_circulation_runs_always() -> None:
    assert check(rules.circulation, inputs(), "circulation_fan", 7_200.0, "moving air").spread is False


def test_safe_mode_moves_air_and_lets_heat_out() -> None:
    asked = {r.output: r for r in rules.safe_requests(inputs(air=28.0, probes=MOIST))}
    assert asked["circulation_fan"].amount == 7_200.0 and asked["circulation_fan"].spread
    assert asked["exhaust_fan"].amount == 3_240.0 and asked["light"].amount == 7_200.0
    unknown = {r.output: r for r in rules.safe_requests(inputs(air=None, probes=MOIST))}["exhaust_fan"]
    assert unknown.amount == 720.0 and unknown.spread and "temperature unknown" in unknown.text
    for name in ("humidifier", "heater_mat", "co2_solenoid"):
        assert (asked[name].amount, asked[name].text) == (0.0, "off in safe mode")


LONG_AGO = NOON - timedelta(hours=9)


def water(moisture: float, confidence: float = 0.9, ts: datetime = NOON, **facts: Any) -> OutputRequest:
    """The request for two probes alike, the last dose nine hours ago."""
    memory = ControllerMemory(decided_at=ts - timedelta(hours=2), last_water_at=facts.pop("last", LONG_AGO))
    probes = facts.pop("probes", ((moisture, confidence), (moisture, confidence)))
    return rules.water(inputs(ts, probes=probes, memory=facts.pop("memory", memory), **facts))


def gentle(ml_per_pct: float) -> ControlSettings:
    return ControlSettings(soil_ml_per_pct=ml_per_pct)


@pytest.mark.parametrize(
    ("moisture", "facts", "amount", "pulses", "text"),
    [
        (30.0, {}, 0.0, 1, "P1 at 30.0 % is moist enough"),
        (29.9, {}, 300.0, 3, "P1 is dry at 29.9 %, so 300 ml"),
        (20.0, {"settings": gentle(10.0)}, 200.0, 2, "so 200 ml"),
        (20.0, {"settings": gentle(2.2)}, 44.0, 1, "so 44 ml"),
        (20.0, {"settings": gentle(1.0)}, 20.0, 1, "so 20 ml"),
        (20.0, {"settings": gentle(0.99)}, 0.0, 1, "P1 is dry at 20.0 %, but it asks for too little"),
        (20.0, {"water_used": 1_100.0}, 206.25, 2, "so 206 ml"),
        (20.0, {"water_used": 1_290.0}, 0.0, 1, "hour of the day is used (1290 ml of 2200 ml)"),
        (20.0, {"water_used": 1_500.0}, 0.0, 1, "budget"),
        (20.0, {"settings": gentle(0.99), "water_used": 1_286.25}, 0.0, 1, "but it asks for too little"),
        (20.0, {"settings": gentle(10.0), "mode": "SAFE"}, 100.0, 1, "so 100 ml, halved in safe mode"),
        (23.0, {"mode": "SAFE"}, 150.0, 2, "so 150 ml, halved in safe mode"),
        (23.1, {"mode": "SAFE"}, 0.0, 1, "safe mode: P1 at 23.1 % can wait"),
        (23.0, {"mode": "CAUTION"}, 300.0, 3, "so 300 ml"),
        (23.0, {"last": NOON - timedelta(seconds=5_400)}, 300.0, 3, "dry"),
        (23.0, {"last": NOON - timedelta(seconds=5_399)}, 0.0, 1, "needs time to soak in (89 min of 90 min)"),
        (23.0, {"last": None}, 300.0, 3, "dry"),
    ],
)
def test_water(moisture: float, facts: dict[str, Any], amount: float, pulses: int, text: str) -> None:
    asked = water(moisture, **facts)
    assert asked.output == "water_pump" and asked.amount == pytest.approx(amount) and text in asked.text
    assert asked.pulses == pulses
    halved = facts.get("mode") == "SAFE"
    assert asked.fired == (("soil.P1 < 30%", *(("half dose: doubt",) if halved else ())) if amount else ())


def test_water_at_night_is_for_the_very_dry() -> None:
    night = water(23.1, ts=MIDNIGHT)
    assert (night.text, night.amount) == ("P1 at 23.1 % can wait for the morning (down to 23 %)", 0.0)
    assert water(23.0, ts=MIDNIGHT).amount == 300.0
    assert water(23.0, ts=MIDNIGHT, water_used=600.0).amount == pytest.approx(0.35 * 2_200.0 - 600.0)


def test_the_day_frees_its_water_with_the_light() -> None:
    for local_hour, share in ((6, 0.35), (10, 0.5125), (14, 0.675), (22, 1.0)):
        ts = NOON.replace(hour=local_hour - 2)
        assert rules.allowance_ml(inputs(ts)) == pytest.approx(2_200.0 * share)
    assert rules.allowance_ml(inputs(water_used=2_200.0)) == 0.0


def test_one_doubted_probe_halves_and_a_doubted_dry_one_counts_as_a_sign() -> None:
    assert water(0.0, probes=((26.0, 0.9), (40.0, 0.3))).amount == 150.0
    assert water(0.0, probes=((25.9, 0.9), (40.0, 0.3))).amount == 300.0, "harmed soon: too dry for a second opinion"
    assert water(0.0, probes=((25.9, 0.3), (40.0, 0.3))).amount < 300.0, "a sign of drought is no certainty of it"
    memory = ControllerMemory(decided_at=LONG_AGO, last_water_at=LONG_AGO)
    sign = water(0.0, probes=((18.0, 0.3), (44.0, 0.9)), memory=memory)
    assert sign.amount == 60.0 and "P1 is dry" in sign.text
    usual = ControllerMemory(decided_at=LONG_AGO, last_water_at=LONG_AGO, usual_water_ml=1_000.0)
    free = 1_000.0 * 0.59375
    some = water(0.0, probes=((18.0, 0.3), (44.0, 0.9)), memory=usual, water_used=500.0)
    assert some.amount == pytest.approx(free - 500.0)
    assert water(0.0, probes=((6.0, 0.25), (44.0, 0.9))).amount > 0.0
    assert water(0.0, probes=((5.9, 0.25), (44.0, 0.9))).amount == 0.0, "a probe in the air"
    assert water(0.0, probes=((6.0, 0.24), (44.0, 0.9))).amount == 0.0
    assert water(0.0, probes=((28.0, 0.5), (44.0, 0.9))).amount == 300.0, "0.5 is trusted"


def test_a_dose_that_harms_no_pot_whichever_probe_is_wrong_is_given_in_full() -> None:
    """A pot went from 30 to 14 % in three days on doses of a sign of drought, while both probes said that it dries."""
    memory = ControllerMemory(decided_at=LONG_AGO, last_water_at=LONG_AGO)
    agreed = water(0.0, probes=((22.0, 0.3), (24.0, 0.9)), memory=memory)
    assert agreed.amount == water(22.0, memory=memory).amount == 300.0
    assert agreed.text.endswith("P1 is doubted, but no pot is wet") and "half dose: doubt" not in agreed.fired
    assert water(0.0, probes=((22.0, 0.3), (24.0, 0.3)), memory=memory).amount == 300.0
    halved = water(0.0, probes=((22.0, 0.3), (24.0, 0.3)), memory=memory, mode="SAFE")
    assert halved.amount == 150.0 and halved.text.endswith("P1 is doubted, a sign of drought and no measure of it")
    unplugged = ControllerMemory(decided_at=LONG_AGO, last_water_at=LONG_AGO, usual_water_ml=1_600.0)
    asked = water(0.0, probes=((26.0, 0.9), (40.0, 0.1)), memory=unplugged)
    assert asked.amount == 300.0 and asked.text.endswith("within the usual while P2 is doubted"), "no excess"
    asked = water(0.0, probes=((26.0, 0.9), (40.0, 0.1)), memory=unplugged, water_used=800.0)
    assert asked.amount == 150.0 and asked.text.endswith("less because P2 is doubted")
    assert water(0.0, probes=((22.0, 0.3), (39.9, 0.9)), memory=memory).amount == 300.0, "below where a dose aims"
    for other in ((40.0, 0.9), (24.0, 0.2), (5.9, 0.3)):  # no room, hardly a probe, and one in the air
        assert water(0.0, probes=((22.0, 0.3), other), memory=memory).amount == 60.0, other


BLIND = ((None, 0.0), (None, 0.0))


def blind(usual_ml: float = 0.0, since: timedelta | None = timedelta(hours=9), **facts: Any) -> OutputRequest:
    memory = ControllerMemory(
        decided_at=facts.pop("decided_at", NOON - timedelta(hours=2)),
        last_water_at=None if since is None else NOON - since,
        usual_water_ml=usual_ml,
    )
    return rules.water(inputs(facts.pop("ts", NOON), probes=facts.pop("probes", BLIND), memory=memory, **facts))


def test_blind_doses_by_the_clock() -> None:
    assert (blind().amount, blind().text) == (60.0, "no trusted soil probe: a small dose by the clock")
    assert blind(since=timedelta(seconds=28_800)).amount == 60.0
    early = "no trusted soil probe; the last dose is not long ago (7.9 h, at least 8 h)"
    assert blind(since=timedelta(seconds=28_799)).text == early
    assert blind(since=None).amount == 60.0
    assert blind(since=None, decided_at=None).text == "no trusted soil probe yet"
    assert blind(decided_at=None).amount == 60.0
    assert blind(ts=MIDNIGHT).text == "no trusted soil probe; no blind dose at night"
    assert blind(water_used=1_270.0).amount == pytest.approx(36.25)
    assert blind(water_used=1_286.25).amount == pytest.approx(20.0)
    assert blind(water_used=1_287.0).text == "no trusted soil probe; the budget for now is used"


def test_blind_doses_by_what_was_usual() -> None:
    free = 0.7 * 1_000.0 * 0.59375
    first = blind(1_000.0)
    assert first.amount == 150.0 and first.pulses == 2
    assert first.text == "no trusted soil probe: 150 ml, from a usual 1000 ml a day" and first.fired == ("blind_dose",)
    assert blind(1_000.0, water_used=free - 100.0).amount == pytest.approx(100.0)
    assert blind(1_000.0, water_used=free - 60.0).text.startswith("no trusted soil probe: 60 ml, from a usual")
    assert blind(1_000.0, water_used=free - 59.0).text.endswith("by the clock")
    assert blind(1_000.0, since=timedelta(seconds=5_400)).amount == 150.0
    assert blind(1_000.0, since=timedelta(seconds=5_399)).amount == 0.0
    assert blind(1_000.0, since=None).amount == 150.0
    assert blind(4_000.0, water_used=1_226.25).amount == pytest.approx(80.0), "within the day's budget"


def test_moist_by_probes_that_nobody_trusts_is_blind() -> None:
    assert blind(probes=((40.0, 0.3), (44.0, 0.3))).fired == ("blind_dose",)
    assert blind(probes=((40.0, 0.5), (44.0, 0.3))).text == "P1 at 40.0 % is moist enough (from 30 % on)"
    assert blind(probes=((30.0, 0.3), (44.0, 0.3))).fired == ("blind_dose",)


def test_a_reading_without_trust_is_no_reading() -> None:
    assert inputs(trust={"air_temp_c": 0.39}).air_temp_c is None
    assert inputs(trust={"air_temp_c": 0.4}).air_temp_c == 24.0
    low = inputs(confidence=0.39)
    assert (low.air_temp_c, low.rh_pct, low.vpd_kpa, low.co2_ppm, low.soil_temp_c) == (None,) * 5
    assert inputs(trust={"rh_pct": 0.1}).vpd_kpa is None and inputs(trust={"air_temp_c": 0.1}).vpd_kpa is None
    assert inputs(trust={"co2_ppm": 0.1}).co2_ppm is None and inputs(trust={"soil_temp_c": 0.1}).soil_temp_c is None


def test_the_air_is_the_mean_of_the_last_half_hour_where_known() -> None:
    seen = inputs(recent={"air_temp_c": 21.0, "rh_pct": 50.0, "vpd_kpa": 0.8})
    assert (seen.air_temp_c, seen.rh_pct, seen.vpd_kpa) == (21.0, 50.0, 0.8)
    assert seen.vpd_text == "VPD 0.80 kPa (mean of 30 min)"
    assert inputs(recent={"vpd_kpa": 0.8}, recent_s=20.0).vpd_text == "VPD 0.80 kPa (mean of 20 s)"
    assert inputs().vpd_text == "VPD 1.00 kPa", "the newest value is no mean"


def test_the_driest_probe_and_the_doubted() -> None:
    seen = inputs(probes=((30.0, 0.9), (28.0, 0.9), (None, 0.9), (50.0, 0.2)))
    assert seen.driest is not None and seen.driest.id == "P2" and seen.doubted == ("P3", "P4")
    assert not seen.driest_doubted
    assert inputs(probes=((30.0, 0.9), (30.0, 0.9))).driest.id == "P1"  # type: ignore[union-attr]
    assert inputs(probes=((20.0, 0.3), (30.0, 0.9))).driest_doubted
    assert inputs(probes=BLIND).driest is None and not inputs(probes=BLIND).driest_doubted


def targets(at: datetime, **changes: Any) -> TargetsV1:
    """A target set of the flowering stage that holds for a day around `at`."""
    base = base_targets(ControlSettings(stage="flowering"), BudgetSettings()).model_dump()
    return TargetsV1.model_validate(
        {
            "schema_version": "targets_v1",
            "ts": at,
            "valid_from": at - timedelta(hours=12),
            "valid_to": at + timedelta(hours=12),
            "growth_stage": "flowering",
            "base": base,
            "adapted": base | changes,
        }
    )


STAGE_TABLE: dict[str, tuple[Any, ...]] = {
    "seedling": ((0.4, 0.9), (0.3, 0.8), (21, 26), (18, 21), (32, 42, 50), 20, 16, 500, 60),
    "vegetative": ((0.7, 1.2), (0.4, 0.9), (20, 27), (16, 20), (30, 40, 48), 18, 16, 800, 150),
    "flowering": ((0.8, 1.3), (0.4, 1.0), (20, 27), (16, 20), (30, 40, 48), 18, 15, 800, 200),
    "fruiting": ((0.8, 1.4), (0.4, 1.0), (20, 27), (16, 19), (29, 39, 47), 18, 14, 800, 220),
}
"""docs/control.md: VPD by day and night, air by day and night, soil, roots, light, CO2, dose."""


@pytest.mark.parametrize("stage", STAGE_TABLE)
def test_a_stage_has_its_bands_by_day_and_night(stage: Any) -> None:
    vpd_day, vpd_night, air_day, air_night, soil, roots, light_h, ppm, dose = STAGE_TABLE[stage]
    settings = ControlSettings(stage=stage)
    for ts, vpd, air in ((NOON, vpd_day, air_day), (MIDNIGHT, vpd_night, air_night)):
        got = setpoints_at(ts, DecisionContext(now=ts, state=state(ts), settings=settings))
        assert (got.vpd_kpa, got.air_temp_c, got.light_hours) == (vpd, air, ts == NOON)
        assert (got.soil_low_pct, got.soil_target_pct, got.soil_high_pct) == soil
        assert (got.soil_temp_low_c, got.photoperiod_h, got.co2_ppm, got.dose_ml) == (roots, light_h, ppm, dose)
        assert (got.water_ml_per_day, got.co2_s_per_day, got.light_start_h) == (2_200, 300, 6)
    assert len(STAGES) == len(STAGE_TABLE)


def test_base_targets_are_the_row_and_the_budgets() -> None:
    got = base_targets(ControlSettings(stage="fruiting", light_start_local_h=7.5), BudgetSettings(water_ml_per_day=900))
    assert got.model_dump() == {
        "vpd_day_kpa": {"low": 0.8, "high": 1.4},
        "vpd_night_kpa": {"low": 0.4, "high": 1.0},
        "air_temp_day_c": {"low": 20.0, "high": 27.0},
        "air_temp_night_c": {"low": 16.0, "high": 19.0},
        "soil_moisture_pct": {"low": 29.0, "high": 47.0},
        "co2_day_ppm": {"low": 400.0, "high": 800.0},
        "photoperiod_h": 14.0,
        "lights_on_hour": 7.5,
        "water_ml_budget": 900.0,
        "co2_seconds_budget": 300.0,
    }


def test_own_targets_of_a_stage_take_the_place_of_the_table_s_and_the_rest_of_its_row_stays() -> None:
    own = {"soil_moisture_pct": (31.0, 38.0, 44.0), "vpd_day_kpa": (0.9, 1.1), "dose_ml": 90.0}
    seen = inputs(settings=ControlSettings.model_validate({"stage": "fruiting", "stages": {"fruiting": own}})).setpoints
    assert (seen.soil_low_pct, seen.soil_target_pct, seen.soil_high_pct) == (31.0, 38.0, 44.0)
    assert (seen.vpd_kpa, seen.dose_ml, seen.air_temp_c) == ((0.9, 1.1), 90.0, (20.0, 27.0))
    dry = inputs(
        settings=ControlSettings.model_validate({"stage": "fruiting", "stages": {"fruiting": {"dose_ml": 90.0}}})
    )
    assert (dry.setpoints.soil_low_pct, dry.setpoints.dose_ml) == (29.0, 90.0)


def test_adapted_targets_win_inside_their_time_and_never_raise_gas_or_budgets() -> None:
    given_ = targets(
        NOON,
        vpd_day_kpa={"low": 0.9, "high": 1.5},
        vpd_night_kpa={"low": 0.5, "high": 1.1},
        air_temp_day_c={"low": 19.0, "high": 25.0},
        air_temp_night_c={"low": 15.0, "high": 18.0},
        soil_moisture_pct={"low": 33.0, "high": 43.0},
        co2_day_ppm={"low": 400.0, "high": 600.0},
        photoperiod_h=10.0,
        lights_on_hour=8.0,
        water_ml_budget=1_000.0,
        co2_seconds_budget=100.0,
    )
    day = inputs(targets=given_).setpoints
    assert (day.vpd_kpa, day.air_temp_c, day.co2_ppm) == ((0.9, 1.5), (19.0, 25.0), 600.0)
    assert (day.soil_low_pct, day.soil_target_pct, day.soil_high_pct) == (33.0, 39.0, 43.0)
    assert (day.water_ml_per_day, day.co2_s_per_day, day.light_start_h, day.photoperiod_h) == (1_000, 100, 8, 10)
    assert day.dose_ml == 200.0, "the stage of the targets"
    dusk = NOON.replace(hour=16, minute=30)
    night = setpoints_at(dusk, DecisionContext(now=dusk, state=state(dusk), targets=given_))
    assert not night.light_hours and (night.vpd_kpa, night.air_temp_c) == ((0.5, 1.1), (15.0, 18.0))
    more = targets(NOON, co2_day_ppm={"low": 400.0, "high": 2_000.0}, water_ml_budget=9e3, co2_seconds_budget=9e3)
    assert (inputs(targets=more).setpoints.co2_ppm, inputs(targets=more).setpoints.water_ml_per_day) == (800, 2_200)
    assert inputs(targets=more).setpoints.co2_s_per_day == 300


def test_targets_hold_to_both_ends_of_their_time_and_not_beyond() -> None:
    given_ = targets(NOON)
    half = timedelta(hours=12)
    assert valid_targets(given_, NOON - half) == valid_targets(given_, NOON + half) == given_.adapted
    for moment in (NOON - half - timedelta(seconds=1), NOON + half + timedelta(seconds=1)):
        assert valid_targets(given_, moment) is None
    assert valid_targets(None, NOON) is None
    assert stage_band(ControlSettings(), given_) == STAGES["flowering"]
    assert stage_band(ControlSettings(), None) == STAGES["vegetative"]


def build(*requests: OutputRequest, ts: datetime = NOON, **context: Any) -> Any:
    return build_decision(DecisionContext(now=ts, state=state(ts), **context), "rules", list(requests))


@pytest.mark.parametrize(
    ("output", "amount", "causes", "text"),
    [
        ("heater_mat", 0.0, ("leak",), "safe mode keeps it off: leak"),
        ("exhaust_fan", 0.0, ("leak",), "warm enough"),
        ("heater_mat", 0.0, (), "warm enough"),
    ],
)
def test_what_safe_mode_keeps_off_is_off_for_its_causes(
    output: str, amount: float, causes: tuple[str, ...], text: str
) -> None:
    made = build(OutputRequest(output, amount, "warm enough"), switched_off=("heater_mat",), safe_causes=causes)
    assert made.plan.not_done == (f"{output}: {text}",)


def params(*requests: OutputRequest, **context: Any) -> list[Mapping[str, Any]]:
    made: list[ActionV1] = build(*requests, **context).proposals
    return [a.params.model_dump(exclude_none=True) for a in made]


def test_a_request_becomes_a_bounded_action() -> None:
    assert params(OutputRequest("water_pump", 149.6, "", pulses=2)) == [{"ml": 150.0, "pulses": 2}]
    assert params(OutputRequest("light", 100.04, "")) == [{"state": "ON", "seconds": 100.0}]
    assert params(OutputRequest("exhaust_fan", 720.0, "", spread=True)) == [
        {"state": "ON", "seconds": 720.0, "period_s": 7_200.0}
    ]
    assert params(OutputRequest("co2_solenoid", 30.0, "", spread=True)) == [{"seconds": 30.0, "period_s": 7_200.0}]
    assert params(OutputRequest("co2_solenoid", 7_200.0, "")) == [{"seconds": 7_200.0}]


def test_what_is_wanted_for_the_whole_cycle_reaches_into_the_next() -> None:
    assert params(OutputRequest("light", 7_200.0, "")) == [{"state": "ON", "seconds": 7_260.0}]
    assert params(OutputRequest("light", 7_199.0, "")) == [{"state": "ON", "seconds": 7_199.0}]
    assert params(OutputRequest("circulation_fan", 7_200.0, "", spread=True))[0]["seconds"] == 7_200.0


def test_what_ran_and_is_not_wanted_is_switched_off() -> None:
    ran = ControllerMemory(duty={"humidifier": 0.2, "co2_solenoid": 0.1, "light": 0.0})
    off = [OutputRequest(name, 0.0, "no") for name in ("light", "humidifier", "co2_solenoid", "water_pump")]
    made = build(*off, memory=ran)
    assert [(a.type.value, a.params.state) for a in made.proposals] == [("SET_HUMIDIFIER", "OFF")]


def test_names_reasons_and_lifetime_of_proposals() -> None:
    made = build(
        OutputRequest("light", 600.0, "a" * 300, ("r1",), "h"),
        OutputRequest("water_pump", 50.0, "dry", ("r2", "r1")),
        OutputRequest("humidifier", 0.0, "b" * 300),
    )
    light, pump = made.proposals
    assert (light.id, pump.id) == ("a-20260601T100000-0", "a-20260601T100000-1")
    assert light.decision_id == made.plan.id == "p-20260601T100000"
    assert light.not_after == NOON + timedelta(seconds=120) and light.origin == "controller"
    assert light.why.text == "a" * 240 and light.why.rules_fired == ("r1",) and light.why.objective_hint == "h"
    assert made.plan.rules_fired == ("r1", "r2") and made.plan.horizon_h == 2.0
    assert made.plan.not_done == (f"humidifier: {'b' * 228}",)
    assert made.plan.explanation == "a" * 240
    assert build(OutputRequest("light", 600.0, "a"), OutputRequest("water_pump", 9.0, "b")).plan.explanation == "a; b"


def test_nothing_to_do_is_one_action_with_every_reason() -> None:
    made = build(OutputRequest("light", 0.0, "night"), OutputRequest("humidifier", 0.0, "c" * 300))
    (nothing,) = made.proposals
    assert nothing.type.value == "NO_ACTION" and nothing.id == "a-20260601T100000-0"
    assert nothing.why.text == f"light: night; humidifier: {'c' * 214}" and made.plan.explanation == "nothing to do"


def test_what_is_remembered_of_a_decision() -> None:
    before = ControllerMemory(decisions=4, last_water_at=LONG_AGO)
    dry = build(OutputRequest("light", 3_600.0, ""), OutputRequest("humidifier", 9_000.0, ""), memory=before)
    assert dry.memory.decisions == 5 and dry.memory.decided_at == NOON and dry.memory.last_water_at == LONG_AGO
    assert dry.memory.duty == {"light": 0.5, "humidifier": 1.0} and dry.memory.last_plan == dry.plan
    wet = build(OutputRequest("water_pump", 50.0, ""), memory=before, mode="CAUTION")
    assert wet.memory.last_water_at == NOON and wet.memory.duty == {} and wet.memory.mode == "CAUTION"
    assert build(OutputRequest("water_pump", 4.0, ""), memory=before).memory.last_water_at == LONG_AGO
    assert duties([OutputRequest("light", 720.0, "")], 7_200.0) == {"light": 0.1}


@pytest.mark.parametrize(
    ("local", "edge"),
    [((12, 0), None), ((20, 30), (22, 0)), ((20, 0), None), ((20, 1), (22, 0)), ((4, 30), (6, 0)), ((2, 0), None)],
)
def test_the_next_edge_of_the_light_is_remembered(local: tuple[int, int], edge: tuple[int, int] | None) -> None:
    def utc(hour: int, minute: int) -> datetime:
        return NOON.replace(hour=hour - 2, minute=minute)

    made = build(OutputRequest("light", 0.0, ""), ts=utc(*local))
    assert made.memory.light_edge_at == (None if edge is None else utc(*edge))


def test_the_plan_shows_the_cycle_hour_by_hour() -> None:
    requests = [
        OutputRequest("light", 5_400.0, ""),
        OutputRequest("exhaust_fan", 1_800.0, "", spread=True),
        OutputRequest("water_pump", 200.0, ""),
        OutputRequest("co2_solenoid", 36.0, "", spread=True),
    ]
    first, second = cycle_steps(DecisionContext(now=NOON, state=state()), requests)
    assert (first.start, second.start) == (NOON, NOON + timedelta(hours=1))
    assert (first.light, second.light, first.exhaust_fan, second.exhaust_fan) == (1.0, 0.5, 0.25, 0.25)
    assert (first.water_ml, second.water_ml, first.co2_seconds, second.co2_seconds) == (200.0, 0.0, 18.0, 18.0)
    assert first.humidifier == 0.0
    settings = ControlSettings(cycle_s=5_400)
    one, half = cycle_steps(DecisionContext(now=NOON, state=state(), settings=settings), requests)
    assert (one.light, half.light, half.exhaust_fan) == (1.0, 1.0, pytest.approx(1 / 3))
    assert (one.co2_seconds, half.co2_seconds) == (24.0, 12.0)
    longer = ControlSettings(cycle_s=3_601)
    assert len(cycle_steps(DecisionContext(now=NOON, state=state(), settings=longer), requests)) == 2
    short = ControlSettings(cycle_s=600)
    (only,) = cycle_steps(DecisionContext(now=NOON, state=state(), settings=short), requests)
    assert (only.light, only.exhaust_fan, only.co2_seconds) == (1.0, 1.0, 36.0)


def test_too_little_is_not_asked_for_to_the_digit() -> None:
    for output, least in (("light", 1.0), ("co2_solenoid", 1.0), ("water_pump", 5.0)):
        enough = build(OutputRequest(output, least, "x"))
        assert enough.proposals[0].type.value != "NO_ACTION" and enough.plan.not_done == ()
        made = build(OutputRequest(output, least - 0.01, "x" * 300))
        assert made.proposals[0].type.value == "NO_ACTION" and len(made.plan.not_done[0]) == 240
    assert build(OutputRequest("light", 0.0, "x")).plan.not_done == ("light: x",)


def dose(hours_ago: float, ml: float | None, kind: str = "WATER") -> ActionV1:
    asked = proposal(kind, f"w{hours_ago}", ts=NOON - timedelta(hours=hours_ago), ml=100.0)
    return asked.model_copy(update={"outcome": None if ml is None else Outcome(status="DONE", delivered_ml=ml)})


def test_recorded_water_is_that_of_the_last_two_days_before_the_newest_dose() -> None:
    assert recorded_usual_water_ml([dose(50.0, 400.0), dose(49.9, 100.0), dose(2.0, 60.0)]) == 80.0
    assert recorded_usual_water_ml([dose(3.0, None), dose(2.0, 60.0)]) == 30.0
    assert recorded_usual_water_ml([]) == 0.0


def learned(hours: float, used: dict[str, float], probes: Any = MOIST, before: float = 500.0) -> float:
    memory = ControllerMemory(decided_at=NOON - timedelta(hours=hours), usual_water_ml=before)
    now = state(NOON, probes=probes)
    return usual_water_ml(DecisionContext(now=NOON, state=now, memory=memory, used=used))


def test_the_usual_water_follows_what_was_used_within_two_days() -> None:
    used = {"water_pump": 1_500.0}
    assert learned(48.0, used) == pytest.approx(1_000.0) and learned(2.0, used) == pytest.approx(540.0)
    assert learned(-3.0, used) == 500.0, "a clock set back teaches nothing"
    assert learned(48.0, {}) == 500.0
    for probes in ((), ((35.0, 0.9), (None, 0.9)), ((35.0, 0.9), (36.0, 0.49))):
        assert learned(48.0, used, probes) == 500.0
    assert learned(48.0, used, ((35.0, 0.5), (36.0, 0.9))) == pytest.approx(1_000.0)
    memory = ControllerMemory(usual_water_ml=500.0)
    context = DecisionContext(now=NOON, state=state(probes=MOIST), memory=memory, used=used)
    assert usual_water_ml(context) == 500.0, "nothing is learned before the first decision"


@given(
    st.floats(0.0, 45.0),
    st.floats(0.0, 1.0),
    st.none() | st.floats(5.0, 60.0),
    st.floats(0.0, 2_200.0),
    st.sampled_from(["NORMAL", "CAUTION", "SAFE"]),
    st.none() | st.floats(0.0, 40.0),
    st.none() | st.floats(0.0, 3.0),
)
def test_no_request_ever_leaves_its_bounds(
    air: float, confidence: float, moisture: float | None, used: float, mode: Any, roots: float | None, vpd: float
) -> None:
    seen = inputs(
        air=air, probes=((moisture, confidence), (moisture, 0.9)), water_used=used, mode=mode, soil_temp=roots, vpd=vpd
    )
    for asked in rules.safe_requests(seen) if mode == "SAFE" else rules.requests(seen):
        limit = 300.0 if asked.output in ("water_pump", "co2_solenoid") else 7_200.0
        assert 0.0 <= asked.amount <= limit and asked.text
        if asked.output == "water_pump":
            assert asked.amount <= rules.allowance_ml(seen)
