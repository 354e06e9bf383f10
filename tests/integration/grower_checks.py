"""Days of a grower, compared part with part: each reason with its numbers, each message with a true cause, and back.

Every check returns what is wrong, one line each; nothing is wrong when the list is empty.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta

from tomato_host.brain.psychrometrics import vpd_kpa
from tomato_host.sources.scenarios import Occurrence, Scenario

from shared_schemas.records import ActionV1, ObservationV1, PlanV1, StateV1
from tests.integration.grower_days import GrowerDays, messages

NUMBER = r"(-?\d+(?:\.\d+)?)"
NEWEST = ((r"soil at {} degC", "soil_temp"), (r"(?<!\d){} ppm (?:is|,)", "co2"), (r"VPD {} kPa is", "vpd"))
"""Sentences with a reading of the state that was decided on, and which."""
TOLERANCE = {"soil_temp": 0.051, "co2": 0.51, "vpd": 0.0051}
OVER = re.compile(rf"VPD {NUMBER} kPa \(mean of (\d+) (min|s)\)")
PROBE = re.compile(rf"(P\d) (?:is dry )?at {NUMBER} %")
BOUND = re.compile(
    rf"{NUMBER} (degC|ppm|%|kPa)[^();]*? (?:is (above|below|not above) |\((from|above|below|down to) ){NUMBER}"
)


def sentences(plan: PlanV1, actions: list[ActionV1]) -> Iterator[str]:
    """Every reason of a decision: of what was asked for and of what was not."""
    yield from (line.split(": ", 1)[-1] for line in plan.not_done)
    yield from (action.why.text for action in actions if action.decision_id == plan.id and action.origin != "person")


def reasons_against_numbers(days: GrowerDays) -> list[str]:
    """Sentences whose numbers are not those of the state they were decided on, or on the wrong side of their limit."""
    states = {state.ts: state for state in days.of(StateV1) if isinstance(state, StateV1)}
    seen = [o for o in days.of(ObservationV1) if isinstance(o, ObservationV1)]
    times = [o.ts for o in seen]
    by_decision: dict[str, list[ActionV1]] = {}
    for action in days.of(ActionV1):
        if isinstance(action, ActionV1) and action.outcome is None and action.decision_id:
            by_decision.setdefault(action.decision_id, []).append(action)
    wrong, compared = [], 0
    for plan in days.of(PlanV1):
        if not isinstance(plan, PlanV1) or plan.shadow:
            continue
        state, at = states.get(plan.state_ts), f"{plan.ts:%d %b %H:%M}"
        if state is None:
            wrong.append(f"{at}: no state of {plan.state_ts:%H:%M:%S} is recorded")
            continue
        window = seen[: bisect_right(times, plan.ts)]
        for text in sentences(plan, by_decision.get(plan.id, [])):
            found = [*_of_state(text, state), *_of_means(text, window, plan.ts), *_of_bounds(text)]
            compared += len(re.findall(NUMBER, text))
            wrong += [f"{at}: {text!r}: {what}" for what in found]
    assert compared > 10, f"the reasons hold {compared} numbers"
    return wrong


def _of_state(text: str, state: StateV1) -> Iterator[str]:
    values = {"soil_temp": state.soil.temp_c, "co2": state.env.co2_ppm, "vpd": state.env.vpd_kpa}
    for form, name in NEWEST:
        for value in re.findall(form.format(NUMBER), text):
            true = values[name]
            if true is None or abs(float(value) - true) > TOLERANCE[name]:
                yield f"{name} was {true}"
    for probe, value in PROBE.findall(text):
        moisture = {p.id: p.moisture_pct for p in state.soil.probes}.get(probe)
        if moisture is None or abs(float(value) - moisture) > 0.051:
            yield f"{probe} was {moisture}"
    if "the lamp was off" in text and state.devices.light == "ON":
        yield "the lamp was on"


def _of_means(text: str, window: list[ObservationV1], now: datetime) -> Iterator[str]:
    for value, length, unit in OVER.findall(text):
        span = timedelta(minutes=int(length)) if unit == "min" else timedelta(seconds=int(length))
        known = []
        for o in reversed(window):
            if o.ts < now - span - timedelta(seconds=60):
                break
            if o.air_temp_c is not None and o.rh_pct is not None:
                known.append(vpd_kpa(o.air_temp_c, o.rh_pct))
        if known and abs(sum(known) / len(known) - float(value)) > 0.08:
            yield f"the mean of {len(known)} readings was {sum(known) / len(known):.2f}"


def _of_bounds(text: str) -> Iterator[str]:
    for value, _unit, side, other, bound in BOUND.findall(text):
        above = (side or other) in ("above", "from")
        if (float(value) - float(bound)) * (1.0 if above else -1.0) < -0.051 and "can wait" not in text:
            yield f"{value} is not {side or other} {bound}"


CAUSED: dict[str, tuple[str, ...]] = {
    "heatwave": (
        "Vpd high",
        "Soil temp high",
        "Air temp high",
        "Leaf hot",
        "The board forces",
        "Fault over_temp",
        "Rh low",
    ),
    "reservoir_empty": ("Reservoir low",),
    "sensor_dropout": (
        "Sensor disconnect (air_temp_c)",
        "Sensor disconnect (rh_pct)",
        "The board gets no value",
        "SAFE: ",
    ),
    "leak": ("Leak", "Fault leak", "Water blocked"),
    "probe_drift": ("Sensor fault (soil.P1)",),
    "cold_spell": ("Air temp low", "Rh high", "Condensation", "Vpd low"),
    "link_cut": ("The board does not answer",),
    "pump_clog": ("water_pump: pulse aborted, no_flow", "Fault no_flow", "Water not arriving", "Water blocked"),
    "dry_inflow": ("Vpd high", "Rh low"),
    "brownout": (),
    "probe_disconnect": ("Sensor disconnect (soil.P1)", "The board gets no value from soil_p1_pct"),
    "wind_spike": ("Vpd high", "Rapid change"),
    "valve_stuck": ("Fault stuck_valve", "Soil wet", "Water blocked"),
    "board_reset": (),
}
"""What each trouble may send to the phone."""
MUST_SEND = frozenset(
    {"reservoir_empty", "sensor_dropout", "leak", "link_cut", "probe_disconnect", "valve_stuck", "probe_drift"}
)
"""Troubles of a day's length that must reach the phone; weather need not while the tent copes with it."""
AFTER = {"probe_drift": timedelta(hours=48)}
"""How long after its end a trouble may still be heard of; by default six hours: latched faults, Recovered. A probe is
believed again with the second dose that it answers rightly, and a wet cold spell follows the drift."""
WITHIN = timedelta(hours=14)
"""A drift of two points an hour takes eight hours to be one; all others are reported within minutes."""


def alarms_without_cause(days: GrowerDays, scenario: str) -> list[str]:
    """Messages that no trouble of that time explains."""
    troubles = Scenario.parse(scenario).occurrences
    return [
        f"{at:%d %b %H:%M} {message.level}: {message.text}"
        for at, message in messages(days.story)
        if not any(
            _during(trouble, days, at, AFTER.get(trouble.name, timedelta(hours=6)))
            and any(begin in message.text for begin in CAUSED[trouble.name])
            for trouble in troubles
        )
    ]


def alarms_missing(days: GrowerDays, scenario: str) -> list[str]:
    """Troubles, and moments of the true tent that harm within a day, of which the phone heard nothing in time."""
    sent = [(at, m.text) for at, m in messages(days.story) if not m.text.startswith("Recovered")]
    missing = []
    for trouble in Scenario.parse(scenario).occurrences:
        told = [t for at, t in sent if _during(trouble, days, at, timedelta()) and at <= _begin(trouble, days) + WITHIN]
        if trouble.name in MUST_SEND and not any(b in t for b in CAUSED[trouble.name] for t in told):
            missing.append(f"{trouble.name} at {_begin(trouble, days):%d %b %H:%M}: nothing was sent")
    for what, holds, begins in (
        ("hotter than 36 degC", lambda t: t.air_temp_c > 36.0, ("Air temp high", "Fault over_temp")),
        ("colder than 9 degC", lambda t: t.air_temp_c < 9.0, ("Air temp low",)),
        ("a pot below 11 %", lambda t: min(t.theta) < 0.11, ("Soil dry", "Water blocked")),
        ("CO2 above 5,000 ppm", lambda t: t.co2_ppm > 5_000.0, ("Co2 high", "Fault co2_high")),
        ("water on the floor", lambda t: t.floor_ml > 30.0, ("Leak", "Fault leak")),
    ):
        run: list[datetime] = []
        for truth in days.truth:
            run = [*run, truth.at] if holds(truth) else []
            heard = any(b in t for at, t in sent for b in begins if run and run[0] - timedelta(days=1) <= at <= run[-1])
            if len(run) == 7 and not heard:  # an hour of it, seen every ten minutes
                missing.append(f"{what} since {run[0]:%d %b %H:%M}: nothing was sent")
    return missing


def _begin(trouble: Occurrence, days: GrowerDays) -> datetime:
    return days.story.start + timedelta(hours=trouble.at_h)


def _during(trouble: Occurrence, days: GrowerDays, at: datetime, after: timedelta) -> bool:
    begin = _begin(trouble, days)
    return begin <= at <= begin + timedelta(hours=trouble.for_h) + after
