"""What asks for a decision before the cycle is over."""

from __future__ import annotations

from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.control_inputs import read_inputs
from tomato_host.brain.control.rules import HARD_LOW_PCT

CLOCK_SET_BACK_S = 60.0
"""A last decision further in the future than this was taken by a clock that has been set back since."""
VPD_MARGIN_KPA = 0.15
TEMP_MARGIN_C = 2.5


def trigger(context: DecisionContext) -> str | None:
    """Why a new decision is due now, or None. On the cycle: "cycle"; otherwise the event's name.

    `context.memory` is the memory after the last decision. Events keep `event_pause_s` between decisions, except for a
    change of mode, which is answered at once.
    """
    memory, settings = context.memory, context.settings
    if memory.decided_at is None:
        return "first"
    since_s = (context.now - memory.decided_at).total_seconds()
    if since_s < -CLOCK_SET_BACK_S:
        return "clock set back"
    if since_s >= settings.cycle_s:
        return "cycle"
    if context.mode != memory.mode:
        return f"mode {context.mode}"
    # The edge of the light hours falls anywhere in a cycle; neither lamp nor climate must wait for it.
    if memory.light_edge_at is not None and context.now >= memory.light_edge_at:
        return "light hours change"
    return _climate(context) if since_s >= settings.event_pause_s else None


def _climate(context: DecisionContext) -> str | None:
    inputs = read_inputs(context)
    if inputs.vpd_kpa is not None:
        if inputs.vpd_kpa > inputs.setpoints.vpd_kpa[1] + VPD_MARGIN_KPA:
            return "vpd high"
        if inputs.vpd_kpa < inputs.setpoints.vpd_kpa[0] - VPD_MARGIN_KPA:
            return "vpd low"
    if inputs.air_temp_c is not None and inputs.air_temp_c > inputs.setpoints.air_temp_c[1] + TEMP_MARGIN_C:
        return "hot"
    if inputs.driest is not None and inputs.driest.moisture_pct is not None:
        last = context.memory.last_water_at
        since_s = None if last is None else (context.now - last).total_seconds()
        dry = inputs.driest.moisture_pct < inputs.setpoints.soil_low_pct - HARD_LOW_PCT
        if dry and (since_s is None or since_s >= context.settings.water_pause_s):
            return "soil very dry"
    return None
