"""A whole night on a recorded tent: residuals, epoch, blocks for the brain, commands; and what an expert is worth."""

from __future__ import annotations

import errno
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tomato_host.backtest.tables import BacktestCase, load_cases
from tomato_host.brain.world_model.data import tent_quantities
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.learn.every_night import next_night, run_every_night
from tomato_host.learn.nightly import LearningLoop, read_records, residual_tables
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.slot import GrowthSlot
from tomato_host.learn.state_file import read_state
from tomato_host.learn.worth import growth_worth
from tomato_host.models.blocks import BlockStore
from tomato_host.sources.measured import data_folder

from shared_schemas.devices import PLAN_COLUMNS
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.records import RECORDS
from tests.learn.loops import KEYS, table
from tests.world_model.synthetic import tent_log

START = datetime(2026, 6, 1, 22, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def case() -> BacktestCase:
    log = tent_log(22)
    return BacktestCase("tent", log, tent_quantities(), tuple(c for c in PLAN_COLUMNS if c in log.values))


def loop(root: Path) -> LearningLoop:
    numbers = random.Random(0)
    return LearningLoop(root, LearnSettings(), KEYS, lambda: START, lambda: numbers.getrandbits(64))


def test_residuals_are_those_of_forecasts_that_were_issued_before(case: BacktestCase) -> None:
    tables = residual_tables(case, ["vpd_kpa", "no_such"], 20)
    (found,) = tables.values()
    assert len(found.x) == len(found.y) > 5_000 and np.isfinite(found.x).all()
    assert np.median(np.abs(found.y)) == pytest.approx(1.0, abs=0.2), "in typical errors"
    with pytest.raises(TomatoError) as error:
        residual_tables(case, ["no_such"], 20)
    assert error.value.code == "E-LEARN-DATA"


def test_a_night_commits_publishes_and_records(case: BacktestCase, tmp_path: Path) -> None:
    one = loop(tmp_path)
    first = one.night(case)
    assert first.epoch == 1 and first.published == [] and first.boundary_ms > 0.0
    assert [s.after.stage for s in first.steps] == [SlotStage.GERMINATED]
    assert BlockStore(tmp_path / "models" / "blocks").signature() is None, "nothing to serve, nothing written"
    one.trainer.slots["vpd_kpa.0"] = GrowthSlot("vpd_kpa.0", SlotStage.SHADOWING, 1, 1)
    assert one.night(case).published == ["vpd_kpa"]
    (offer,) = BlockStore(tmp_path / "models" / "blocks").offers()
    assert offer.block is not None and not offer.entry.live and offer.entry.epoch == 2
    state = read_state(tmp_path)
    assert state is not None and state.epoch == 2 and state.slots[0].stage is SlotStage.SHADOWING
    records = read_records(tmp_path)
    assert {record["schema_version"] for record in records} == {"growth_event_v1", "growth_report_v1"}
    for record in records:
        RECORDS[str(record["schema_version"])].model_validate_json(json.dumps(record))
    again = loop(tmp_path)
    assert again.trainer.epoch == 2, "another process goes on"
    again.trainer.full_rollback(1)
    again.commit()
    assert read_state(tmp_path).epoch == 1  # type: ignore[union-attr]
    assert BlockStore(tmp_path / "models" / "blocks").offers() == []


def test_the_command_line_learns_rolls_back_and_switches_the_mode(
    case: BacktestCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOMATO_LEARN_KEYS", "ab" * 32)
    monkeypatch.setattr(LearningLoop, "_dataset", lambda self: case)

    def told(*words: str) -> dict[str, object]:
        with pytest.raises(SystemExit) as end:
            main(["learn", *words, "--data", str(tmp_path), "--json"])
        assert end.value.code == 0
        return dict(json.loads(capsys.readouterr().out))

    assert told("once")["epoch"] == 1
    assert told("once")["steps"] == [{"slot": "vpd_kpa.0", "from": "GERMINATED", "to": "TRAINING"}]
    assert told("rollback")["epoch"] == 1
    assert told("conservative", "on")["conservative"] is True
    assert told("status")["conservative"] is True and told("status")["epoch"] == 1
    assert told("conservative", "off")["conservative"] is False


def test_nights_are_at_twenty_past_midnight_on_change_days_too() -> None:
    zone = ZoneInfo("Europe/Vienna")
    moment, found = datetime(2026, 3, 27, 12, tzinfo=UTC), []
    for _ in range(5):
        moment = next_night(moment, zone)
        found.append(moment.astimezone(zone).strftime("%d %H:%M"))
    assert found == ["28 00:20", "29 00:20", "30 00:20", "31 00:20", "01 00:20"]


def test_a_night_that_fails_is_shown_and_the_next_one_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, clock = loop(tmp_path), [START]
    shown: list[str] = []

    def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=max(seconds, 0.001))

    monkeypatch.setattr("tomato_host.learn.every_night.lower_priority", lambda: None)
    run_every_night(one, "UTC", shown.append, lambda: clock[0], sleep, nights=2)
    assert len(shown) == 2 and all("was not learned: E-" in line for line in shown), shown


@pytest.mark.parametrize(
    ("after_h", "step_h", "expected"),
    [
        (0.0, 0.0, ["02", "03", "04", "05"]),
        (26.5, -1.0, ["02", "03", "04", "05"]),  # set back over the night that was just learned
        (30.0, 48.0, ["02", "03", "05", "06"]),  # set forward over a night: it is learned at once, once
        (20.0, -72.0, ["02", "31", "01", "02"]),  # it was three days ahead
    ],
)
def test_a_clock_that_is_set_neither_skips_nor_doubles_a_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_h: float, step_h: float, expected: list[str]
) -> None:
    elapsed, learned = [0.0], list[str]()

    def now() -> datetime:
        moved = timedelta(hours=step_h) if elapsed[0] >= after_h * 3_600 else timedelta(0)
        return START + timedelta(seconds=elapsed[0]) + moved

    def sleep(seconds: float) -> None:
        elapsed[0] += max(seconds, 1e-3)

    class Counting:
        def night(self) -> None:
            learned.append(now().strftime("%d"))
            elapsed[0] += 5.0
            raise OSError("no matter")

    monkeypatch.setattr("tomato_host.learn.every_night.lower_priority", lambda: None)
    run_every_night(Counting(), "UTC", lambda _: None, now, sleep, nights=4)  # type: ignore[arg-type]
    assert learned == expected


def test_a_disk_that_is_full_at_the_publication_loses_nothing(
    case: BacktestCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    one = loop(tmp_path)
    one.trainer.slots["vpd_kpa.0"] = GrowthSlot("vpd_kpa.0", SlotStage.SHADOWING, 1, 1)
    one.night(case)
    served = BlockStore(tmp_path / "models" / "blocks").entries()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(BlockStore, "publish", full)
        with pytest.raises(OSError, match="No space"):
            one.night(case)
    assert BlockStore(tmp_path / "models" / "blocks").entries() == served, "the brain has what it had"
    assert one.night(case).epoch == 3, "what was learned while the disk was full is not lost"
    assert [entry.epoch for entry in BlockStore(tmp_path / "models" / "blocks").entries()] == [3]


def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nights without the walk over a dataset."""
    monkeypatch.setattr("tomato_host.learn.nightly.residual_tables", lambda *_: {"vpd_kpa": table(rows=300)})


def test_what_a_command_changes_meanwhile_holds_in_the_running_process(
    case: BacktestCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    running, command = loop(tmp_path), loop(tmp_path)
    for _ in range(3):
        running.night(case)
    with command.exclusive():
        assert command.trainer.epoch == 3, "what the process has learned since the command began"
        command.trainer.conservative = True
        command.trainer.full_rollback(1)
        command.trainer.conservative = True
        command.commit()
    assert running.night(case).epoch == 2 and running.trainer.conservative


def test_a_kill_before_the_publication_is_made_good_and_a_torn_record_stays_alone(
    case: BacktestCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(monkeypatch)
    one = loop(tmp_path)
    one.trainer.slots["vpd_kpa.0"] = GrowthSlot("vpd_kpa.0", SlotStage.SHADOWING, 1, 1)
    assert one.night(case).published == ["vpd_kpa"]
    one.trainer.slots["vpd_kpa.0"] = GrowthSlot("vpd_kpa.0", SlotStage.CULLED, 1, 1)
    one.trainer.store.save(one.trainer.checkpoint())  # and killed here
    whole = len(read_records(tmp_path))
    with (tmp_path / "learn" / "records.jsonl").open("a") as file:
        file.write('{"schema_version": "growth_re')
    with loop(tmp_path).exclusive():
        assert BlockStore(tmp_path / "models" / "blocks").offers() == [], "a culled block is served no more"
    assert len(read_records(tmp_path)) == whole + 1
    (tmp_path / "learn" / "state.json").write_text("{")
    with loop(tmp_path).exclusive():
        assert read_state(tmp_path) is not None, "a damaged state file is written again"


@pytest.mark.skipif(not data_folder().is_dir(), reason="needs the measured data (TOMATO_DATA)")
def test_trees_are_worth_their_share_on_a_measured_greenhouse() -> None:
    case = load_cases("agc3", time_zone="UTC")[0]
    (found,) = growth_worth(case, (1, 6, 12, 24, 36), only=("vpd_kpa",))
    assert (found.ratio[1:] <= 0.99).all() and found.share_on > 0.5, found
