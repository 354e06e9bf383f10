"""Grown experts: blocks that correct the blend, each with a share of 0 or .25 that its own recent skill must earn.

    offered         its corrections are computed and recorded, and change nothing (share 0)
    judged          every night, on the hours that ended: error with SHARE of the correction over the error without,
                    mean over horizons, in the last JUDGED_DAYS days
    share .25       when at least ENOUGH_DAYS and ENOUGH_ORIGINS are judged, that ratio is below 1, a horizon has proven
                    itself, and the model with the block wins the promotion gate (`promotion.py`) against that without
    at a horizon    as much of the share counts as its own judged days prove there: none while the mean daily gain is
                    less than FROM standard errors above 0, all of it from WHOLE on, a straight line between; a day of
                    unusual errors counts as USUAL_DAYS usual ones at most
    share 0 again   on the first night on which the ratio is 1 or more, or no horizon is proven

A larger share was tried and rejected: it gains little and loses more. Without a block nothing of this file runs, and
every forecast is byte for byte what it was.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.conformal import RING_H
from tomato_host.brain.world_model.features import PaddedLog, median_of_known
from tomato_host.brain.world_model.grown_block import GrownBlock, correction
from tomato_host.brain.world_model.grown_features import block_features

SHARE = 0.25
JUDGED_DAYS = 14
ENOUGH_DAYS = 10
ENOUGH_ORIGINS = 48
FROM, WHOLE = 2.0, 4.0
"""Standard errors of the mean daily gain. A step at 2 let what was luck at one of many horizons count in full."""

USUAL_DAYS = 2.0
_LEAST_HOURS = 6
"""Judged hours that make a day."""


@dataclass(frozen=True, slots=True)
class EarnedSkill:
    """What was judged of one block in the last JUDGED_DAYS days."""

    days: int
    origins: int
    """Of the horizon with the fewest."""
    error_without: float
    error_with: float
    """Mean absolute errors over all horizons, in the quantity's unit."""
    ratio: float
    """Mean over horizons of the error with SHARE of the correction over the error without."""

    @property
    def enough(self) -> bool:
        """Whether a share may depend on it."""
        return self.days >= ENOUGH_DAYS and self.origins >= ENOUGH_ORIGINS


class GrownExpert:
    """One block and its record. A new block of the same quantity (last night's) goes on with the record."""

    def __init__(self, block: GrownBlock, horizons: Index, live: bool) -> None:
        self.block, self.horizons = block, horizons
        self.live = live
        """Whether its stage allows a share at all."""
        self.share = 0.0
        self.earning: Array = np.ones(len(horizons))
        """How much of the share counts at each horizon, 0 to 1."""
        self.issued: Array = np.zeros((2, RING_H, len(horizons)))
        """The blend without the block, and the whole correction, by origin hour modulo RING_H."""
        self.origin: Index = np.full(RING_H, -1, dtype=np.int64)
        self.judged: Array = np.zeros((JUDGED_DAYS, 3, len(horizons)))
        """Sums of errors without and with, and counts, a day a row, the newest last."""

    def corrections(self, frame: PaddedLog, origins: Index, experts: Array, blended: Array) -> Array:
        """Blend without and whole correction [2, n, H] of the regime it corrects; NaN where there is no blend."""
        blend = blended[0 if self.block.weather else 1]
        if not np.isfinite(blend).any():
            return np.full((2, *blend.shape), np.nan)
        x = block_features(frame, self.block.quantity, origins, self.horizons, experts, blend)
        added = correction(self.block, x, self.horizons)
        return np.stack((blend, np.where(np.isfinite(blend), added, np.nan)))

    def record_issued(self, issued: Array, origin_hours: Index) -> None:
        """Store what `corrections` gave at these absolute hours; the first of an hour stands."""
        slot = origin_hours % RING_H
        new = self.origin[slot] != origin_hours
        self.issued[:, slot[new]] = issued[:, new]
        self.origin[slot[new]] = origin_hours[new]

    def score(self, truth: Array, origin_hours: Index) -> None:
        """Judge one day: truth [n, H] of targets whose origins [n, H] these are."""
        slot = origin_hours % RING_H
        column = np.broadcast_to(np.arange(slot.shape[1]), slot.shape)
        blend, added = np.where(self.origin[slot] == origin_hours, self.issued[:, slot, column], np.nan)
        without, with_block = np.abs(truth - blend), np.abs(truth - blend - SHARE * added)
        known = np.isfinite(with_block)
        day = [np.where(known, error, 0.0).sum(axis=0) for error in (without, with_block)]
        self.judged = np.concatenate((self.judged[1:], np.stack((*day, known.sum(axis=0)))[None]))

    def proven(self) -> Array:
        """By horizon [H] how surely the judged days show a gain: 0 where it may be chance, 1 where it is not."""
        without, with_block, count = (self.judged[:, k] for k in range(3))
        days = count >= _LEAST_HOURS
        hours = np.maximum(count, 1.0)
        usual = median_of_known(np.where(days, without / hours, np.nan))
        worse = np.maximum(np.maximum(without, with_block) / hours, 1e-12)
        gain = np.where(days, (without - with_block) / hours * np.minimum(1.0, USUAL_DAYS * usual / worse), 0.0)
        n = days.sum(axis=0)
        mean = gain.sum(axis=0) / np.maximum(n, 1)
        spread = np.where(days, (gain - mean) ** 2, 0.0).sum(axis=0) / np.maximum(n - 1, 1)
        error = np.maximum(np.sqrt(spread / np.maximum(n, 1)), 1e-12)
        sure = np.clip((mean / error - FROM) / (WHOLE - FROM), 0.0, 1.0)
        return np.asarray(np.where(n >= ENOUGH_DAYS, sure, 0.0))

    def skill(self) -> EarnedSkill:
        """What is judged so far."""
        without, with_block, count = self.judged.sum(axis=0)
        known = count > 0
        if not known.any():
            return EarnedSkill(0, 0, np.inf, np.inf, np.inf)
        ratio = np.where(known, with_block / np.maximum(without, 1e-12), np.inf)
        total = count.sum()
        return EarnedSkill(
            int((self.judged[:, 2].sum(axis=1) > 0).sum()),
            int(count.min()),
            float(without.sum() / total),
            float(with_block.sum() / total),
            float(ratio.mean()),
        )


class GrownExperts:
    """The grown experts of a model by quantity; empty is the ordinary case."""

    def __init__(self, horizons: Index) -> None:
        self.horizons = horizons
        self.by_quantity: dict[str, GrownExpert] = {}

    def offer(self, block: GrownBlock, live: bool) -> None:
        """Use this block from now on; a known quantity's record and share go on."""
        known = self.by_quantity.get(block.quantity)
        if known is None or known.block.weather != block.weather:
            self.by_quantity[block.quantity] = GrownExpert(block, self.horizons, live)
            return
        known.block, known.live = block, live
        known.share = known.share if live else 0.0

    def withdraw(self, quantity: str) -> None:
        """Forget the block of a quantity and its record."""
        self.by_quantity.pop(quantity, None)

    def corrections(
        self, frame: PaddedLog, origins: Index, experts: dict[str, Array], blended: dict[str, Array]
    ) -> dict[str, Array]:
        """What each block would change, by quantity: [2, n, H], see `GrownExpert.corrections`."""
        return {
            name: one.corrections(frame, origins, experts[name], blended[name])
            for name, one in self.by_quantity.items()
            if name in blended
        }

    def corrected(self, blended: dict[str, Array], found: dict[str, Array]) -> dict[str, Array]:
        """The blends with the earned shares of the corrections; the very same arrays where a share is 0."""
        out = dict(blended)
        for name, (_, added) in found.items():
            one = self.by_quantity[name]
            if one.share > 0.0:
                both = blended[name].copy()
                regime = 0 if one.block.weather else 1
                both[regime] += one.share * one.earning * np.where(np.isfinite(added), added, 0.0)
                out[name] = both
        return out

    def identity(self, model_hash: str) -> str:
        """The hash of a model together with the blocks that change its forecast; the model's own when none does."""
        used = [
            f"{name} {one.share} {one.earning.tobytes().hex()} {one.block.sha256}"
            for name, one in self.by_quantity.items()
            if one.share > 0.0
        ]
        return hashlib.sha256("|".join((model_hash, *used)).encode()).hexdigest()[:16] if used else model_hash

    def record_issued(self, found: dict[str, Array], origin_hours: Index) -> None:
        """Store what was computed for an issued forecast; `score` judges it."""
        for name, issued in found.items():
            if name in self.by_quantity:
                self.by_quantity[name].record_issued(issued, origin_hours)

    def score(self, padded: PaddedLog, targets: Index) -> None:
        """Judge the corrections of target hours [n] of the log, which are known now."""
        s = np.broadcast_to(targets[:, None], (len(targets), len(self.horizons)))
        for name, one in self.by_quantity.items():
            one.score(padded.at(name, s), s - self.horizons + padded.log.start_hour)
