"""Each dripper's share of the water, learned from probes and doses: what the grower is told, what a wet pot may get.

One pump feeds all pots, so a share of water that is not the pot's share of use cannot be made good by any dosing: what
keeps the thirstier pot alive adds up in the other one until it drains. A planner can delay that, a grower can end it by
turning a dripper. So the planner learns the shares, from how much a probe rises for each ml (the soil law's gains) and
how fast it falls without water, and says so with every decision about water.

Shares compare pots of one size; where they differ, so does what a share means in ml, but not which dripper to turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.control_inputs import ControlInputs, good_probes
from tomato_host.brain.control.evaluation import SOIL_STRESS_PCT
from tomato_host.brain.control.plan_columns import DOSE_K

Array = NDArray[np.float64]
UNEVEN = 0.05
"""Share of the water by which a pot gets more than it uses before the grower is told: with 1.5 l a day 75 ml, one point
of a pot of 8 l each day."""
SMALL_DOSE_ML = 50.0
PROBE_ERROR_PCT = 2.0
"""A probe tells its pot's water this well; the line of harm lies that much above what counts as stress."""


@dataclass(frozen=True, slots=True)
class DripperShare:
    """One pot: its share of what arrives, of what is used, and how much a ml of pumped water raises it, in %."""

    zone: str
    gets: float
    uses: float
    gain_pct_ml: float

    @property
    def surplus(self) -> float:
        """Share of the water that it does not use."""
        return self.gets - self.uses


def dripper_shares(
    roll: Callable[[Array], Mapping[str, Array]], zones: Sequence[str], plan: Array
) -> tuple[DripperShare, ...]:
    """The shares of `zones` by the model `roll`, under the duties of `plan` [H, K], with small doses and without."""
    dry = plan.copy()
    dry[:, DOSE_K] = 0.0
    sip = dry.copy()
    sip[: len(plan) // 2 : 2, DOSE_K] = SMALL_DOSE_ML
    courses = roll(np.stack([dry, sip]))
    lost = np.array([max(0.0, float(courses[name][0, 0] - courses[name][0, -1])) for name in zones])
    gained = np.array([max(0.0, float(courses[name][1, -1] - courses[name][0, -1])) for name in zones])
    given_ml = float(sip[:, DOSE_K].sum())
    even = np.full(len(zones), 1.0 / max(1, len(zones)))
    gets = gained / gained.sum() if gained.sum() > 0.0 else even
    uses = lost / lost.sum() if lost.sum() > 0.0 else even
    return tuple(
        DripperShare(name, float(a), float(b), float(c) / given_ml)
        for name, a, b, c in zip(zones, gets, uses, gained, strict=True)
    )


def advice(shares: Sequence[DripperShare]) -> str:
    """What to turn, for the grower; empty where the drippers are even enough."""
    wet = max(shares, key=lambda share: share.surplus, default=None)
    if wet is None or len(shares) < 2 or wet.surplus <= UNEVEN:
        return ""
    name = wet.zone.removeprefix("soil.")
    return f"even out the drippers: {name} gets {wet.gets:.0%} of the water and uses {wet.uses:.0%}"


def room_ml(
    inputs: ControlInputs, shares: Sequence[DripperShare], short: bool = False, most_pct: float | None = None
) -> float:
    """How much may be pumped before a pot is wetter than its roots bear; no limit once another is harmed by dryness.

    `short`: a day's water cannot make good what the driest pot asks for, so each dose that waits is lost; no limit then
    either. `most_pct`: how wet a pot may be; the stage's upper mark where nothing is given. A plant dies of drought
    sooner than of a wet day, so the dry pot comes first; `drowning` says what it costs.
    """
    if short or _harmed(inputs):
        return float("inf")
    most = inputs.setpoints.soil_high_pct if most_pct is None else most_pct
    gains = {share.zone: share.gain_pct_ml for share in shares}
    rooms = [
        max(0.0, most - (probe.moisture_pct or 0.0)) / gains[f"soil.{probe.id}"]
        for probe in good_probes(inputs.context)
        if gains.get(f"soil.{probe.id}", 0.0) > 0.0
    ]
    return min(rooms, default=float("inf"))


def drowning(inputs: ControlInputs) -> str:
    """The pot that is wetter than its roots bear, in words, for a dose that is given all the same; empty if none is."""
    wet = max(good_probes(inputs.context), key=lambda probe: probe.moisture_pct or 0.0, default=None)
    if wet is None or (wet.moisture_pct or 0.0) < inputs.setpoints.soil_high_pct:
        return ""
    return (
        f"{wet.id} at {wet.moisture_pct:.1f} % is too wet for its roots (from {inputs.setpoints.soil_high_pct:g} % on)"
    )


def _harmed(inputs: ControlInputs) -> bool:
    driest = inputs.driest.moisture_pct if inputs.driest is not None else None
    return driest is not None and driest < SOIL_STRESS_PCT + PROBE_ERROR_PCT
