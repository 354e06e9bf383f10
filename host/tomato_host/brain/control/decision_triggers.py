"""What asks for a decision before the cycle is over."""

from __future__ import annotations

from datetime import datetime

from shared_schemas.records.base import Mode
from tomato_host.brain.control.context import ControllerMemory, DecisionContext, elapsed_s
from tomato_host.brain.control.control_inputs import air_readings, driest_probe
from tomato_host.brain.control.rules import HARD_LOW_PCT
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.targets import setpoints_at

CLOCK_SET_BACK_S = 60.0
"""A last decision further in the future than this was taken by a clock that has been set back since."""
VPD_MARGIN_KPA = 0.15
TEMP_MARGIN_C = 2.5


def clock_trigger(now: datetime, memory: ControllerMemory, mode: Mode, settings: ControlSettings) -> str | None:
    """Why a new decision is due now whatever the climate, or None. On the cycle: "cycle"; otherwise the event's name.

    `memory` is the memory after the last decision. A change of mode is answered at once.
    """
    if memory.decided_at is None:
        return "first"
    since_s = (now - memory.decided_at).total_seconds()
    if since_s < -CLOCK_SET_BACK_S:
        return "clock set back"
    if since_s >= settings.cycle_s:
        return "cycle"
    if mode != memory.mode:
        return f"mode {mode}"
    # The edge of the light hours falls anywhere in a cycle; neither lamp nor climate must wait for it.
    if memory.light_edge_at is not None and now >= memory.light_edge_at:
        return "light hours change"
    return None


def events_pause(now: datetime, memory: ControllerMemory, settings: ControlSettings) -> bool:
    """Whether the climate is not asked now: its events keep `event_pause_s` after a decision."""
    since_s = elapsed_s(now, memory.decided_at)
    return since_s is not None and since_s < settings.event_pause_s


def climate_trigger(context: DecisionContext) -> str | None:
    """The event by which the climate asks for a decision, or None. Reads no `used` and of `recent` the air alone."""
    setpoints = setpoints_at(context.now, context)
    air_temp_c, _, vpd_kpa = air_readings(context)
    if vpd_kpa is not None:
        if vpd_kpa > setpoints.vpd_kpa[1] + VPD_MARGIN_KPA:
            return "vpd high"
        if vpd_kpa < setpoints.vpd_kpa[0] - VPD_MARGIN_KPA:
            return "vpd low"
    if air_temp_c is not None and air_temp_c > setpoints.air_temp_c[1] + TEMP_MARGIN_C:
        return "hot"
    driest = driest_probe(context)
    if driest is not None and driest.moisture_pct is not None:
        since_s = elapsed_s(context.now, context.memory.last_water_at)
        dry = driest.moisture_pct < setpoints.soil_low_pct - HARD_LOW_PCT
        if dry and (since_s is None or since_s >= context.settings.water_pause_s):
            return "soil very dry"
    return None
