"""The state as a controller may use it: a reading that is not trusted is no reading."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared_schemas.records.state_v1 import Probe, StateV1
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.evaluation import SOIL_STRESS_PCT
from tomato_host.brain.control.targets import Setpoints, setpoints_at

MIN_CONFIDENCE = 0.4
MIN_DROUGHT_CONFIDENCE, IN_AIR_PCT = 0.25, 6.0
"""A doubted probe is still heard as a sign of drought from this confidence on (it drifts, or left its companion),
unless it reads as a probe in the air does: a pot that dry has no living plant."""

PROBE_ERROR_PCT = 2.0
"""A probe tells its pot's water this well ..."""
SOIL_HARM_PCT = SOIL_STRESS_PCT + PROBE_ERROR_PCT
"""... so the line of harm lies that much above what counts as stress."""


def trusted(state: StateV1, name: str, value: float | None) -> float | None:
    """`value` if its quantity is trusted; a quantity without its own confidence takes the overall one."""
    if value is None or state.quantity_confidence.get(name, state.confidence) < MIN_CONFIDENCE:
        return None
    return value


@dataclass(frozen=True, slots=True)
class ControlInputs:
    """One moment: what is known, what is wanted. Air is the mean of the last half hour where that is known."""

    context: DecisionContext
    setpoints: Setpoints
    air_temp_c: float | None
    rh_pct: float | None
    vpd_kpa: float | None
    co2_ppm: float | None
    soil_temp_c: float | None
    driest: Probe | None
    """The driest probe that is trusted, or doubted and drier still."""
    doubted: tuple[str, ...]
    """Probes that are not."""
    least_room_pct: float = 0.0
    """How far the wettest probe reads below where a dose aims, in % by volume, where two or more are heard, trusted or
    doubted; 0 where one reads above it or fewer are heard."""

    @property
    def all_have_room(self) -> bool:
        """Whether a dose harms no pot, whichever of the probes is wrong."""
        return self.least_room_pct > 0.0

    @property
    def driest_harmed(self) -> bool:
        """Whether the driest pot may be harmed by drought by now."""
        return self.driest is not None and (self.driest.moisture_pct or 0.0) < SOIL_HARM_PCT

    @property
    def driest_doubted(self) -> bool:
        """Whether the driest probe is one of those that are not trusted."""
        return self.driest is not None and self.driest.id in self.doubted

    @property
    def now(self) -> datetime:
        return self.context.now

    @property
    def vpd_text(self) -> str:
        """The VPD that decides, in words: a mean is called one, for beside it stands the newest value."""
        if self.vpd_kpa is None:
            return "VPD unknown"
        over_s = self.context.recent_s if "vpd_kpa" in self.context.recent else 0.0
        over = f"{over_s / 60.0:.0f} min" if over_s >= 60.0 else f"{over_s:.0f} s"
        return f"VPD {self.vpd_kpa:.2f} kPa" + (f" (mean of {over})" if over_s > 0.0 else "")

    def doubt_text(self, name: str, value: float | None, unit: str) -> str:
        """Why a quantity of the state is no reading: nothing measured, or too little confidence in it."""
        if value is None:
            return "nothing measured"
        state = self.context.state
        confidence = state.quantity_confidence.get(name, state.confidence)
        return f"{value:.1f} {unit} at a confidence of {confidence:.2f}, at least {MIN_CONFIDENCE:g}"

    @property
    def state_time(self) -> str:
        """When the state was seen that is decided on, in the time of the plants."""
        return f"{self.context.state.ts.astimezone(self.context.site.zone):%H:%M}"

    @property
    def cycle_s(self) -> float:
        return float(self.context.settings.cycle_s)

    def last_duty(self, output: str) -> float:
        """Share this output was given in the last decision."""
        return self.context.memory.duty.get(output, 0.0)


def air_readings(context: DecisionContext) -> tuple[float | None, float | None, float | None]:
    """Air degC, relative humidity %, VPD kPa: the means of the last half hour where known, None without trust."""
    state, recent = context.state, context.recent
    air = trusted(state, "air_temp_c", recent.get("air_temp_c", state.env.air_temp_c))
    rh = trusted(state, "rh_pct", recent.get("rh_pct", state.env.rh_pct))
    vpd = recent.get("vpd_kpa", state.env.vpd_kpa)
    return air, rh, vpd if air is not None and rh is not None else None


def good_probes(context: DecisionContext) -> list[Probe]:
    """The probes that are trusted."""
    least = context.settings.min_probe_confidence
    return [p for p in context.state.soil.probes if p.moisture_pct is not None and p.confidence >= least]


def heard_probes(context: DecisionContext) -> list[Probe]:
    """The probes that are trusted, and those that are doubted but still a sign of drought."""
    least = context.settings.min_probe_confidence
    return [
        p
        for p in context.state.soil.probes
        if p.moisture_pct is not None
        and (p.confidence >= least or (p.moisture_pct >= IN_AIR_PCT and p.confidence >= MIN_DROUGHT_CONFIDENCE))
    ]


def driest_probe(context: DecisionContext) -> Probe | None:
    """The driest probe that is trusted, or doubted and drier still."""
    return min(heard_probes(context), key=lambda p: (p.moisture_pct or 0.0, p.id), default=None)


def read_inputs(context: DecisionContext) -> ControlInputs:
    """Sort the state into trusted readings and doubts."""
    state, good = context.state, good_probes(context)
    air, rh, vpd = air_readings(context)
    setpoints = setpoints_at(context.now, context)
    heard = [p.moisture_pct or 0.0 for p in heard_probes(context)]
    return ControlInputs(
        context=context,
        setpoints=setpoints,
        air_temp_c=air,
        rh_pct=rh,
        vpd_kpa=vpd,
        co2_ppm=trusted(state, "co2_ppm", state.env.co2_ppm),
        soil_temp_c=trusted(state, "soil_temp_c", state.soil.temp_c),
        driest=driest_probe(context),
        doubted=tuple(p.id for p in state.soil.probes if p not in good),
        least_room_pct=max(0.0, setpoints.soil_target_pct - max(heard)) if len(heard) > 1 else 0.0,
    )
