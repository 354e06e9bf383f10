"""What the night leaves on disk, and who speaks after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.brain.brain import Brain
from tomato_host.brain.world_model.promotion import PromotionVerdict
from tomato_host.loop.model_checkpoints import ModelCheckpoints
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.models.store import ModelStore

from tests.stores import MemoryOnly
from tests.world_model.synthetic import tent_log

NOW = datetime(2026, 6, 1, 0, 10, tzinfo=UTC)


def _night(brain: Brain, days: int) -> None:
    """One night as the brain lives through it, on a made-up log."""
    brain.forecast_state.model_pair.learn(tent_log(8).until(days * 24))
    brain.forecast_state.nights += 1


def _keeper(folder: Path, brain: Brain) -> tuple[ModelCheckpoints, MemoryOnly]:
    kept = MemoryOnly()
    recorder = Recorder(kept, Status(started_at=NOW, now=NOW))
    return ModelCheckpoints(ModelStore(folder), brain, recorder, lambda: NOW), kept


def test_nights_are_kept_and_the_speaker_survives_a_restart(tmp_path: Path) -> None:
    brain = Brain()
    keeper, kept = _keeper(tmp_path, brain)
    keeper.start()
    for days in (1, 2, 3):
        _night(brain, days)
        keeper.tick(NOW + timedelta(days=days))
        keeper.tick(NOW + timedelta(days=days, seconds=2))
    keeper.stop()
    store = ModelStore(tmp_path)
    assert len(store.versions()) == 3
    assert kept.events()[0] == "model_promoted" and len(kept.events()) == 3
    active = store.load_active()
    assert active is not None

    again = Brain()
    keeper, kept = _keeper(tmp_path, again)
    keeper.start()
    keeper.stop()
    assert kept.events() == ["model_loaded"]
    assert again.forecast_state.model.fingerprint() == active[1].fingerprint()


def test_a_refusal_and_a_regression_are_written_down(tmp_path: Path) -> None:
    brain = Brain()
    keeper, kept = _keeper(tmp_path, brain)
    keeper.start()
    verdicts = (
        PromotionVerdict(True, "first"),
        PromotionVerdict(True, "won", 0.9),
        PromotionVerdict(False, "lost", 1.2),
        PromotionVerdict(False, "rolled back: worse", 0.7, rolled_back=True),
    )
    for days, verdict in enumerate(verdicts, start=1):
        _night(brain, days)
        brain.forecast_state.model_pair.last = verdict
        keeper.tick(NOW + timedelta(days=days))
    keeper.stop()
    assert kept.events() == ["model_promoted", "model_promoted", "model_refused", "model_rolled_back"]
    said = [change["what"] for change in ModelStore(tmp_path).changes()]
    assert said[0] == "promoted" and "refused" in said and "regressed" in said


def test_a_model_of_another_tent_does_not_speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomato_host.brain.world_model.data import ModelShape, tent_quantities
    from tomato_host.brain.world_model.model import WorldModel

    store = ModelStore(tmp_path)
    other = WorldModel(ModelShape(quantities=tent_quantities(("P9",))))
    store.activate(store.save(other, tent_log(2), NOW), NOW, "another tent")
    brain = Brain()
    before = brain.forecast_state.model
    keeper, kept = _keeper(tmp_path, brain)
    keeper.start()
    keeper.stop()
    assert brain.forecast_state.model is before and kept.events() == []
