"""What a grower may tighten about the guardrails. Nothing context can widen what the board allows."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from shared_schemas.devices import PUMP, budget_of


class GuardSettings(BaseModel):
    """Section `[guardrails]` of the TOML file: limits at or inside those of `shared_schemas/devices.py`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    water_ml_per_hour: Annotated[int, Field(ge=0, le=budget_of("water_ml_per_hour"))] = 500
    """Water in any 60 minutes, of all origins together."""
    water_ml_per_pulse: Annotated[int, Field(ge=1, le=PUMP.max_dose)] = 200
    """Water of one dose."""
    water_pause_s: Annotated[int, Field(ge=PUMP.min_off_ms // 1_000, le=86_400)] = 1_800
    """Shortest time between two doses, of all origins together."""
    co2_s_per_hour: Annotated[int, Field(ge=0, le=budget_of("co2_s_per_hour"))] = 120
    """CO2 valve open time in any 60 minutes."""
    longest_s: Annotated[int, Field(ge=60, le=21_600)] = 7_800
    """No accepted action reaches further than this; the next decision must ask again."""
    state_age_s: Annotated[int, Field(ge=10, le=7_200)] = 900
    """Older estimates allow no action that needs them."""
    proposal_age_s: Annotated[int, Field(ge=1, le=3_600)] = 300
    """A proposal that is older is refused as stale."""
    state_lag_s: Annotated[int, Field(ge=0, le=7_200)] = 900
    """A proposal decided on a state that is older than the newest one by more than this is stale."""
    min_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Below this overall confidence only air, light and small doses of water are allowed."""
    low_confidence_dose_ml: Annotated[int, Field(ge=0, le=150)] = 60
    """Largest dose while confidence is below `min_confidence`."""
    actions_per_hour: Annotated[int, Field(ge=1, le=600)] = 60
    """Accepted actions in any 60 minutes; an operator has twice as many."""
    rh_high_pct: Annotated[float, Field(ge=40.0, le=92.0)] = 88.0
    """The humidifier stays off at or above this relative humidity."""
    co2_high_ppm: Annotated[float, Field(ge=400.0, le=1_500.0)] = 1_300.0
    """The CO2 valve stays closed at or above this concentration."""
    soil_temp_high_c: Annotated[float, Field(ge=15.0, le=28.0)] = 26.0
    """The heater mat stays off at or above this soil temperature."""
    soil_wet_pct: Annotated[float, Field(ge=20.0, le=80.0)] = 55.0
    """No water while even the driest trusted probe reads this much or more."""
    air_hot_c: Annotated[float, Field(ge=25.0, le=38.0)] = 35.0
    """The lamp stays off at or above this air temperature."""
    air_cold_c: Annotated[float, Field(ge=-5.0, le=15.0)] = 10.0
    """The exhaust stays off below this air temperature."""
