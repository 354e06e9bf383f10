"""The baseline below the rules: a plain plug-in timer, blind to every sensor. For comparison only."""

from __future__ import annotations

from tomato_host.brain.control.context import ControlDecision, DecisionContext, elapsed_s
from tomato_host.brain.control.control_inputs import read_inputs
from tomato_host.brain.control.proposals import OutputRequest, build_decision
from tomato_host.brain.control.rules import light

DOSES_A_DAY = 4
EXHAUST_DAY, EXHAUST_NIGHT = 0.25, 0.1
HUMIDIFIER_DAY = 0.1


def decide(context: DecisionContext) -> ControlDecision:
    """Light by the clock, a quarter of the water four times in the light hours, fans and mist at fixed shares."""
    inputs = read_inputs(context)
    setpoints, cycle_s = inputs.setpoints, inputs.cycle_s
    memory = context.memory
    pause_s = setpoints.photoperiod_h * 3_600.0 / DOSES_A_DAY
    since = elapsed_s(context.now, memory.last_water_at)
    due = setpoints.light_hours and (since is None or since >= pause_s - 60.0)
    dose = setpoints.water_ml_per_day / DOSES_A_DAY if due else 0.0
    lamp = light(inputs)
    share = EXHAUST_DAY if setpoints.light_hours else EXHAUST_NIGHT
    mist_s = HUMIDIFIER_DAY * cycle_s if setpoints.light_hours else 0.0
    return build_decision(
        context,
        "fixed_timer",
        [
            OutputRequest("light", setpoints.light_for_s if setpoints.light_hours else 0.0, lamp.text, ("timer",)),
            OutputRequest("circulation_fan", 0.5 * cycle_s, "timer", ("timer",), spread=True),
            OutputRequest("exhaust_fan", share * cycle_s, "timer", ("timer",), spread=True),
            OutputRequest("humidifier", mist_s, "timer", ("timer",), spread=True),
            OutputRequest("heater_mat", 0.0, "not driven by the timer"),
            OutputRequest("water_pump", dose, "timer", ("timer",), pulses=max(1, round(dose / 100.0))),
            OutputRequest("co2_solenoid", 0.0, "not driven by the timer"),
        ],
    )
