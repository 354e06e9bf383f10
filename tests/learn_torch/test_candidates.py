"""Policies pre-trained beside each other: each is what its seed makes, wherever it is trained; the best is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.cli.main import main
from tomato_host.learn.offline.candidates import CHOICE_SEEDS, PolicyCandidate, best_candidate, train_candidate
from tomato_host.learn.offline.train import pretrain
from tomato_host.learn.offline.validate import SEEDS
from tomato_host.learn.policy.hot_reload import weights_file
from tomato_host.learn.policy.weights import pack_weights
from tomato_host.learn.settings import LearnOfflineSettings
from tomato_host.parallel.tasks import Workers

pytestmark = pytest.mark.learn
SETTINGS = LearnOfflineSettings(epochs=1)


def test_two_processes_train_the_policies_that_one_does_and_the_best_is_kept() -> None:
    found: list[PolicyCandidate] = []
    best = best_candidate(SETTINGS, 3, 3, 1, Workers(jobs=2), lambda worker, one: found.append(one))
    assert sorted(one.seed for one in found) == [3, 4, 5]
    assert best.reward == max(one.reward for one in found) > min(one.reward for one in found)
    for one in found:
        assert one.body == pack_weights(pretrain("mlp", SETTINGS, one.seed, 1).policy.arrays())
    assert best_candidate(SETTINGS, 3, 3, 1, Workers()) == best
    assert not set(CHOICE_SEEDS) & set(SEEDS), "what is kept back for validation chooses nothing"


def test_the_command_stores_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["learn", "train", "--data", str(tmp_path), "--rounds", "1", "--candidates", "2", "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out)["version"] == 1
    each = [train_candidate(seed, LearnOfflineSettings(), 1) for seed in (0, 1)]
    stored = weights_file(tmp_path / "learn" / "policy", 1).read_bytes()
    assert stored == max(each, key=lambda one: one.reward).body
