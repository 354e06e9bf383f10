"""The rule policy: what a careful grower does every two hours. Always there, published for comparison.

One rule an output, with duties instead of switches. Every rule returns an OutputRequest with its reason, also when it
wants nothing. A running output goes on until the middle of its band is reached, so that nothing chatters at an edge.
Water follows the driest usable probe, inside a budget that is spread over the light hours.
"""

from __future__ import annotations

from dataclasses import replace

from shared_schemas.devices import OUTPUTS
from tomato_host.brain.control.context import ControlDecision, DecisionContext, elapsed_s
from tomato_host.brain.control.control_inputs import ControlInputs, read_inputs
from tomato_host.brain.control.evaluation import DAMP_PCT
from tomato_host.brain.control.photoperiod import share_of_day
from tomato_host.brain.control.proposals import OutputRequest, build_decision

NO_VPD = "as before: no trusted VPD"
HOT_FOR_LIGHT_C = 33.0
FRESH_AIR = 0.08
"""Least share of exhaust by day: leaves use up the CO2 of a closed tent."""
DOUBTED_DAMP_SHARE = 0.35
"""Exhaust while a hygrometer that is not trusted reads damp: what a tent with plants and lamp needs to stay dry."""
SHARE_PER_KPA = 0.4
"""How much more or less exhaust one kPa outside the band calls for, in one step."""
MIN_SHARE = 0.05
"""A duty below this is not worth a relay's wear."""
HARD_LOW_PCT = 7.0
"""This far below the low mark a plant is watered at night too."""
FREE_AT_ONCE = 0.35
"""Share of the budget that is free from the first hour on; the rest becomes free with the light hours."""
PULSE_ML = 100.0
"""A dose is given in pulses of about this size, so that the substrate takes it up."""
MIN_ML = 20.0
CAUTIOUS_SHARE = 0.7
"""Share of the usual water when no probe can be trusted: enough to live on, and about what plants took up in the most
uneven tents of the campaign (73 % and more of what was pumped)."""


def decide(context: DecisionContext) -> ControlDecision:
    """One decision: a request for every output, each with its reason. Pure."""
    inputs = read_inputs(context)
    if context.mode == "PAUSED":
        return build_decision(
            context, "rules", [OutputRequest(row.name, 0.0, "paused by the operator") for row in OUTPUTS]
        )
    if context.mode == "SAFE":
        return build_decision(context, "safe_mode", safe_requests(inputs))
    return build_decision(context, "rules", requests(inputs))


def requests(
    inputs: ControlInputs, out: OutputRequest | None = None, mist: OutputRequest | None = None
) -> list[OutputRequest]:
    """The rules, output by output. Gas and exhaust exclude each other: gas gives way, except to mere fresh air.

    `out`, `mist`: what is asked of exhaust and humidifier in place of the rules' own.
    """
    out = exhaust(inputs) if out is None else out
    mist = humidifier(inputs) if mist is None else mist
    gas = co2(inputs, 0.0 if out.amount <= FRESH_AIR * inputs.cycle_s else out.amount)
    if gas.amount > 0.0:
        out = replace(out, amount=0.0, text="closed while CO2 is dosed")
    return [light(inputs), circulation(inputs), out, mist, heater(inputs), water(inputs), gas]


def safe_requests(inputs: ControlInputs) -> list[OutputRequest]:
    """Safe mode: light by the clock unless hot, moving air, heat let out, water only for very dry soil."""
    fired, full = ("safe_mode",), inputs.cycle_s
    moving = OutputRequest("circulation_fan", full, "safe mode keeps the air moving", fired, "safety", spread=True)
    out = exhaust(inputs)
    if inputs.air_temp_c is None:
        out = OutputRequest(
            "exhaust_fan", 0.1 * full, "temperature unknown: a little air", fired, "safety", spread=True
        )
    rest = [OutputRequest(name, 0.0, "off in safe mode") for name in ("humidifier", "heater_mat", "co2_solenoid")]
    return [light(inputs), moving, out, water(inputs), *rest]


def _clip(value: float, low: float = 0.0, high: float = 1.0) -> float:
    return min(high, max(low, value))


def light(inputs: ControlInputs) -> OutputRequest:
    """Light hours by the wall clock, less when the tent is hot."""
    setpoints = inputs.setpoints
    if setpoints.light_starts_in_s > 0.0 or setpoints.light_for_s <= 0.0:
        return OutputRequest("light", 0.0, "night: tomatoes need a dark period")
    if inputs.air_temp_c is not None and inputs.air_temp_c >= HOT_FOR_LIGHT_C:
        return OutputRequest(
            "light", 0.0, f"{inputs.air_temp_c:.1f} degC is too hot for the lamp (from {HOT_FOR_LIGHT_C:g} degC on)"
        )
    text = f"light hours ({setpoints.photoperiod_h:g} h a day)"
    return OutputRequest("light", setpoints.light_for_s, text, ("photoperiod",), "photosynthesis")


def circulation(inputs: ControlInputs) -> OutputRequest:
    """Moving air around the clock: still air is where mould begins."""
    return OutputRequest("circulation_fan", inputs.cycle_s, "moving air", ("circulation",), "even_climate")


def exhaust(inputs: ControlInputs) -> OutputRequest:
    """Remove heat and humidity; by day a little fresh air; never when the tent is too cold already.

    Humidity is reduced step by step from the last share, for a small tent answers within minutes and overshoots.
    """
    low_c, high_c = inputs.setpoints.air_temp_c
    low_kpa, high_kpa = inputs.setpoints.vpd_kpa
    if inputs.air_temp_c is not None and inputs.air_temp_c < low_c - 2.0:
        text = f"{inputs.air_temp_c:.1f} degC: too cold to ventilate (below {low_c - 2.0:g} degC)"
        return OutputRequest("exhaust_fan", 0.0, text)
    least = FRESH_AIR if inputs.setpoints.light_hours else 0.0
    share, fired = inputs.last_duty("exhaust_fan"), ("exhaust holds",)
    text = f"as before: {inputs.vpd_text} is in {low_kpa:g}-{high_kpa:g}" if inputs.vpd_kpa is not None else NO_VPD
    if inputs.vpd_kpa is not None and inputs.vpd_kpa < low_kpa:
        share += SHARE_PER_KPA * (low_kpa - inputs.vpd_kpa) + MIN_SHARE
        text, fired = f"{inputs.vpd_text} is below {low_kpa:g}", (f"vpd < {low_kpa:g} kPa",)
    elif inputs.vpd_kpa is None and _may_be_damp(inputs) and share < DOUBTED_DAMP_SHARE:
        share, fired = DOUBTED_DAMP_SHARE, ("doubted damp",)
        text = f"RH {inputs.context.state.env.rh_pct:.0f} % is doubted, but a sign of damp air"
    elif inputs.vpd_kpa is not None and inputs.vpd_kpa > high_kpa:
        share -= SHARE_PER_KPA * (inputs.vpd_kpa - high_kpa) + MIN_SHARE
        text, fired = f"{inputs.vpd_text} is above {high_kpa:g}: less air out", (f"vpd > {high_kpa:g} kPa",)
    if share <= least:
        share, fired = least, ("fresh air by day",)
        text = "a little fresh air" if least else f"nothing to blow out: {inputs.vpd_text}"
    if inputs.air_temp_c is not None and inputs.air_temp_c > high_c:
        need = _clip(0.2 + (inputs.air_temp_c - high_c) / 4.0)
        if need > share:
            text = f"{inputs.air_temp_c:.1f} degC is too warm (above {high_c:g} degC)"
            share, fired = need, (f"air > {high_c:g} degC",)
    share = _clip(share)
    return OutputRequest(
        "exhaust_fan", share * inputs.cycle_s if share >= MIN_SHARE else 0.0, text, fired, "air_in_band", spread=True
    )


def _may_be_damp(inputs: ControlInputs) -> bool:
    """Whether a hygrometer reads damp, trusted or not: to let air out for nothing harms no plant, mould does."""
    rh = inputs.context.state.env.rh_pct
    return rh is not None and rh > DAMP_PCT


def humidifier(inputs: ControlInputs) -> OutputRequest:
    """Mist when the air is too dry, until the middle of the band; never into humid air or without a reading."""
    low, high = inputs.setpoints.vpd_kpa
    if inputs.vpd_kpa is None or inputs.rh_pct is None:
        return OutputRequest("humidifier", 0.0, "no trusted reading of the air")
    if inputs.rh_pct >= 82.0:
        return OutputRequest("humidifier", 0.0, f"RH {inputs.rh_pct:.0f} % is 82 % or more")
    running = inputs.last_duty("humidifier") > 0.0
    middle = (low + high) / 2.0
    until = middle if running else high
    if inputs.vpd_kpa <= until:
        return OutputRequest("humidifier", 0.0, f"{inputs.vpd_text} is not above {until:.2f}")
    share = _clip((inputs.vpd_kpa - middle) / 1.2, MIN_SHARE, 0.5)
    if running:  # the last duty was not enough, or just enough: go on from it
        share = _clip(inputs.last_duty("humidifier") + (inputs.vpd_kpa - (middle + high) / 2.0) / 2.0, MIN_SHARE, 0.5)
    return OutputRequest(
        "humidifier",
        share * inputs.cycle_s,
        f"{inputs.vpd_text} is above {until:.2f}",
        (f"vpd > {high:g} kPa",),
        "vpd_in_band",
        spread=True,
    )


def heater(inputs: ControlInputs) -> OutputRequest:
    """Warm roots: the mat by soil temperature only."""
    low = inputs.setpoints.soil_temp_low_c
    if inputs.soil_temp_c is None:
        why = inputs.doubt_text("soil_temp_c", inputs.context.state.soil.temp_c, "degC")
        return OutputRequest("heater_mat", 0.0, f"no trusted soil temperature ({why})")
    running = inputs.last_duty("heater_mat") > 0.0
    until = low + (1.0 if running else 0.0)
    if inputs.soil_temp_c >= until:
        text = f"soil at {inputs.soil_temp_c:.1f} degC is warm enough (from {until:g} degC on)"
        return OutputRequest("heater_mat", 0.0, text)
    high_c = inputs.setpoints.air_temp_c[1]
    if inputs.air_temp_c is not None and inputs.air_temp_c > high_c:
        text = f"the air is warm, {inputs.air_temp_c:.1f} degC (above {high_c:g} degC): the soil follows"
        return OutputRequest("heater_mat", 0.0, text)
    share = _clip(0.2 + (low + 1.0 - inputs.soil_temp_c) / 4.0, MIN_SHARE, 0.7)
    return OutputRequest(
        "heater_mat",
        share * inputs.cycle_s,
        f"soil at {inputs.soil_temp_c:.1f} degC is too cold (below {until:g} degC)",
        (f"soil < {low:g} degC",),
        "warm_roots",
        spread=True,
    )


def co2(inputs: ControlInputs, exhaust_s: float) -> OutputRequest:
    """Gas in light hours with the exhaust off, the day's budget spread over the light hours."""
    state, wanted = inputs.context.state, inputs.setpoints.co2_ppm
    if not inputs.context.settings.use_co2:
        return OutputRequest("co2_solenoid", 0.0, "switched off in the settings")
    if inputs.context.mode != "NORMAL":
        return OutputRequest("co2_solenoid", 0.0, f"only in mode NORMAL, not in {inputs.context.mode}")
    if not inputs.setpoints.light_hours:
        return OutputRequest("co2_solenoid", 0.0, "only in light hours")
    if state.devices.light != "ON":
        return OutputRequest("co2_solenoid", 0.0, f"the lamp was off at {inputs.state_time}: no CO2 in the dark")
    if exhaust_s > 0.0:
        return OutputRequest("co2_solenoid", 0.0, "the exhaust is to run in this cycle")
    if inputs.co2_ppm is None:
        why = inputs.doubt_text("co2_ppm", state.env.co2_ppm, "ppm")
        return OutputRequest("co2_solenoid", 0.0, f"no trusted CO2 reading ({why})")
    if inputs.co2_ppm >= 0.9 * wanted:
        return OutputRequest(
            "co2_solenoid", 0.0, f"{inputs.co2_ppm:.0f} ppm is enough (from {0.9 * wanted:.0f} ppm on)"
        )
    left_s = inputs.setpoints.co2_s_per_day - state.budgets.co2_seconds_used_today
    share_s = (
        inputs.setpoints.co2_s_per_day * inputs.cycle_s / max(inputs.cycle_s, inputs.setpoints.photoperiod_h * 3_600.0)
    )
    dose_s = min(left_s, share_s)
    if dose_s < 5.0:
        text = f"the day's CO2 budget is used: {state.budgets.co2_seconds_used_today:.0f} s"
        return OutputRequest("co2_solenoid", 0.0, text)
    return OutputRequest(
        "co2_solenoid",
        dose_s,
        f"{inputs.co2_ppm:.0f} ppm is below {wanted:g} ppm",
        (f"co2 < {wanted:g} ppm",),
        "photosynthesis",
        spread=True,
    )


def _free_ml(inputs: ControlInputs, per_day_ml: float) -> float:
    """What of a day's water is left for now: the reserve at once, the rest in step with the light hours."""
    setpoints = inputs.setpoints
    passed = share_of_day(inputs.now, inputs.context.site.zone, setpoints.light_start_h, setpoints.photoperiod_h)
    free = per_day_ml * (FREE_AT_ONCE + (1.0 - FREE_AT_ONCE) * passed)
    return max(0.0, free - inputs.context.state.budgets.water_ml_used_today)


def allowance_ml(inputs: ControlInputs) -> float:
    """Water of the day's budget that may be used by now."""
    return _free_ml(inputs, inputs.setpoints.water_ml_per_day)


def _usual_left_ml(inputs: ControlInputs, share: float) -> float:
    """What this share of the usual water leaves for now."""
    return _free_ml(inputs, share * inputs.context.memory.usual_water_ml)


def _since_water_s(inputs: ControlInputs) -> float | None:
    return elapsed_s(inputs.now, inputs.context.memory.last_water_at)


def _blind(inputs: ControlInputs) -> OutputRequest:
    """No trusted probe: the usual amount, at least a small dose by the clock: a dead probe must not kill the plant."""
    settings, since = inputs.context.settings, _since_water_s(inputs)
    if not inputs.setpoints.light_hours:
        return OutputRequest("water_pump", 0.0, "no trusted soil probe; no blind dose at night")
    usual_dose_ml = min(inputs.setpoints.dose_ml, _usual_left_ml(inputs, CAUTIOUS_SHARE), allowance_ml(inputs))
    if usual_dose_ml >= settings.blind_dose_ml and (since is None or since >= settings.water_pause_s):
        usual_ml = inputs.context.memory.usual_water_ml
        text = f"no trusted soil probe: {usual_dose_ml:.0f} ml, from a usual {usual_ml:.0f} ml a day"
        request = OutputRequest("water_pump", usual_dose_ml, text, ("blind_dose",), "keep_alive")
        return replace(request, pulses=max(1, round(usual_dose_ml / PULSE_ML)))
    if since is not None and since < settings.blind_pause_s:
        hours, pause = since // 360.0 / 10.0, settings.blind_pause_s / 3_600.0
        text = f"no trusted soil probe; the last dose is not long ago ({hours:.1f} h, at least {pause:g} h)"
        return OutputRequest("water_pump", 0.0, text)
    if since is None and inputs.context.memory.decided_at is None:
        return OutputRequest("water_pump", 0.0, "no trusted soil probe yet")
    dose = min(settings.blind_dose_ml, allowance_ml(inputs))
    if dose < MIN_ML:
        return OutputRequest("water_pump", 0.0, "no trusted soil probe; the budget for now is used")
    return OutputRequest(
        "water_pump", dose, "no trusted soil probe: a small dose by the clock", ("blind_dose",), "keep_alive"
    )


def water(inputs: ControlInputs) -> OutputRequest:
    """The dose for the driest trusted probe, if it is dry, it is time, and the budget has room."""
    probe, setpoints, settings = inputs.driest, inputs.setpoints, inputs.context.settings
    if probe is None or probe.moisture_pct is None:
        return _blind(inputs)
    moisture, since = probe.moisture_pct, _since_water_s(inputs)
    hard_low = setpoints.soil_low_pct - HARD_LOW_PCT
    if moisture >= setpoints.soil_low_pct and len(inputs.doubted) == len(inputs.context.state.soil.probes):
        return _blind(inputs)  # moist, by probes that are not trusted
    if moisture >= setpoints.soil_low_pct:
        text = f"{probe.id} at {moisture:.1f} % is moist enough (from {setpoints.soil_low_pct:g} % on)"
        return OutputRequest("water_pump", 0.0, text)
    wait = f"{probe.id} at {moisture:.1f} % can wait"
    if inputs.context.mode == "SAFE" and moisture > hard_low:
        return OutputRequest("water_pump", 0.0, f"safe mode: {wait} (down to {hard_low:g} %)")
    if not setpoints.light_hours and moisture > hard_low:
        return OutputRequest("water_pump", 0.0, f"{wait} for the morning (down to {hard_low:g} %)")
    if since is not None and since < settings.water_pause_s:
        minutes, pause = int(since // 60.0), settings.water_pause_s / 60.0
        text = f"the last dose needs time to soak in ({minutes} min of {pause:.0f} min)"
        return OutputRequest("water_pump", 0.0, f"{probe.id} is dry at {moisture:.1f} %, but {text}")
    return _dose(inputs, probe.id, moisture)


def _doubt_counts(inputs: ControlInputs, moisture: float) -> bool:
    """Whether doubt about a probe is a reason for less water: not where a dose harms no pot whichever probe is wrong,
    nor where a trusted one says that the plant cannot wait. A doubted wet pot may have to drain then: half a dose for
    as long as the doubt lasts let the other one dry up for days."""
    cannot_wait = inputs.driest_harmed or moisture <= inputs.setpoints.soil_low_pct - HARD_LOW_PCT
    certain = cannot_wait and not inputs.driest_doubted
    return bool(inputs.doubted) and not inputs.all_have_room and not certain


def _caution(inputs: ControlInputs, probe: str, doubt: bool, less: bool) -> str:
    """Why a dose is smaller than the soil asks for (`less`), or is not though there is doubt."""
    doubted, safe = ", ".join(inputs.doubted), inputs.context.mode == "SAFE"
    if (doubt or safe) and inputs.driest_doubted:
        return f": {probe} is doubted, a sign of drought and no measure of it"
    if safe:
        return f", halved because {doubted} is doubted" if doubted else ", halved in safe mode"
    if doubt:
        return f", less because {doubted} is doubted" if less else f", within the usual while {doubted} is doubted"
    why = why_doubt_is_no_reason(inputs)
    return f": {why}" if why else ""


def why_doubt_is_no_reason(inputs: ControlInputs) -> str:
    """What a dose says that is not smaller for doubt; empty where there is none, or where a pot may be wet."""
    doubted = ", ".join(inputs.doubted)
    return f"{doubted} is doubted, but no pot is wet" if doubted and inputs.all_have_room else ""


def _doubted_ml(inputs: ControlInputs, full_ml: float) -> float:
    """A dose under doubt: what plants used before is no excess; a doubted probe alone gives no reason for more."""
    usual = _usual_left_ml(inputs, 1.0)
    if inputs.driest_doubted:
        return min(full_ml, max(usual, inputs.context.settings.blind_dose_ml))
    return min(full_ml, max(usual, 0.5 * full_ml))


def _dose(inputs: ControlInputs, probe: str, moisture: float) -> OutputRequest:
    setpoints, settings = inputs.setpoints, inputs.context.settings
    need = (setpoints.soil_target_pct - moisture) * settings.soil_ml_per_pct
    # A HIGH anomaly (a heat wave, say) is no reason for less water; doubt about the readings may be one.
    doubt, safe = _doubt_counts(inputs, moisture), inputs.context.mode == "SAFE"
    full = min(need, 2.0 * setpoints.dose_ml, allowance_ml(inputs))
    dose = _doubted_ml(inputs, full) if doubt else full
    if safe:
        dose = min(dose, 0.5 * full)
    if dose < MIN_ML:
        used = f"{inputs.context.state.budgets.water_ml_used_today:.0f} ml of {setpoints.water_ml_per_day:.0f} ml"
        why = (
            f"the water budget for this hour of the day is used ({used})"
            if allowance_ml(inputs) * (0.5 if safe else 1.0) < MIN_ML
            else "it asks for too little"
        )
        return OutputRequest("water_pump", 0.0, f"{probe} is dry at {moisture:.1f} %, but {why}")
    fired = (f"soil.{probe} < {setpoints.soil_low_pct:g}%", *(("half dose: doubt",) if dose < full else ()))
    text = f"{probe} is dry at {moisture:.1f} %, so {dose:.0f} ml{_caution(inputs, probe, doubt, dose < full)}"
    request = OutputRequest("water_pump", dose, text, fired, "reduce_water_stress")
    return replace(request, pulses=max(1, round(dose / PULSE_ML)))
