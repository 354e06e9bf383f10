"""Offers the brain the blocks that the learning loop has published, and leaves it what was judged of them."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from threading import Thread

from tomato_host.brain.brain import Brain
from tomato_host.brain.step_data import StepResult
from tomato_host.brain.world_model.grown import EarnedSkill
from tomato_host.loop.recorder import Recorder
from tomato_host.models.blocks import BlockOffer, BlockStore

LOOK_EVERY = timedelta(minutes=1)


class GrownBlocks:
    """An extension of the deciding loop: one `stat` a minute while nothing changes. Without blocks it does no more."""

    def __init__(self, store: BlockStore, brain: Brain, recorder: Recorder) -> None:
        self._store, self._brain, self._recorder = store, brain, recorder
        self._signature: tuple[int, int] | None = None
        self._looked: datetime | None = None
        self._nights = brain.forecast_state.nights
        self._offered: set[str] = set()

    def start(self) -> None:
        """The first tick loads what there is."""

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Nothing to do."""

    def tick(self, now: datetime) -> None:
        """Look for a changed index once a minute; after a night record shares and leave the skills."""
        if self._nights != self._brain.forecast_state.nights:
            self._nights = self._brain.forecast_state.nights
            self._after_night(now)
        if self._looked is not None and timedelta(0) <= now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        signature = self._store.signature()
        if signature != self._signature:
            self._signature = signature
            self._load(now)

    def stop(self) -> None:
        """Nothing to finish."""

    def _load(self, now: datetime) -> None:
        try:
            offers = self._store.offers()
        except ValueError as error:
            offers = []
            self._recorder.event(now, "WARNING", "model", "block_refused", f"The index of grown blocks: {error}.")
        taken = {offer.entry.quantity for offer in offers if self._use(offer, now)}
        for quantity in self._offered - taken:
            self._brain.forecast_state.model_pair.withdraw(quantity)
        self._offered = taken

    def _use(self, offer: BlockOffer, now: datetime) -> bool:
        entry = offer.entry
        facts = {"quantity": entry.quantity, "sha256": entry.sha256, "stage": entry.stage}
        if offer.block is None or entry.quantity not in self._brain.forecast_state.model.forecasters:
            why = offer.refused or "corrects a quantity that is not forecast here"
            text = f"The grown block of {entry.quantity} {why}; the forecast stays as it is."
            self._recorder.event(now, "WARNING", "model", "block_refused", text, **facts)
            return False
        self._brain.forecast_state.model_pair.offer(offer.block, entry.live)
        text = f"A grown block of {entry.quantity} is computed beside the forecast, stage {entry.stage}."
        self._recorder.event(now, "INFO", "model", "block_loaded", text, **facts)
        return True

    def _after_night(self, now: datetime) -> None:
        model_pair = self._brain.forecast_state.model_pair
        for change in model_pair.share_changes:
            text = f"The grown block of {change.quantity} has a share of {change.share:g} now: {change.why}."
            self._recorder.event(now, "INFO", "model", "block_share", text, share=change.share)
        grown = model_pair.active.grown
        if grown is not None:
            skills = {name: (one.share, one.skill()) for name, one in grown.by_quantity.items()}
            Thread(target=self._write, args=(skills,), name="blocks", daemon=True).start()

    def _write(self, skills: dict[str, tuple[float, EarnedSkill]]) -> None:
        with contextlib.suppress(OSError):  # the next night tries again
            self._store.write_skill(skills)
