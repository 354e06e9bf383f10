"""What a grower may set about the controller; everything else is in the stage table or in devices.py."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat

Stage = Literal["seedling", "vegetative", "flowering", "fruiting"]
"""Growth stages in the order a plant passes them, as in `targets_v1`."""
PolicyName = Literal["rules", "mpc", "timer"]


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    """`values` if each is larger than the one before. Raises ValueError."""
    if any(low >= high for low, high in pairwise(values)):
        raise ValueError("each number must be larger than the one before it")
    return values


def _date_or_empty(text: str) -> str:
    """`text` if it is empty or a date. Raises ValueError with an example."""
    try:
        date.fromisoformat(text or "2026-01-01")
    except ValueError:
        raise ValueError("not a date; an example is '2026-03-01'") from None
    return text


_Kpa = Annotated[FiniteFloat, Field(ge=0.1, le=3.0)]
_Air = Annotated[FiniteFloat, Field(ge=5.0, le=40.0)]
_Soil = Annotated[FiniteFloat, Field(ge=5.0, le=80.0)]
KpaBand = Annotated[tuple[_Kpa, _Kpa], AfterValidator(_rising)]
AirBand = Annotated[tuple[_Air, _Air], AfterValidator(_rising)]
SoilBand = Annotated[tuple[_Soil, _Soil, _Soil], AfterValidator(_rising)]


class StageTargets(BaseModel):
    """Targets of one growth stage that replace those of the table in docs/control.md; what is left out stays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    vpd_day_kpa: KpaBand | None = None
    """VPD while the lamp is on: lowest and highest."""
    vpd_night_kpa: KpaBand | None = None
    """VPD in the dark: lowest and highest."""
    temp_day_c: AirBand | None = None
    """Air temperature while the lamp is on: lowest and highest."""
    temp_night_c: AirBand | None = None
    """Air temperature in the dark: lowest and highest."""
    soil_moisture_pct: SoilBand | None = None
    """Soil water: water below the first, aim at the second, never water above the third."""
    soil_temp_low_c: Annotated[FiniteFloat, Field(ge=10.0, le=26.0)] | None = None
    """The heater mat keeps the roots above it."""
    photoperiod_h: Annotated[FiniteFloat, Field(ge=4.0, le=18.0)] | None = None
    """Hours of light a day."""
    co2_ppm: Annotated[FiniteFloat, Field(ge=400.0, le=1_200.0)] | None = None
    """Wanted in light hours; the valve is not opened above it."""
    dose_ml: Annotated[FiniteFloat, Field(ge=10.0, le=250.0)] | None = None
    """A usual dose of all plants together."""


class StageTable(BaseModel):
    """Own targets by growth stage; the order is that in which a plant passes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seedling: StageTargets = StageTargets()
    """From the first true leaf to the pot it stays in."""
    vegetative: StageTargets = StageTargets()
    """Leaves and roots."""
    flowering: StageTargets = StageTargets()
    """From the first open flower."""
    fruiting: StageTargets = StageTargets()
    """From the first set fruit."""


class ControlSettings(BaseModel):
    """Settings of the controller, section `[control]` of the TOML file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: PolicyName = "rules"
    """Who decides: the rules, the planner (`mpc`) or a fixed timer."""
    stage: Stage = "vegetative"
    """Growth stage; it selects the row of targets in docs/control.md."""
    stage_since: Annotated[str, AfterValidator(_date_or_empty)] = ""
    """Local date on which this stage began, e.g. `2026-03-01`: for the day counter of the dashboard; empty: unknown."""
    stages: StageTable = StageTable()
    """Own targets by stage."""
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
