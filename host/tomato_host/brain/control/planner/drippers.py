"""Each dripper's share of the water, learned from probes and doses: what the grower is told, what a wet pot may get.

One pump feeds all pots, so a share of water that is not the pot's share of use cannot be made good by any dosing: what
keeps the thirstier pot alive adds up in the other one until it drains. A planner can delay that, a grower can end it by
turning a dripper. So the planner learns the shares, from how much a probe rises for each ml (the soil law's gains) and
how fast it falls without water, and says so with every decision about water.

Shares compare pots of one size; where they differ, so does what a share means in ml, but not which dripper to turn.

A probe that reads its pot a tenth too steeply makes a share of 52 % look like 57 %, and hides one as well. What cannot
be mistaken for it is that two pots part day after day: both get every dose at once, so by the balance of water their
difference moves by what one gets and does not use. With 1.5 l a day and pots of 8 l a percent of the water is more
than a third of a point a day, ten points in four weeks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.control_inputs import PROBE_ERROR_PCT, ControlInputs, good_probes
from tomato_host.brain.control.plan_columns import DAY_H, DOSE_K

Array = NDArray[np.float64]
UNEVEN = 0.05
"""Share of the water by which a pot gets more than it uses before the grower is told: with 1.5 l a day 75 ml, one point
of a pot of 8 l each day."""
SMALL_DOSE_ML = 50.0
PARTING_PCT_DAY = 0.5
"""Points a day by which two pots part before the grower is told: 14 in four weeks, with 1.5 l a day and pots of 8 l a
little over 1 % of the water."""
PARTING_DAYS = 5
"""Whole days that are looked at: a day's own course and one day's weather count for nothing then."""
KNOWN_H = 18
"""Hours of a day that must be known for its mean."""
LEAST_STEP = 0.25
"""Share of the mean step that each day must have parted them by: a leap is a probe's, or a person's with a can."""


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


@dataclass(frozen=True, slots=True)
class Parting:
    """What the readings of the last days say of two pots: `wet` gains `pct_day` points a day on `dry`."""

    wet: str
    dry: str
    pct_day: float
    steady: bool = True
    """Whether each of the days had its part in it."""
    wettest_pct: float = 0.0
    """Mean of the wettest pot in the newest day."""

    @property
    def certain(self) -> bool:
        """Whether the drippers are what parts them."""
        return self.steady and self.pct_day >= PARTING_PCT_DAY


def parting(levels: Mapping[str, Array]) -> Parting | None:
    """The two pots that part most by their hourly means [N] in %, the newest last; None where too little is known.

    By the least-squares slope of their daily means over PARTING_DAYS days, all of which must be known.
    """
    if len(levels) < 2 or min(len(each) for each in levels.values()) < PARTING_DAYS * DAY_H:
        return None
    days = {name: each[-PARTING_DAYS * DAY_H :].reshape(PARTING_DAYS, DAY_H) for name, each in levels.items()}
    if min(int(np.isfinite(each).sum(axis=1).min()) for each in days.values()) < KNOWN_H:
        return None
    means = {name: np.nanmean(each, axis=1) for name, each in days.items()}
    rising = sorted(means, key=lambda name: float(means[name][-1] - means[name][0]))
    dry, wet = rising[0], rising[-1]
    apart = means[wet] - means[dry]
    since = np.arange(PARTING_DAYS) - (PARTING_DAYS - 1) / 2.0
    pct_day = float((since * apart).sum() / (since**2).sum())
    steady = float(np.diff(apart).min()) >= LEAST_STEP * pct_day
    return Parting(wet, dry, pct_day, steady, max(float(each[-1]) for each in means.values()))


@dataclass(frozen=True, slots=True)
class DripperKnowledge:
    """What is known of the drippers of a tent."""

    shares: tuple[DripperShare, ...] = ()
    known: bool = True
    """Whether the shares have been learned; until then pots are kept full."""
    parted: Parting | None = None
    """What the last days' readings say; None: too few of them."""
    drains_pct: float = float("inf")
    """A pot that is this wet may drain what it does not use, and part from the others no further."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """What a person should do about them, as pots have shown it over days.

        Pots that do not part, though none of them drains, have even drippers, whatever the learned shares say.
        """
        parted = self.parted
        if parted is None or not (parted.certain or parted.wettest_pct >= self.drains_pct):
            return ()
        told = advice(self.shares, parted)
        return (told,) if told else ()

    @property
    def note(self) -> str:
        """What a reason for water says of them: a task, or until pots have shown enough what the model has learned."""
        return "; ".join(self.tasks) if self.parted is not None else advice(self.shares)


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


def advice(shares: Sequence[DripperShare], parted: Parting | None = None) -> str:
    """What to turn, for the grower; empty where the drippers are even enough. What was measured goes before shares."""
    if parted is not None and parted.certain:
        wetter, drier = parted.wet.removeprefix("soil."), parted.dry.removeprefix("soil.")
        return f"even out the drippers: {wetter} gains {parted.pct_day:.1f} points a day on {drier}"
    wet = max(shares, key=lambda share: share.surplus, default=None)
    if wet is None or len(shares) < 2 or wet.surplus <= UNEVEN:
        return ""
    name = wet.zone.removeprefix("soil.")
    return f"even out the drippers: {name} gets {wet.gets:.0%} of the water and uses {wet.uses:.0%}"


def room_ml(
    inputs: ControlInputs, shares: Sequence[DripperShare], short: bool = False, most_pct: float | None = None
) -> float:
    """How much may be pumped before a pot is wetter than its roots bear; no limit once another is surely too dry.

    `short`: a day's water cannot make good what the driest pot asks for, so each dose that waits is lost; no limit then
    either. `most_pct`: how wet a pot may be; the stage's upper mark where nothing is given. A plant dies of drought
    sooner than of a wet day, so the dry pot comes first; `drowning` says what it costs. A wet pot at its capacity
    drains, a dry one that waited for it fell by three points in two days.
    """
    if short or _too_dry(inputs):
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


def _too_dry(inputs: ControlInputs) -> bool:
    """Whether the driest pot is below its low mark by more than a probe's error, or may be harmed by now."""
    driest = inputs.driest.moisture_pct if inputs.driest is not None else None
    surely = driest is not None and driest < inputs.setpoints.soil_low_pct - PROBE_ERROR_PCT
    return surely or inputs.driest_harmed
