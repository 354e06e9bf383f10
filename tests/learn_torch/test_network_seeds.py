"""Networks of several seeds trained beside each other are the networks that are trained one by one."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.learn.network import NetworkSettings, NetworkTrainer, network_fit

from tests.learn.loops import table
from tools.network_seeds import SeedsFit, SeedsTrainer

pytestmark = pytest.mark.learn
SEEDS = [0, 3, 4]


def test_three_nights_of_three_seeds_equal_those_one_by_one() -> None:
    nights = [table(rows=700), table(rows=900), table(rows=400)]
    beside = SeedsTrainer(len(FEATURES), NetworkSettings(), SEEDS)
    alone = [NetworkTrainer(len(FEATURES), NetworkSettings(), seed) for seed in SEEDS]
    for night in nights:
        beside.train(night)
        for one in alone:
            one.train(night)
    for which, one in enumerate(alone):
        wanted, found = one.arrays(nights[0].typical), beside.arrays(which, nights[0].typical)
        for name, array in wanted.items():
            assert found[name].shape == array.shape
            assert found[name] == pytest.approx(array, abs=1e-3), (SEEDS[which], name)


@pytest.mark.parametrize("static", [False, True])
def test_each_fit_gives_the_block_of_its_seed(static: bool) -> None:
    fits, alone = SeedsFit([0, 1], static).fits(), network_fit(1, static=static)
    for night in (table(rows=300), table(rows=500)):
        wanted = alone("vpd_kpa", night)
        other, found = (fits[seed]("vpd_kpa", night) for seed in (0, 1))
        for name, array in wanted.arrays.items():
            assert found.arrays[name] == pytest.approx(array, abs=2e-3), name
        assert np.abs(other.arrays["w1"] - found.arrays["w1"]).max() > 0.1
