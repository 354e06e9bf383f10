"""`tomato-host explain` on a small dataset: decided, refused, not done, expected."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.brain.control import DecisionContext, rules
from tomato_host.brain.guardrails import GuardContext, Guardrails
from tomato_host.cli.main import main
from tomato_host.cli.recorded_settings import dataset_zone, parse_local_time
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset

from shared_schemas.records.action_v1 import Outcome
from tests.control.states import NOON, state


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two decisions: at noon with a leak, two hours later without."""
    guardrails, kept = Guardrails(), Dataset.open(tmp_path, fsync="never")
    for hours, leak in ((0, True), (2, False)):
        now = NOON + timedelta(hours=hours)
        seen = state(now, probes=((20.0, 0.9), (30.0, 0.9)))
        made = rules.decide(DecisionContext(now=now, state=seen))
        kept.append(seen)
        kept.append(made.plan)
        for proposal in made.proposals:
            action = guardrails.judge(proposal, GuardContext(now, seen, leak=leak)).action
            kept.append(action)
            if action.type.value == "WATER" and action.safety.validated:
                done = Outcome(status="DONE", delivered_ml=199.0)
                kept.append(action.model_copy(update={"outcome": done}))
    kept.close()
    return tmp_path


def reported(capsys: pytest.CaptureFixture[str], dataset: Path, *more: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--data-dir", str(dataset), *more])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_newest_decision_with_its_outcome(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = reported(capsys, dataset)
    assert "14:00 by rules" in text and "P1 is dry at 20.0 %" in text
    assert "DONE 199 ml" in text and "heater_mat: soil at 20.0 degC is warm enough (from 18 degC on)" in text
    assert len(text.splitlines()) < 40


def test_an_earlier_decision_and_the_rule_that_refused(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    story = json.loads(reported(capsys, dataset, "--at", "2026-06-01T12:30", "--json"))
    assert story["decision"] == "p-20260601T100000"
    refused = {row["action"]: row["verdict"] for row in story["refused"]}
    assert refused["WATER"].startswith("refused by environment: the leak sensor is wet (1, limit 0)")


@pytest.mark.parametrize(
    ("words", "code"), [(("--at", "noon"), "E-EXPLAIN-TIME"), (("--at", "2020-01-01T00:00"), "E-EXPLAIN-NONE")]
)
def test_clear_errors(dataset: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--data-dir", str(dataset), *words])
    assert ended.value.code == 2 and code in capsys.readouterr().err


def test_no_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--data-dir", str(tmp_path)])
    assert ended.value.code == 2 and "E-STORAGE-NO-DATASET" in capsys.readouterr().err


def test_moments_are_local_unless_they_say_otherwise() -> None:
    zone, options = ZoneInfo("America/New_York"), ("E-EXPLAIN-TIME", "2026-06-01T14:00")
    assert parse_local_time("2026-06-01T12:00", zone, *options).utcoffset() == timedelta(hours=-4)
    assert parse_local_time("2026-06-01T12:00+00:00", zone, *options).utcoffset() == timedelta(0)
    with pytest.raises(TomatoError, match="not a valid time"):
        parse_local_time("", zone, *options)


def test_the_zone_is_the_recordings_else_that_of_the_settings(tmp_path: Path) -> None:
    assert dataset_zone(tmp_path).key == "Europe/Vienna", "the default"
    (tmp_path / "metadata.json").write_text('{"settings": {"control": {"time_zone": "America/New_York"}}}')
    assert dataset_zone(tmp_path).key == "America/New_York", "as 0.1 recorded it"
    (tmp_path / "metadata.json").write_text('{"settings": {"site": {"timezone": "Asia/Tokyo"}}}')
    assert dataset_zone(tmp_path).key == "Asia/Tokyo", "as it is recorded now"
    config = tmp_path / "tomato.toml"
    config.write_text('[site]\ntimezone = "America/Lima"\n')
    assert dataset_zone(tmp_path, config).key == "America/Lima", "a given file comes first"
