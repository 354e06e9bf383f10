"""The settings of the estimator, `[estimator]`: the probes, the lamp, the budgets, the cadence."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tomato_host.brain.estimator.light_integral import LUX_PER_UMOL, Lamp

ProbeId = Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[A-Za-z0-9_\-]+$")]


class ProbeSettings(BaseModel):
    """One soil probe: its id as it comes in observations, and the zone of the root volume it stands in.

    Two probes of one zone are expected to agree (docs/confidence_scoring.md, cross-consistency).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: ProbeId
    """Name of the probe as it comes in observations, for example `P1`."""
    zone: ProbeId
    """Zone of the root volume it stands in; probes of one zone are expected to agree."""


class EstimatorSettings(BaseModel):
    """Settings of the estimator; every field has a default that suits a tent without daylight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    probes: tuple[ProbeSettings, ...] = (ProbeSettings(id="P1", zone="1"), ProbeSettings(id="P2", zone="2"))
    """The soil probes, 1 to 16, each with its id and zone."""
    formula: Literal["buck", "magnus"] = "buck"
    """Formula of the saturation vapour pressure (docs/estimator.md)."""
    lamp: Lamp = "white_led"
    """Spectrum of the grow lamp; it sets the conversion from lux to photon flux."""
    lux_per_umol: Annotated[float, Field(gt=0.0, le=1_000.0)] | None = None
    """Own calibration of the light sensor under the own lamp; null takes the table value of `lamp`."""
    daylight: bool = False
    """True where sun reaches the light sensor: light may then change without the lamp, and is not a fault."""
    history_hours: Annotated[float, Field(ge=1.0, le=168.0)] = 48.0
    """Length of the history from which health, drift and trends are judged."""
    sample_period_s: Annotated[float, Field(ge=1.0, le=7_200.0)] = 10.0
    """Expected pace of observations; with `history_hours` it sizes the history. Faster rows push older ones out."""
    state_period_s: Annotated[float, Field(ge=1.0, le=7_200.0)] = 1_800.0
    """Base cadence of state records in quiet times."""

    @field_validator("probes")
    @classmethod
    def _probes_differ(cls, probes: tuple[ProbeSettings, ...]) -> tuple[ProbeSettings, ...]:
        if not 0 < len(probes) <= 16 or len({probe.id for probe in probes}) != len(probes):
            raise ValueError("give 1 to 16 soil probes with different ids")
        return probes

    @property
    def umol_divisor_lux(self) -> float:
        """lx per umol m-2 s-1 in force."""
        return self.lux_per_umol if self.lux_per_umol is not None else LUX_PER_UMOL[self.lamp]
