"""The rule policy: what a careful grower does every two hours. Always there, published for comparison."""

from __future__ import annotations

from dataclasses import replace

from tomato_host.brain.control.climate_rules import FRESH_AIR, circulation, co2, exhaust, heater, humidifier, light
from tomato_host.brain.control.context import ControlDecision, DecisionContext
from tomato_host.brain.control.control_inputs import Look, look
from tomato_host.brain.control.proposals import Wish, build_decision
from tomato_host.brain.control.water_rules import water

OUTPUT_ORDER = ("light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat", "water_pump", "co2_solenoid")


def decide(context: DecisionContext) -> ControlDecision:
    """One decision: a wish for every output, each with its reason. Pure."""
    see = look(context)
    if context.mode == "PAUSED":
        return build_decision(context, "rules", [Wish(name, 0.0, "paused by a person") for name in OUTPUT_ORDER])
    if context.mode == "SAFE":
        return build_decision(context, "safe_mode", safe_wishes(see))
    return build_decision(context, "rules", wishes(see))


def wishes(see: Look) -> list[Wish]:
    """The rules, output by output. Gas and exhaust exclude each other: gas gives way, except to mere fresh air."""
    out = exhaust(see)
    gas = co2(see, 0.0 if out.amount <= FRESH_AIR * see.cycle_s else out.amount)
    if gas.amount > 0.0:
        out = replace(out, amount=0.0, text="closed while CO2 is dosed")
    return [light(see), circulation(see), out, humidifier(see), heater(see), water(see), gas]


def safe_wishes(see: Look) -> list[Wish]:
    """Safe mode: light by the clock unless it is hot, air that moves, heat let out, water only in real thirst."""
    fired, full = ("safe_mode",), see.cycle_s
    moving = Wish("circulation_fan", full, "safe mode keeps the air moving", fired, "safety", spread=True)
    out = exhaust(see)
    if see.air_temp_c is None:
        out = Wish("exhaust_fan", 0.1 * full, "temperature unknown: a little air", fired, "safety", spread=True)
    rest = [Wish(name, 0.0, "off in safe mode") for name in ("humidifier", "heater_mat", "co2_solenoid")]
    return [light(see), moving, out, water(see), *rest]
