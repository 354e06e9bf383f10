"""`tomato-host journal`: written without a host, listed, taken back; what is wrong is one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.cli import main
from tomato_host.storage.dataset import Dataset

from tests.storage.samples import event
from tests.storage.test_journal import photo


def run(data: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["journal", *arguments, "--data-dir", str(data)])
    return int(ended.value.code or 0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path / "data") as dataset:
        dataset.append(event(1))
    return tmp_path / "data"


def test_a_season_is_written_listed_and_reported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "leaf.jpg"
    picture.write_bytes(photo())
    begun = (datetime.now(UTC) - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M")
    assert run(data, "add", "Two of them.", "--task", "planted", "--at", begun) == 0
    assert run(data, "add", "--task", "fed", "--feed", "500", "--ec", "1.8", "--ph", "6.1") == 0
    assert run(data, "add", "--harvest", "412", "--count", "6", "--plant", "left", "--photo", str(picture)) == 0
    assert run(data, "add", "Sour.") == 0
    capsys.readouterr()
    assert run(data, "list", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in told["entries"]] == ["task", "task", "harvest", "note"]
    assert told["totals"]["day"] in (10, 11) and told["totals"]["harvest_g"] == 412.0
    assert told["entries"][2]["photo_sha256"] and list((data / "private" / "images").rglob("journal_*.jpg"))
    note = told["entries"][3]["id"]
    assert run(data, "add", "Sweet, after all.", "--corrects", note) == 0
    assert run(data, "list", "--kind", "note") == 0
    assert "Sweet" in (shown := capsys.readouterr().out) and "Sour" not in shown and "412 g in 1 harvests" in shown
    assert run(data, "withdraw", note) == 0 and run(data, "withdraw", note) == 2
    assert "There is no entry" in capsys.readouterr().err
    page = tmp_path / "season.html"
    assert run(data, "report", "--out", str(page), "--language", "de") == 0
    text = page.read_text()
    assert "412 g" in text and "Sweet" not in text and "<script" not in text and "kein Gerät lief" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add",), "a note needs text or a photo"),
        (("add", "--count", "3"), "a harvest needs its weight"),
        (("add", "--ph", "14.5"), "ph: Input should be less than or equal to 12"),
        (("add", "x", "--at", "2999-01-01"), "cannot be of the future"),
        (("add", "x", "--at", "noon"), "not a valid time"),
        (("add", "x", "--photo", "nowhere.jpg"), "cannot be read"),
        (("add", "--task", "sung"), "task: Input should be"),
        (("timelapse", "--out", "x.avi"), "does not work"),
        (("report", "--language", "fr"), "There is no report"),
    ],
)
def test_what_is_wrong_is_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert run(data, *arguments) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_without_a_dataset_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "typo", "add", "x") == 2 and not (tmp_path / "typo").exists()
    assert "holds no dataset" in capsys.readouterr().err
