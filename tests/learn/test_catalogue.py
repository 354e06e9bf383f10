"""The 50 blueprints, and the store of what was compiled of them."""

from __future__ import annotations

import logging
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.learn.blueprints import (
    CONSERVATIVE_POOL,
    FILE,
    blueprint,
    catalogue_of_blueprints,
    parse_blueprints,
    query,
)
from tomato_host.learn.catalogue import Catalogue
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.slot_learner import TreeLearner, make_learner

from shared_schemas.learn.budgets import FETCH_P50_MS


def test_fifty_blueprints_with_tier_parameters_and_approval() -> None:
    found = catalogue_of_blueprints()
    tiers = [found[n].tier for n in range(1, 51)]
    assert tiers == ["production"] * 35 + ["experimental"] * 7 + ["adversarial"] * 8
    assert [n for n in found if found[n].approved] == list(range(1, 36))
    for one in found.values():
        assert one.purpose and one.name and (one.parameters or one.tier == "adversarial")
    assert len({one.name for one in found.values()}) == 50


def test_a_query_is_deterministic_logged_and_never_gives_quarantine(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tomato.learn.blueprints"):
        first = query(kind="trees", size="small")
    assert first == query(kind="trees", size="small") and [one.id for one in first][:2] == [2, 3]
    assert "BP002" in caplog.text and "trees" in caplog.text
    assert all(one.id in CONSERVATIVE_POOL for one in query(conservative=True)) and len(query(conservative=True)) == 10
    assert {one.tier for one in query(tier="experimental")} == {"experimental"}, "on explicit request only"
    with pytest.raises(TomatoError, match="quarantine"):
        query(tier="adversarial")
    with pytest.raises(TomatoError):
        blueprint(51)


@pytest.mark.parametrize("bad", [{"trees": 1e9}, {"depth": float("nan")}, {"nonsense": 1.0}])
def test_a_parameter_outside_its_range_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(TomatoError) as error:
        blueprint(1).filled(bad)
    assert error.value.code == "E-LEARN-BLUEPRINT"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id = 50", "id = 49"),
        ('tier = "adversarial"', 'tier = "production"'),
        ("approved = false", "approved = true"),
        ("depth = [3.0, 1.0, 6.0]", "depth = [9.0, 1.0, 6.0]"),
        ("[[blueprint]]", "[[other]]"),
    ],
)
def test_a_damaged_catalogue_is_refused_as_a_whole(old: str, new: str) -> None:
    text = FILE.read_text()
    assert old in text
    with pytest.raises(TomatoError):
        parse_blueprints(text.replace(old, new))


def test_a_blueprint_decides_what_a_learner_is() -> None:
    small, large = (make_learner(LearnSettings(), 0, n) for n in (5, 14))
    assert isinstance(small, TreeLearner) and small.steps == 10 and large.steps == 60
    assert make_learner(LearnSettings(), 0, 1, {"trees": 7.0}).steps == 7
    with pytest.raises(TomatoError):
        make_learner(LearnSettings(), 0, 1, {"trees": 1e6})


def read(path: Path, _row: object) -> bytes:
    return path.read_bytes()


def test_an_artifact_comes_back_from_the_cache_after_the_first_time_in_time(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as one:
        row = one.put(6, b"x" * 1_500_000, "aoti", "torch 2.13", 7.0)
        assert one.artifact(6) == row and one.fetch(6, read) == b"x" * 1_500_000
        times = []
        for _ in range(50):
            started = time.perf_counter()
            one.fetch(6, read)
            times.append((time.perf_counter() - started) * 1_000.0)
        assert (one.hits, one.misses) == (50, 1) and statistics.median(times) < FETCH_P50_MS
    with Catalogue(tmp_path) as other:
        assert [found.blueprint for found in other.artifacts()] == [6] and other.changes()[0][1] == 6


def test_a_file_with_another_hash_a_missing_one_and_quarantine_are_refused(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as one:
        row = one.put(6, b"good", "exported", "torch", 1.0)
        loaded: list[Path] = []
        (tmp_path / row.file).write_bytes(b"evil")
        for why in ("another hash", "cannot be read"):
            with pytest.raises(TomatoError, match=why) as error:
                one.fetch(6, lambda path, _row: loaded.append(path))
            assert error.value.code == "E-LEARN-ARTIFACT"
            (tmp_path / row.file).unlink(missing_ok=True)
        assert loaded == [], "what is not known is never loaded"
        one.put(6, b"good", "exported", "torch", 1.0)
        one.quarantine(6, "gave NaN")
        with pytest.raises(TomatoError, match="quarantine"):
            one.fetch(6, read)
        one.release(6)
        assert one.fetch(6, read) == b"good"
        with pytest.raises(TomatoError, match="not compiled"):
            one.fetch(7, read)


def test_worth_is_a_mean_and_facts_of_unknown_blueprints_are_left_out(tmp_path: Path) -> None:
    with Catalogue(tmp_path) as one:
        one.record_worth(1, 0.02)
        one.record_worth(1, 0.04)
        assert one.facts([1, 2]) == {1: {"worth": pytest.approx(0.03), "samples": 2.0, "quarantined": 0.0}}


def test_a_damaged_store_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(TomatoError) as error:
        Catalogue(tmp_path)
    assert error.value.code == "E-LEARN-CATALOGUE"


WRITER = """
import sys
from pathlib import Path
from tomato_host.learn.catalogue import Catalogue
one = Catalogue(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    one.put(n % 50 + 1, b"%d" % n * 100, "aoti", "torch", 1.0)
    print(n, flush=True)
"""


def test_a_kill_at_any_moment_leaves_whole_rows_with_whole_files(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.1))
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        with Catalogue(tmp_path) as one:
            rows = one.artifacts()
            assert rows and all(one.fetch(row.blueprint, read) for row in rows)
