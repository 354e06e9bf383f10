"""Saves the world model after every nightly update, restores the active one after a restart, records each change."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from tomato_host.brain.brain import Brain
from tomato_host.brain.step_data import StepResult
from tomato_host.brain.world_model.data import HourlyLog
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.model_arrays import clone
from tomato_host.brain.world_model.promotion import PromotionVerdict
from tomato_host.loop.recorder import Recorder
from tomato_host.models.store import ModelStore


@dataclass(frozen=True, slots=True)
class NightlyUpdate:
    """Result of one night: the verdict on last night's candidate, the new candidate, and the log it learned from."""

    verdict: PromotionVerdict
    candidate: WorldModel
    log: HourlyLog
    now: datetime


class ModelCheckpoints:
    """An extension of the deciding loop. A thread of its own writes, so a full disk delays no decision."""

    def __init__(self, store: ModelStore, brain: Brain, recorder: Recorder, now: Callable[[], datetime]) -> None:
        self._store = store
        self._brain = brain
        self._recorder = recorder
        self._now = now
        self._queue: queue.SimpleQueue[NightlyUpdate | None] = queue.SimpleQueue()
        self._seen = brain.forecast_state.nights
        self._waiting: str | None = None
        self._thread = threading.Thread(target=self._write, name="models", daemon=True)

    def start(self) -> None:
        """Load the active version, if it is intact and fits this installation."""
        found = self._store.load_active(self._brain.settings.world_model)
        if found is not None and self._brain.forecast_state.adopt(found[1]):
            version, model = found
            self._recorder.event(
                self._now(),
                "INFO",
                "model",
                "model_loaded",
                f"World model {version} is in use, {model.days_learned} days learned.",
                version=version,
                coefficients=model.fingerprint(),
            )
        self._thread.start()

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Nothing to do."""

    def tick(self, now: datetime) -> None:
        """Record a finished nightly update and queue it for writing."""
        forecasts = self._brain.forecast_state
        verdict = forecasts.model_pair.last
        if forecasts.nights == self._seen or verdict is None:
            return
        self._seen = forecasts.nights
        name = "model_promoted" if verdict.promoted else "model_rolled_back" if verdict.rolled_back else "model_refused"
        self._recorder.event(now, "INFO", "model", name, f"World model: {verdict.why}.")
        self._queue.put(NightlyUpdate(verdict, clone(forecasts.model_pair.candidate), forecasts.history.log(now), now))

    def stop(self) -> None:
        """Finish writing; a thread that hangs on a dead disk is abandoned."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _write(self) -> None:
        while (update := self._queue.get()) is not None:
            try:
                self._save(update)
            except OSError:
                continue  # the next night tries again; the model in memory is what counts

    def _save(self, update: NightlyUpdate) -> None:
        """Apply the verdict on last night's version, then save tonight's."""
        verdict, waiting = update.verdict, self._waiting
        if verdict.rolled_back:
            self._store.log_change(update.now, "regressed", self._store.active() or "", verdict.why)
            if self._store.has_before():
                self._store.rollback(update.now, verdict.why)
        elif verdict.promoted and waiting is not None:
            self._store.activate(waiting, update.now, verdict.why)
        elif waiting is not None:
            self._store.log_change(update.now, "refused", waiting, verdict.why)
        self._waiting = self._store.save(update.candidate, update.log, update.now)
        if self._store.active() is None:
            self._store.activate(self._waiting, update.now, "the first version")
