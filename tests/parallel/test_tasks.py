"""Tasks in this process and on others: the same results, and a process that dies costs only the task it was at."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.parallel import dask_cluster, process_pool
from tomato_host.parallel.tasks import ENGINES, Workers, run_tasks

from tests.parallel.sample_tasks import die_always, die_once, fail_unportably, refuse, square


def test_every_engine_is_reached_by_what_is_asked_for() -> None:
    asked = (Workers(), Workers(jobs=2), Workers(scheduler="tcp://127.0.0.1:8786"))
    assert [one.engine for one in asked] == list(ENGINES)
    with pytest.raises(TomatoError) as caught:
        Workers(jobs=2, scheduler="tcp://127.0.0.1:8786")
    assert caught.value.code == "E-CLUSTER-ADDRESS"


def test_each_item_is_computed_once_and_children_are_replaced_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_pool, "TASKS_PER_PROCESS", 2)
    found = list(run_tasks(square, range(7), Workers(jobs=2)))
    assert sorted((one.item_index, one.value) for one in found) == [(n, n * n) for n in range(7)]
    assert len({one.worker for one in found}) >= 4, "seven tasks, two a process"
    assert not multiprocessing.active_children()
    assert [one.value for one in run_tasks(square, range(3), Workers())] == [0, 1, 4]
    assert list(run_tasks(square, [], Workers(jobs=2))) == []


def test_a_killed_process_costs_only_its_task(tmp_path: Path) -> None:
    """`multiprocessing.Pool` would wait for ever for the fourth result."""
    (tmp_path / "go").touch()
    found = [one.value for one in run_tasks(die_once, [(str(tmp_path), n) for n in range(6)], Workers(jobs=2))]
    assert sorted(found) == list(range(6)) and (tmp_path / "died").exists()


def test_a_task_that_always_ends_its_process_ends_the_run_with_its_name() -> None:
    with pytest.raises(TomatoError, match=r"1 ended its process 4 times \(exit code -9") as caught:
        list(run_tasks(die_always, [0, 1, 2], Workers(jobs=2)))
    assert caught.value.code == "E-WORKER-DIED" and not multiprocessing.active_children()


def test_an_error_reaches_the_caller_as_it_was_raised() -> None:
    """`multiprocessing.Pool` would wait for ever for one that cannot be rebuilt from its arguments."""
    with pytest.raises(TomatoError, match=r"[01] is refused") as caught:
        list(run_tasks(refuse, [0, 1], Workers(jobs=2)))
    assert (caught.value.code, caught.value.next_step) == ("E-CAMPAIGN", "Give another.")
    with pytest.raises(RuntimeError, match="Unportable: a"):
        list(run_tasks(fail_unportably, [0, 1], Workers(jobs=2)))
    again = pickle.loads(pickle.dumps(TomatoError("E-X", "what", "next")))
    assert str(again) == "E-X: what Next: next"


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "http://h:1", "tcp://host", "tcp://:8786", "tcp://a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(TomatoError) as caught:
        list(run_tasks(square, [1], Workers(scheduler=address)))
    assert caught.value.code == "E-CLUSTER-ADDRESS"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(TomatoError, match="Dask is not installed") as caught:
        list(run_tasks(square, [1], Workers(scheduler="tcp://127.0.0.1:8786")))
    assert caught.value.code == "E-EXTRA-CLUSTER" and "[cluster]" in caught.value.next_step


class _Versions:
    """A client that tells versions, as `distributed.Client.get_versions` returns them."""

    def __init__(self, scheduler: dict[str, str], worker: dict[str, str]) -> None:
        ours = dict.fromkeys(dask_cluster.COMPARED, "1")
        self._found = {
            "client": {"packages": ours},
            "scheduler": {"packages": {**ours, **scheduler}},
            "workers": {"tcp://10.0.0.2:4000": {"packages": {**ours, **worker}}},
        }

    def get_versions(self, check: bool) -> dict[str, object]:
        return self._found


def test_versions_that_differ_are_named_with_their_place() -> None:
    dask_cluster.check_versions(_Versions({"numpy": "0"}, {}))
    with pytest.raises(TomatoError, match=r"tcp://10\.0\.0\.2:4000 has numpy 2, here it is 1") as caught:
        dask_cluster.check_versions(_Versions({}, {"numpy": "2"}))
    assert caught.value.code == "E-CLUSTER-VERSION"
    with pytest.raises(TomatoError, match="scheduler has dask 3"):
        dask_cluster.check_versions(_Versions({"dask": "3"}, {}))
