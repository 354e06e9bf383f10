"""The baseline below the rules: a plain plug-in timer, blind to every sensor. For comparison only."""

from __future__ import annotations

from tomato_host.brain.control.climate_rules import light
from tomato_host.brain.control.context import ControlDecision, DecisionContext
from tomato_host.brain.control.control_inputs import look
from tomato_host.brain.control.proposals import Wish, build_decision

DOSES_A_DAY = 4
EXHAUST_DAY, EXHAUST_NIGHT = 0.25, 0.1
HUMIDIFIER_DAY = 0.1


def decide(context: DecisionContext) -> ControlDecision:
    """Light by the clock, a quarter of the water four times in the light hours, fans and mist at fixed shares."""
    see = look(context)
    aims, cycle_s = see.aims, see.cycle_s
    memory = context.memory
    pause_s = aims.photoperiod_h * 3_600.0 / DOSES_A_DAY
    since = None if memory.last_water_at is None else (context.now - memory.last_water_at).total_seconds()
    due = aims.light and (since is None or since >= pause_s - 60.0)
    dose = aims.water_ml_per_day / DOSES_A_DAY if due else 0.0
    lamp = light(see)
    share = EXHAUST_DAY if aims.light else EXHAUST_NIGHT
    return build_decision(
        context,
        "fixed_timer",
        [
            Wish("light", aims.light_for_s if aims.light else 0.0, lamp.text, ("timer",)),
            Wish("circulation_fan", 0.5 * cycle_s, "timer", ("timer",), spread=True),
            Wish("exhaust_fan", share * cycle_s, "timer", ("timer",), spread=True),
            Wish("humidifier", HUMIDIFIER_DAY * cycle_s if aims.light else 0.0, "timer", ("timer",), spread=True),
            Wish("heater_mat", 0.0, "a timer has none"),
            Wish("water_pump", dose, "timer", ("timer",), pulses=max(1, round(dose / 100.0))),
            Wish("co2_solenoid", 0.0, "a timer has none"),
        ],
    )
