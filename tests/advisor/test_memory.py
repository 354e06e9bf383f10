"""Memory: added to, superseded, searched; and what a model said never becomes a fact."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.advisor.backends.chat import NoBackend
from tomato_host.advisor.memory import MemoryStore
from tomato_host.advisor.pipeline import WakeResources, run_wake
from tomato_host.advisor.settings import AdvisorSettings, CameraSettings
from tomato_host.advisor.vision.cameras import Photo

from tests.advisor.pictures import jpeg, plant
from tests.advisor.wakes import TS, context

NOW = datetime.fromisoformat(TS)


def test_a_newer_fact_supersedes_and_the_older_stays_on_file(tmp_path: Path) -> None:
    memory = MemoryStore(tmp_path / "m.sqlite")
    memory.set_fact("canopy", "40", unit="%", source="photo a", trust="measured", ts=NOW)
    memory.set_fact("canopy", "42", unit="%", source="photo b", trust="measured", ts=NOW + timedelta(hours=2))
    (fact,) = memory.facts(NOW)
    assert (fact.value, fact.source, fact.trust) == ("42", "photo b", "measured")
    memory.close()
    rows = sqlite3.connect(tmp_path / "m.sqlite").execute("SELECT value, superseded_by FROM facts ORDER BY id")
    assert rows.fetchall() == [("40", 2), ("42", None)]


def test_facts_expire() -> None:
    memory = MemoryStore(None)
    memory.set_fact("k", "v", unit="", source="s", trust="decided", ts=NOW, expires=NOW + timedelta(hours=1))
    assert len(memory.facts(NOW)) == 1 and memory.facts(NOW + timedelta(hours=2)) == ()


def test_what_a_model_said_cannot_be_a_fact() -> None:
    memory = MemoryStore(None)
    with pytest.raises(ValueError, match="measured or decided"):
        memory.set_fact("k", "v", unit="", source="s", trust="said_by_model", ts=NOW)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        memory._db.execute("INSERT INTO facts (key, value, unit, source, trust, ts) VALUES ('k','v','','s','llm','t')")


def test_episodes_can_neither_be_changed_nor_deleted() -> None:
    memory = MemoryStore(None)
    memory.add_episode("w-1", NOW, "summary", "decided", "a calm day", "{}")
    for attempt in ("UPDATE episodes SET text = 'x'", "DELETE FROM episodes"):
        with pytest.raises(sqlite3.IntegrityError, match="append only"):
            memory._db.execute(attempt)


def test_search_finds_words_and_survives_any_query() -> None:
    memory = MemoryStore(None)
    memory.add_episode("w-1", NOW, "summary", "decided", "the lower leaves turn yellow", "{}")
    memory.add_episode("w-2", NOW, "summary", "decided", "a calm day without news", "{}")
    memory.set_fact("canopy_share.cam", "41", unit="%", source="photo", trust="measured", ts=NOW)
    assert [hit.ref for hit in memory.search("yellow leaves")] == ["w-1"]
    assert [hit.kind for hit in memory.search("canopy_share")] == ["fact"]
    for query in ("", '"', "a AND (", "x*", "near/2", "-", "text:calm"):
        memory.search(query)


def test_a_cycle_is_remembered_and_the_measured_canopy_becomes_a_fact(tmp_path: Path) -> None:
    settings = AdvisorSettings(cameras=(CameraSettings(name="cam", kind="folder", path=tmp_path),))
    memory = MemoryStore(None)
    resources = WakeResources(settings, None, NoBackend(), memory, camera=lambda camera: Photo("cam", jpeg(plant(1))))
    records = list(run_wake(context("w-9"), resources))
    assert len(memory.episodes("w-9")) == len(records) == 4
    (fact,) = memory.facts(NOW)
    assert fact.key == "canopy_share.cam" and fact.trust == "measured" and fact.source.startswith("photo ")
    later = list(run_wake(context("w-10", ("summary",)), resources))
    assert "canopy share cam" in later[0].text  # type: ignore[attr-defined]


def test_a_camera_needs_three_photos_before_a_usual_height_exists() -> None:
    memory = MemoryStore(None)
    for number, height in enumerate((0.4, 0.5, 0.6)):
        assert memory.usual_height("cam") is None
        memory.add_canopy(NOW + timedelta(hours=number), "cam", 0.3, height)
    assert memory.usual_height("cam") == 0.5 and memory.usual_height("other") is None
