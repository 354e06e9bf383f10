"""The network expert: learns, starts as the identity, goes on from a checkpoint to the byte, equals its numpy block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.learn.export_check import export_facts
from tomato_host.learn.network import NetworkSettings, NetworkTrainer
from tomato_host.learn.settings import LearnSettings

from shared_schemas.learn.lifecycle import SlotStage
from tests.learn.loops import GOOD, table, trainer

pytestmark = pytest.mark.learn
COUNT = len(FEATURES)


def state_bytes(one: NetworkTrainer) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in one.state().items()}


def test_it_starts_as_the_identity_and_learns() -> None:
    one = NetworkTrainer(COUNT, NetworkSettings(), seed=0)
    data = table()
    assert (one.predict(data.x) == 0.0).all()
    losses = [one.train(data) for _ in range(12)]
    assert losses[-1] < 0.5 * losses[0]
    assert np.abs(data.y - one.predict(data.x)).mean() < 0.6 * np.abs(data.y).mean()
    assert all(np.isfinite(norm) and norm > 0.0 for norm in one.gradient_norms)


def test_new_parameters_start_at_a_tenth_of_the_rate_and_are_warm_after_ten_epochs() -> None:
    one = NetworkTrainer(COUNT, NetworkSettings(steps=1), seed=0)
    rates = []
    for _ in range(13):
        rates.append(one.rate())
        one.train(table())
    assert rates[0] == pytest.approx(0.001) and rates[10:] == pytest.approx([0.01] * 3)
    assert rates == sorted(rates)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    runs = []
    for seed in (1, 1, 2):
        one = NetworkTrainer(COUNT, NetworkSettings(), seed)
        one.train(table())
        runs.append(state_bytes(one))
    assert runs[0] == runs[1] != runs[2]


def test_it_goes_on_from_its_state_with_the_optimizers() -> None:
    one = NetworkTrainer(COUNT, NetworkSettings(), seed=0)
    for _ in range(3):
        one.train(table())
    held = one.state()
    one.train(table())
    other = NetworkTrainer(COUNT, NetworkSettings(), seed=9)
    other.restore(held)
    other.train(table())
    assert state_bytes(other) == state_bytes(one)
    without = NetworkTrainer(COUNT, NetworkSettings(), seed=9)
    without.restore({name: array for name, array in held.items() if not name.startswith("adam.")})
    without.train(table())
    assert state_bytes(without) != state_bytes(one), "the optimizer's state is part of the state"


def test_its_numpy_block_gives_what_it_gives() -> None:
    one = NetworkTrainer(COUNT, NetworkSettings(), seed=0)
    for _ in range(5):
        one.train(table())
    facts = export_facts(one, "network", table())
    assert facts.same_as_trainer and facts.outputs_finite and facts.pause_resume and facts.forward_ms < 2.0


def test_a_network_walks_the_lifecycle_and_rolls_back_to_the_byte(tmp_path: Path) -> None:
    one = trainer(tmp_path, settings=LearnSettings(expert="network", steps=20))
    one.skills = GOOD
    for _ in range(45):
        one.run_epoch({"vpd_kpa": table()})
    assert one.slots["vpd_kpa.0"].stage is SlotStage.FOSSILIZED
    before = {name: array.tobytes() for name, array in one.checkpoint().arrays.items()}
    one.run_epoch({"vpd_kpa": table(seed=1)})
    expected = {name: array.tobytes() for name, array in one.checkpoint().arrays.items()}
    assert one.fast_rollback() < 500.0
    assert {name: array.tobytes() for name, array in one.checkpoint().arrays.items()} == before
    one.run_epoch({"vpd_kpa": table(seed=1)})
    assert {name: array.tobytes() for name, array in one.checkpoint().arrays.items()} == expected
    one.full_rollback(45)
    assert {name: array.tobytes() for name, array in one.checkpoint().arrays.items()} == before
