"""Rules of air and light, one output each: what a grower does by hand, with duties instead of switches.

Every rule returns a Wish with its reason, also when it wants nothing. A running output goes on until the middle of
its band is reached, so that nothing chatters at an edge.
"""

from __future__ import annotations

from tomato_host.brain.control.control_inputs import Look
from tomato_host.brain.control.proposals import Wish

HOT_FOR_LIGHT_C = 33.0
FRESH_AIR = 0.08
"""Least share of exhaust by day: leaves use up the CO2 of a closed tent."""
SHARE_PER_KPA = 0.4
"""How much more or less exhaust one kPa outside the band calls for, in one step."""
SMALL = 0.05
"""A duty below this is not worth a relay's wear."""


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
