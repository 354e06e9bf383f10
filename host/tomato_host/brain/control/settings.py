"""What a grower may set about the controller; everything else is in the stage table or in devices.py."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Stage = Literal["seedling", "vegetative", "flowering", "fruiting"]
"""Growth stages in the order a plant passes them, as in `targets_v1`."""
PolicyName = Literal["rules", "mpc", "timer"]


class ControlSettings(BaseModel):
    """Settings of the controller, section `[control]` of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: PolicyName = "rules"
    """Who decides: the rules, the planner (`mpc`) or a fixed timer."""
    stage: Stage = "vegetative"
    """Growth stage; it selects the row of targets in docs/control.md."""
    light_start_local_h: Annotated[float, Field(ge=0.0, lt=24.0)] = 6.0
    """Local hour at which the photoperiod begins."""
    cycle_s: Annotated[int, Field(ge=300, le=21_600)] = 7_200
    """Time between two regular decisions."""
    event_pause_s: Annotated[int, Field(ge=60, le=7_200)] = 1_800
    """An event never asks for a new decision sooner than this after the last one."""
    water_pause_s: Annotated[int, Field(ge=600, le=86_400)] = 5_400
    """Shortest time between two waterings that the controller asks for."""
    soil_ml_per_pct: Annotated[float, Field(gt=0.0, le=500.0)] = 100.0
    """Pumped water that raises every pot by one percent: 10 ml for each litre of substrate, with some to spare."""
    min_probe_confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """A soil probe that is trusted less than this does not decide about water."""
    blind_dose_ml: Annotated[float, Field(ge=0.0, le=150.0)] = 60.0
    """Dose by the clock when no probe is trusted and no usual amount is known; also the least dose without a probe."""
    blind_pause_s: Annotated[int, Field(ge=3_600, le=172_800)] = 28_800
    """Shortest time between two doses while no probe is trusted."""
    use_co2: bool = True
    """Ask for CO2 while the lamp is on and the exhaust is off."""
    horizon_h: Annotated[int, Field(ge=6, le=36)] = 24
    """How far ahead the planner looks."""
    planning_ms: Annotated[int, Field(ge=5, le=5_000)] = 120
    """The planner returns the best plan it has by then."""
