"""Two hundred tent-weeks on a Dask cluster with a killed worker: the report of `-j 2`, for less than 5 % more."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tools import bench_cluster

# Not imported here: every worker of the tests collects this file.
pytestmark = pytest.mark.skipif(
    find_spec("distributed") is None, reason="the extra [cluster] is not installed: pip install '.[cluster]'"
)


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_200_tent_weeks_are_the_same_and_cost_less_than_a_twentieth_more(tmp_path: Path) -> None:
    bench_cluster.run_local(tmp_path, bench_cluster.TentWeeks())
    bench_cluster.run_cluster(tmp_path, bench_cluster.TentWeeks())
    found = bench_cluster.compare(tmp_path)
    assert found["same"] and found["runs"] == 200
    assert found["workers"] == 3, "two, and the one that took the place of the killed one"
    assert found["overhead"] < bench_cluster.MOST_OVERHEAD, found
