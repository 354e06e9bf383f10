"""When and how much to water: by the driest probe heard, inside a budget that is spread over the light hours."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

from tomato_host.brain.control.control_inputs import Look
from tomato_host.brain.control.photoperiod import share_of_day
from tomato_host.brain.control.proposals import Wish

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
