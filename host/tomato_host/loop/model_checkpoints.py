"""Keeps every night's world model on disk, lets the verified one speak after a restart, and tells each change."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tomato_host.brain.brain import Brain, StepResult
from tomato_host.brain.world_model.data import HourlyLog
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.model_arrays import clone
from tomato_host.brain.world_model.promotion import PromotionVerdict
from tomato_host.loop.recorder import Recorder
from tomato_host.models.store import ModelStore


@dataclass(frozen=True, slots=True)
class Night:
    """What one night left: the verdict on the night before, the model that learned, and from what."""

    verdict: PromotionVerdict
    candidate: WorldModel
    log: HourlyLog
    now: datetime


class ModelKeeper:
    """An extension of the deciding loop. Writing happens in a thread of its own; a full disk stops no decision."""

    def __init__(self, store: ModelStore, brain: Brain, recorder: Recorder, now: Callable[[], datetime]) -> None:
        self._store = store
        self._brain = brain
        self._log = recorder
        self._now = now
        self._nights: queue.SimpleQueue[Night | None] = queue.SimpleQueue()
        self._seen = brain.forecast_state.nights
        self._waiting: str | None = None
        self._thread = threading.Thread(target=self._write, name="models", daemon=True)

    def start(self) -> None:
        """Let the version that spoke last speak on, if it is whole and fits this tent."""
        found = self._store.load_active(self._brain.settings.world_model)
        if found is not None and self._brain.forecast_state.adopt(found[1]):
            version, model = found
            self._log.event(
                self._now(),
                "INFO",
                "model",
                "model_loaded",
                f"World model {version} speaks, {model.days_learned} days learned.",
                version=version,
                coefficients=model.fingerprint(),
            )
        self._thread.start()

    def on_decision(self, taken: StepResult, now: datetime) -> None:
        """Decisions do not concern the models."""

    def tick(self, now: datetime) -> None:
        """Hand over what a night has left."""
        foresight = self._brain.forecast_state
        verdict = foresight.nursery.last
        if foresight.nights == self._seen or verdict is None:
            return
        self._seen = foresight.nights
        name = "model_promoted" if verdict.promoted else "model_rolled_back" if verdict.rolled_back else "model_refused"
        self._log.event(now, "INFO", "model", name, f"World model: {verdict.why}.")
        self._nights.put(Night(verdict, clone(foresight.nursery.candidate), foresight.history.log(now), now))

    def stop(self) -> None:
        """Finish writing; a thread that hangs on a dead disk is left behind."""
        self._nights.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _write(self) -> None:
        while (night := self._nights.get()) is not None:
            try:
                self._keep(night)
            except OSError:
                continue  # the next night tries again; the brain in memory is what counts

    def _keep(self, night: Night) -> None:
        """Act on the verdict about last night's version, then save tonight's."""
        verdict, waiting = night.verdict, self._waiting
        if verdict.rolled_back:
            self._store.log_change(night.now, "regressed", self._store.active() or "", verdict.why)
            if self._store.has_before():
                self._store.rollback(night.now, verdict.why)
        elif verdict.promoted and waiting is not None:
            self._store.activate(waiting, night.now, verdict.why)
        elif waiting is not None:
            self._store.log_change(night.now, "refused", waiting, verdict.why)
        self._waiting = self._store.save(night.candidate, night.log, night.now)
        if self._store.active() is None:
            self._store.activate(self._waiting, night.now, "the first version")
