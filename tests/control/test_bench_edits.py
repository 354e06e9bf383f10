"""The edits of the benchmark adapters fit the beam core: a rename of its interface once left them behind unseen."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tomato_host.brain.control.planner.beam_search import SearchSettings, search

BENCH = str(Path(__file__).resolve().parents[2] / "tools" / "bench")


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCH)
    for name in [name for name in sys.modules if name.startswith(("greenlight_", "lettuce_"))]:
        monkeypatch.delitem(sys.modules, name)


def test_edits_for_greenlight_gym_find_the_best_plan() -> None:
    plans = __import__("greenlight_plans")
    edits = plans.ControlEdits(8, (0, 3))
    wanted = np.zeros((8, 6))
    wanted[:4, 0], wanted[4:, 3] = 0.6, 0.3
    found = search(
        lambda tried: -np.abs(tried - wanted).sum(axis=(1, 2)),
        edits,
        np.full((1, 8, 6), 0.0),
        SearchSettings(width=1, levels=len(plans.SIZES), rounds=40, pairs=0),
        lambda: False,
    )
    assert found.finished and np.abs(found.plans[0] - wanted).max() <= plans.SIZES[-1]
    assert not found.plans[0][:, (1, 2, 4, 5)].any(), "what is not free stays"


def test_edits_for_the_lettuce_move_no_faster_than_allowed() -> None:
    pytest.importorskip("scipy", reason="extra `bench`: the lettuce's edits need its linear programmes")
    edits = __import__("lettuce_edits")
    limit = edits.RateLimit(np.zeros(3), np.zeros(3), np.ones(3), np.full(3, 0.1))
    blocks = edits.BlockEdits(limit, 6)
    found = search(
        lambda plans: plans.sum(axis=(1, 2)),
        blocks,
        np.zeros((1, 6, 3)),
        SearchSettings(width=1, levels=len(edits.SIZES), rounds=20, pairs=0),
        lambda: False,
    )
    best = found.plans[0]
    assert best[-1] == pytest.approx(np.full(3, 0.6), abs=0.05)
    assert np.diff(np.concatenate([np.zeros((1, 3)), best]), axis=0).max() <= 0.1 + 1e-9
