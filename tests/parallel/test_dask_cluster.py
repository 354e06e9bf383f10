"""Tasks on a real Dask cluster over TCP: the bytes of `-j 2`, workers that die, and what cannot take part."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from threading import Timer

import pytest
from tomato_host.errors import TomatoError
from tomato_host.parallel import dask_cluster
from tomato_host.parallel.tasks import TaskResult, Workers, run_tasks
from tomato_host.twin.campaign import matrix, report

from tests.free_ports import free_port
from tests.parallel.sample_tasks import die_always, die_once, refuse, samplers_running, square, wait_long
from tools.local_cluster import ROOT, LocalCluster, local_cluster

# Not imported here: every worker of the tests collects this file.
pytestmark = pytest.mark.skipif(
    find_spec("distributed") is None, reason="the extra [cluster] is not installed: pip install '.[cluster]'"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One for all tests, in their order, for each of its processes takes a second to start. They use workers up."""
    with local_cluster(tmp_path_factory.mktemp("cluster"), workers=2) as running:
        yield running


def values(found: Iterable[TaskResult[int]]) -> list[int]:
    return sorted(one.value for one in found)


def test_tasks_and_their_errors_cross_the_line(cluster: LocalCluster) -> None:
    found = list(run_tasks(square, range(40), cluster.there))
    assert values(found) == [n * n for n in range(40)]
    assert all(one.worker.startswith("tcp://127.0.0.1:") for one in found)
    assert values(run_tasks(samplers_running, range(4), cluster.there)) == [0] * 4, (
        "a run is not slowed by Dask's looks"
    )
    with pytest.raises(TomatoError, match="7 is refused") as caught:
        list(run_tasks(refuse, [7], cluster.there))
    assert caught.value.next_step == "Give another."


def test_a_campaign_with_a_killed_worker_is_that_of_this_machine_to_the_byte(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    """That of one process: tests/twin/test_campaign.py holds that `-j 2` makes the same, test_tent_weeks.py both."""
    todo = matrix.cells(("rules", "timer"), ("calm", "leak@1"), range(1), 0.05, 120.0)
    found = {}
    for index, outcome, _ in run_tasks(matrix.simulate, todo, cluster.there):
        found[index] = outcome
        if len(found) == 1:
            cluster.workers[0].kill()
    assert cluster.workers[0].wait(10) == -signal.SIGKILL
    local = {one.item_index: one.value for one in run_tasks(matrix.simulate, todo, Workers())}
    written = []
    for name, outcomes in (("cluster", found), ("local", local)):
        (tmp_path / name).mkdir()
        report.write_report([outcomes[n] for n in range(len(todo))], tmp_path / name)
        report.write_parquet([outcomes[n].row for n in range(len(todo))], tmp_path / name / "runs.parquet")
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert written[0] == written[1] and set(written[0]) == {"report.md", "day.svg", "runs.parquet"}


def test_a_worker_with_other_code_is_found_although_it_joined_late(cluster: LocalCluster, tmp_path: Path) -> None:
    for name in ("host/tomato_host", "shared_schemas", "firmware"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "host/tomato_host/brain/brain.py").open("a") as file:
        file.write("# another revision\n")
    stranger = cluster.add_worker(tmp_path)
    with pytest.raises(TomatoError, match=r"The worker tcp://127\.0\.0\.1:\d+ runs other code") as caught:
        for _ in range(1_000):  # until it has joined
            list(run_tasks(abs, range(8), cluster.there))
    assert caught.value.code == "E-CLUSTER-VERSION"
    stranger.kill()


def test_a_worker_that_dies_of_its_task_costs_only_that(cluster: LocalCluster, tmp_path: Path) -> None:
    """The last one has died then; another joins, as a nanny would start it."""
    running = run_tasks(die_once, [(str(tmp_path), n) for n in range(6)], cluster.there)
    first = next(running)
    (tmp_path / "go").touch()
    cluster.add_worker()
    assert values([first, *running]) == list(range(6)) and (tmp_path / "died").exists()


def test_results_that_die_with_their_worker_are_made_again(cluster: LocalCluster, tmp_path: Path) -> None:
    """It dies before anybody could fetch them, and for a while there is no worker at all."""
    (tmp_path / "go").touch()
    joins = Timer(3.0, cluster.add_worker)
    joins.start()
    assert values(run_tasks(die_once, [(str(tmp_path), n) for n in range(6)], cluster.there)) == list(range(6))
    joins.join()


def test_a_task_that_always_ends_its_worker_ends_the_run_with_its_name(cluster: LocalCluster) -> None:
    cluster.add_worker()
    with pytest.raises(TomatoError, match="1 ended its worker 2 times") as caught:
        list(run_tasks(die_always, [1], cluster.there))
    assert caught.value.code == "E-WORKER-DIED"


def test_nothing_waits_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker at the start, none any more, no scheduler any more, none at all."""
    with local_cluster(tmp_path, workers=0) as cluster:
        monkeypatch.setattr(dask_cluster, "LOOK_S", 0.1)
        monkeypatch.setattr(dask_cluster, "WORKERS_S", 0.3)
        with pytest.raises(TomatoError, match="has no worker") as caught:
            list(run_tasks(square, [1], cluster.there))
        assert caught.value.code == "E-CLUSTER-WORKERS" and "dask worker tcp://HOST" in caught.value.next_step
        monkeypatch.setattr(dask_cluster, "WORKERS_S", 30.0)
        last = cluster.add_worker()
        running = run_tasks(wait_long, [0.0, 60.0], cluster.there)
        assert next(running).item_index == 0
        monkeypatch.setattr(dask_cluster, "WORKERS_S", 0.3)
        last.kill()
        with pytest.raises(TomatoError, match="no worker any more"):
            next(running)
        monkeypatch.setattr(dask_cluster, "WORKERS_S", 30.0)
        cluster.add_worker()
        running = run_tasks(wait_long, [0.0, 60.0], cluster.there)
        next(running)
        cluster.scheduler.kill()
        with pytest.raises(TomatoError) as caught:
            next(running)
        assert caught.value.code == "E-CLUSTER-LOST" and "--resume" in caught.value.next_step
        monkeypatch.setattr(dask_cluster, "CONNECT_S", 0.3)
        with pytest.raises(TomatoError, match="No scheduler answers at tcp://127") as caught:
            list(run_tasks(square, [1], Workers(scheduler=f"tcp://127.0.0.1:{free_port()}")))
        assert caught.value.code == "E-CLUSTER-UNREACHABLE" and "refused" in caught.value.message


def test_tls_without_certificates_says_what_is_missing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        there = Workers(scheduler=f"tls://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(TomatoError, match="needs certificates") as caught:
            list(run_tasks(square, [1], there))
    assert caught.value.code == "E-CLUSTER-ADDRESS" and "distributed.comm.tls" in caught.value.next_step
