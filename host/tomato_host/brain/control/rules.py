"""The rule policy: what a careful grower does every two hours. Always there, published for comparison.

One rule an output, with duties instead of switches. Every rule returns a Wish with its reason, also when it wants
nothing. A running output goes on until the middle of its band is reached, so that nothing chatters at an edge.
Water goes by the driest probe heard, inside a budget that is spread over the light hours.
"""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from tomato_host.brain.control.context import ControlDecision, DecisionContext
from tomato_host.brain.control.control_inputs import Look, look
from tomato_host.brain.control.photoperiod import share_of_day
from tomato_host.brain.control.proposals import Wish, build_decision

OUTPUT_ORDER = ("light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat", "water_pump", "co2_solenoid")
HOT_FOR_LIGHT_C = 33.0
FRESH_AIR = 0.08
"""Least share of exhaust by day: leaves use up the CO2 of a closed tent."""
SHARE_PER_KPA = 0.4
"""How much more or less exhaust one kPa outside the band calls for, in one step."""
SMALL = 0.05
"""A duty below this is not worth a relay's wear."""
HARD_LOW_PCT = 7.0
"""This far below the low mark a plant is watered at night too."""
RESERVE = 0.35
"""Share of the budget that is free from the first hour on; the rest becomes free with the light hours."""
PULSE_ML = 100.0
"""A dose is given in pulses of about this size, so that the substrate takes it up."""
LEAST_ML = 20.0
DOUBT_SHARE = 0.7
"""Of the habitual water when no probe can be trusted: enough to live on, and about what was drunk, not drained, in the
most uneven tents of the campaign (73 % and more of what was pumped)."""


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


def _clip(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return min(high, max(low, value))


def light(see: Look) -> Wish:
    """Light hours by the wall clock, less when the tent is hot."""
    aims = see.aims
    if aims.light_starts_in_s > 0.0 or aims.light_for_s <= 0.0:
        return Wish("light", 0.0, "night: tomatoes need a dark period")
    if see.air_temp_c is not None and see.air_temp_c >= HOT_FOR_LIGHT_C:
        return Wish("light", 0.0, f"{see.air_temp_c:.1f} degC is too hot for the lamp")
    text = f"light hours ({aims.photoperiod_h:g} h a day)"
    return Wish("light", aims.light_for_s, text, ("photoperiod",), "photosynthesis")


def circulation(see: Look) -> Wish:
    """Moving air around the clock: still air is where mould begins."""
    return Wish("circulation_fan", see.cycle_s, "moving air", ("circulation",), "even_climate")


def exhaust(see: Look) -> Wish:
    """Out with heat and damp; by day a little fresh air; never with cold outside getting in.

    Damp is worked off step by step from the last share, for a small tent answers within minutes and overshoots.
    """
    low_c, high_c = see.aims.air_temp_c
    low_kpa, high_kpa = see.aims.vpd_kpa
    if see.air_temp_c is not None and see.air_temp_c < low_c - 2.0:
        return Wish("exhaust_fan", 0.0, f"{see.air_temp_c:.1f} degC: keep the warmth in")
    least = FRESH_AIR if see.aims.light else 0.0
    share, text, fired = see.last_duty("exhaust_fan"), "as before: the air is right", ("exhaust holds",)
    if see.vpd_kpa is not None and see.vpd_kpa < low_kpa:
        share += SHARE_PER_KPA * (low_kpa - see.vpd_kpa) + SMALL
        text, fired = f"VPD {see.vpd_kpa:.2f} kPa is too low", (f"vpd < {low_kpa:g} kPa",)
    elif see.vpd_kpa is not None and see.vpd_kpa > high_kpa:
        share -= SHARE_PER_KPA * (see.vpd_kpa - high_kpa) + SMALL
        text, fired = f"VPD {see.vpd_kpa:.2f} kPa: less air out", (f"vpd > {high_kpa:g} kPa",)
    if share <= least:
        share, text, fired = least, "fresh air" if least else "nothing to blow out", ("fresh air by day",)
    if see.air_temp_c is not None and see.air_temp_c > high_c:
        need = _clip(0.2 + (see.air_temp_c - high_c) / 4.0)
        if need > share:
            share, text, fired = need, f"{see.air_temp_c:.1f} degC is too warm", (f"air > {high_c:g} degC",)
    share = _clip(share)
    return Wish("exhaust_fan", share * see.cycle_s if share >= SMALL else 0.0, text, fired, "air_in_band", spread=True)


def humidifier(see: Look) -> Wish:
    """Mist when the air is too dry, until the middle of the band; never into damp air, never blind."""
    low, high = see.aims.vpd_kpa
    if see.vpd_kpa is None or see.rh_pct is None:
        return Wish("humidifier", 0.0, "no trusted reading of the air")
    if see.rh_pct >= 82.0:
        return Wish("humidifier", 0.0, f"RH {see.rh_pct:.0f} % is high enough")
    running = see.last_duty("humidifier") > 0.0
    middle = (low + high) / 2.0
    if see.vpd_kpa <= (middle if running else high):
        return Wish("humidifier", 0.0, f"VPD {see.vpd_kpa:.2f} kPa is in its band")
    share = _clip((see.vpd_kpa - middle) / 1.2, SMALL, 0.5)
    if running:  # the last duty was not enough, or just enough: go on from it
        share = _clip(see.last_duty("humidifier") + (see.vpd_kpa - (middle + high) / 2.0) / 2.0, SMALL, 0.5)
    return Wish(
        "humidifier",
        share * see.cycle_s,
        f"VPD {see.vpd_kpa:.2f} kPa is too high",
        (f"vpd > {high:g} kPa",),
        "vpd_in_band",
        spread=True,
    )


def heater(see: Look) -> Wish:
    """Warm roots: the mat by soil temperature only."""
    low = see.aims.soil_temp_low_c
    if see.soil_temp_c is None:
        return Wish("heater_mat", 0.0, "no trusted soil temperature")
    running = see.last_duty("heater_mat") > 0.0
    if see.soil_temp_c >= low + (1.0 if running else 0.0):
        return Wish("heater_mat", 0.0, f"soil at {see.soil_temp_c:.1f} degC is warm enough")
    if see.air_temp_c is not None and see.air_temp_c > see.aims.air_temp_c[1]:
        return Wish("heater_mat", 0.0, "the air is warm; the soil follows")
    share = _clip(0.2 + (low + 1.0 - see.soil_temp_c) / 4.0, SMALL, 0.7)
    return Wish(
        "heater_mat",
        share * see.cycle_s,
        f"soil at {see.soil_temp_c:.1f} degC is too cold",
        (f"soil < {low:g} degC",),
        "warm_roots",
        spread=True,
    )


def co2(see: Look, exhaust_s: float) -> Wish:
    """Gas in light hours with the exhaust off, the day's budget spread over the light hours."""
    state, wanted = see.context.state, see.aims.co2_ppm
    if not see.context.settings.use_co2:
        return Wish("co2_solenoid", 0.0, "switched off in the settings")
    if not see.aims.light or see.context.mode != "NORMAL":
        return Wish("co2_solenoid", 0.0, "only in light hours and in mode NORMAL")
    if state.devices.light != "ON":
        return Wish("co2_solenoid", 0.0, "the lamp is not on yet: gas feeds nobody in the dark")
    if exhaust_s > 0.0:
        return Wish("co2_solenoid", 0.0, "the exhaust is on")
    if see.co2_ppm is None:
        return Wish("co2_solenoid", 0.0, "no trusted CO2 reading")
    if see.co2_ppm >= 0.9 * wanted:
        return Wish("co2_solenoid", 0.0, f"{see.co2_ppm:.0f} ppm is enough")
    left_s = see.aims.co2_s_per_day - state.budgets.co2_seconds_used_today
    share_s = see.aims.co2_s_per_day * see.cycle_s / max(see.cycle_s, see.aims.photoperiod_h * 3_600.0)
    dose_s = min(left_s, share_s)
    if dose_s < 5.0:
        return Wish("co2_solenoid", 0.0, "the day's CO2 budget is used")
    return Wish(
        "co2_solenoid",
        dose_s,
        f"{see.co2_ppm:.0f} ppm is below {wanted:g}",
        (f"co2 < {wanted:g} ppm",),
        "photosynthesis",
        spread=True,
    )


def _free_ml(see: Look, per_day_ml: float) -> float:
    """What of a day's water is left for now: the reserve at once, the rest in step with the light hours."""
    aims, settings = see.aims, see.context.settings
    passed = share_of_day(see.now, ZoneInfo(settings.time_zone), aims.light_start_h, aims.photoperiod_h)
    free = per_day_ml * (RESERVE + (1.0 - RESERVE) * passed)
    return max(0.0, free - see.context.state.budgets.water_ml_used_today)


def allowance_ml(see: Look) -> float:
    """Water of the day's budget that may be used by now."""
    return _free_ml(see, see.aims.water_ml_per_day)


def _habit_left_ml(see: Look) -> float:
    """What the careful share of the habitual water leaves for now."""
    return _free_ml(see, DOUBT_SHARE * see.context.memory.habit_ml)


def _since_water_s(see: Look) -> float | None:
    last = see.context.memory.last_water_at
    return None if last is None else (see.now - last).total_seconds()


def _blind(see: Look) -> Wish:
    """No probe to trust: by habit, and at least a small dose by the clock, so that a dead probe is no dead plant."""
    settings, since = see.context.settings, _since_water_s(see)
    if not see.aims.light:
        return Wish("water_pump", 0.0, "no trusted soil probe; no blind dose at night")
    by_habit = min(see.aims.dose_ml, _habit_left_ml(see), allowance_ml(see))
    if by_habit >= settings.blind_dose_ml and (since is None or since >= settings.water_pause_s):
        text = f"no trusted soil probe: {by_habit:.0f} ml, by the habit of {see.context.memory.habit_ml:.0f} ml a day"
        wish = Wish("water_pump", by_habit, text, ("blind_dose",), "keep_alive")
        return replace(wish, pulses=max(1, round(by_habit / PULSE_ML)))
    if since is not None and since < settings.blind_pause_s:
        return Wish("water_pump", 0.0, "no trusted soil probe; the last dose is not long ago")
    if since is None and see.context.memory.decided_at is None:
        return Wish("water_pump", 0.0, "no trusted soil probe yet")
    dose = min(settings.blind_dose_ml, allowance_ml(see))
    if dose < LEAST_ML:
        return Wish("water_pump", 0.0, "no trusted soil probe; the budget for now is used")
    return Wish("water_pump", dose, "no trusted soil probe: a small dose by the clock", ("blind_dose",), "keep_alive")


def water(see: Look) -> Wish:
    """The dose for the driest trusted probe, if it is dry, it is time, and the budget has room."""
    probe, aims, settings = see.driest, see.aims, see.context.settings
    if probe is None or probe.moisture_pct is None:
        return _blind(see)
    moisture, since = probe.moisture_pct, _since_water_s(see)
    hard_low = aims.soil_low_pct - HARD_LOW_PCT
    if moisture >= aims.soil_low_pct and len(see.doubted) == len(see.context.state.soil.probes):
        return _blind(see)  # moist, say probes that nobody trusts
    if moisture >= aims.soil_low_pct:
        return Wish("water_pump", 0.0, f"{probe.id} at {moisture:.1f} % is moist enough")
    if see.context.mode == "SAFE" and moisture > hard_low:
        return Wish("water_pump", 0.0, f"safe mode: {probe.id} at {moisture:.1f} % can wait")
    if not aims.light and moisture > hard_low:
        return Wish("water_pump", 0.0, f"{probe.id} at {moisture:.1f} % can wait for the morning")
    if since is not None and since < settings.water_pause_s:
        return Wish("water_pump", 0.0, "the last dose must sink in first")
    return _dose(see, probe.id, moisture)


def _dose(see: Look, probe: str, moisture: float) -> Wish:
    aims, settings = see.aims, see.context.settings
    need = (aims.soil_target_pct - moisture) * settings.soil_ml_per_pct
    # A HIGH anomaly (a heat wave, say) is no reason for thirst; doubt about the readings is one for care.
    cautious = see.context.mode == "SAFE" or bool(see.doubted)
    dose = min(need, 2.0 * aims.dose_ml, allowance_ml(see)) * (0.5 if cautious else 1.0)
    if see.driest_doubted:  # a sign of drought, no measure of it
        dose = min(dose, max(_habit_left_ml(see), settings.blind_dose_ml))
    if dose < LEAST_ML:
        return Wish("water_pump", 0.0, "the water budget for this hour of the day is used")
    fired = (f"soil.{probe} < {aims.soil_low_pct:g}%", *(("half dose: doubt",) if cautious else ()))
    text = f"{probe} is dry at {moisture:.1f} %, so {dose:.0f} ml" + (", half of it for doubt" if cautious else "")
    wish = Wish("water_pump", dose, text, fired, "reduce_water_stress")
    return replace(wish, pulses=max(1, round(dose / PULSE_ML)))
