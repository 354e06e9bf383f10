"""Changing the settings file without an editor: one loader, comments kept, whole or not at all, never over somebody."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.targets import STAGES, stage_row
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.settings import load_settings, parse_settings
from tomato_host.settings_file import (
    FILE,
    default_file,
    hash_of_text,
    named_keys,
    plan_change,
    restore_backup,
    write_change,
)

FILE_TEXT = """# my tent
[site]
timezone = "Europe/Vienna"  # where I live

[control]
# fruits since March
stage = "flowering"
"""
PLANTS = [{"name": "Rosa", "variety": "Sungold", "pot_l": 11.0, "probe": 1}, {"name": "Blanca", "pot_l": 9.0}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / FILE
    made.write_text(FILE_TEXT)
    return made


def test_a_change_touches_its_keys_alone(path: Path) -> None:
    change = plan_change(path, {"site.timezone": "Europe/Berlin", "control.stage": "fruiting", "tent.plants": PLANTS})
    assert path.read_text() == FILE_TEXT, "planning writes nothing"
    backup = write_change(change)
    text = path.read_text()
    for kept in ("# my tent\n", 'timezone = "Europe/Berlin"  # where I live\n', "# fruits since March\n"):
        assert kept in text
    assert backup is not None and backup.read_text() == FILE_TEXT
    assert '-stage = "flowering"' in change.diff and '+stage = "fruiting"' in change.diff
    settings = load_settings(path)
    assert settings.control.stage == "fruiting" and settings.tent.plants[1].name == "Blanca"
    assert settings.control.soil_ml_per_pct == 200.0, "10 ml for each litre of both pots"
    write_change(plan_change(path, {"control.stage": None, "tent.plants": []}))
    assert load_settings(path).control.stage == "vegetative" and load_settings(path).tent.plants == ()


def test_a_new_file_is_the_owners_alone_and_a_mode_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / FILE
    assert default_file(path.parent) is None
    assert write_change(plan_change(path, {"control.stages.fruiting.vpd_day_kpa": [0.8, 1.3]})) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and default_file(path.parent) == path
    path.chmod(0o640)
    write_change(plan_change(path, {"site.latitude_deg": 47.0}))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"site.latitude_deg": 152.5, "site.longitude_deg": 10.0}, ["site.latitude_deg"]),
        ({"control.stages.flowering.temp_day_c": [20.0, 39.0]}, ["control.stages.flowering.temp_day_c"]),
        ({"control.stages.fruiting.vpd_day_kpa": [1.3, 0.8]}, ["control.stages.fruiting.vpd_day_kpa"]),
        ({"tent.plants": [{"name": ""}]}, ["tent.plants"]),
        ({"notify.quiet_from": "22:00"}, ["notify.quiet_from"]),
        ({"control.stage": "sleeping"}, ["control.stage"]),
    ],
)
def test_what_the_loader_refuses_is_not_written_and_named(path: Path, changes: dict, keys: list[str]) -> None:  # type: ignore[type-arg]
    with pytest.raises(TomatoError) as raised:
        plan_change(path, changes)
    assert raised.value.code == "E-CONFIG-INVALID" and path.read_text() == FILE_TEXT
    assert named_keys(raised.value.message, changes) == keys
    tables: dict[str, dict] = {"site": {"timezone": "Europe/Vienna"}, "control": {"stage": "flowering"}}  # type: ignore[type-arg]
    for key, value in changes.items():
        *names, last = key.split(".")
        inside = tables
        for name in names:
            inside = inside.setdefault(name, {})
        inside[last] = value
    with pytest.raises(TomatoError) as from_loader:
        parse_settings(tables, str(path))
    assert from_loader.value.message == raised.value.message, "the loader's own words"


def test_a_file_that_changed_meanwhile_is_not_overwritten(path: Path) -> None:
    seen = hash_of_text(FILE_TEXT)
    path.write_text(FILE_TEXT.replace("Vienna", "Rome"))
    with pytest.raises(TomatoError, match="somebody else") as raised:
        plan_change(path, {"site.latitude_deg": 41.9}, seen)
    assert raised.value.code == "E-CONFIG-CHANGED" and "Rome" in path.read_text()


@pytest.mark.skipif(os.name != "posix", reason="rename over a directory")
def test_a_file_that_cannot_be_written_stays(path: Path) -> None:
    change = plan_change(path, {"site.latitude_deg": 41.9})
    (path.parent / f".{FILE}.part").mkdir()  # the temporary file's name is taken by a directory
    with pytest.raises(TomatoError) as raised:
        write_change(change)
    assert raised.value.code == "E-CONFIG-UNWRITABLE" and path.read_text() == FILE_TEXT


def test_the_former_file_comes_back(path: Path) -> None:
    write_change(plan_change(path, {"site.latitude_deg": 41.9}))
    assert restore_backup(path) and path.read_text() == FILE_TEXT


def test_a_file_that_was_new_is_gone_again(tmp_path: Path) -> None:
    write_change(plan_change(tmp_path / FILE, {"site.latitude_deg": 41.9}))
    assert restore_backup(tmp_path / FILE) and not (tmp_path / FILE).exists()
    assert not restore_backup(tmp_path / FILE), "nothing to go back to"


def test_an_old_name_of_a_key_gives_way(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text('[estimator]\ntimezone = "Europe/Rome"\n')
    write_change(plan_change(path, {"site.timezone": "Europe/Paris"}))
    assert "Rome" not in path.read_text() and load_settings(path).site.timezone == "Europe/Paris"


def test_own_targets_replace_the_row_of_their_stage_alone() -> None:
    own = {"temp_day_c": [21.0, 25.0], "soil_moisture_pct": [31.0, 41.0, 49.0], "photoperiod_h": 13.0}
    control = ControlSettings.model_validate({"stages": {"fruiting": own}})
    row = stage_row(control, "fruiting")
    assert row.temp_day_c == (21.0, 25.0) and row.photoperiod_h == 13.0
    assert (row.soil_low_pct, row.soil_target_pct, row.soil_high_pct) == (31.0, 41.0, 49.0)
    assert row.vpd_day == STAGES["fruiting"].vpd_day and row.dose_ml == STAGES["fruiting"].dose_ml
    assert stage_row(control, "seedling") is STAGES["seedling"]


def test_the_command_changes_and_says_what(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--data-dir", str(path.parent)]

    def run(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["settings", *words, *place])
        return int(ended.value.code or 0)

    assert run("set", "control.stage=fruiting", "site.latitude_deg=47.4", "--dry-run") == 0
    assert '+stage = "fruiting"' in capsys.readouterr().out and path.read_text() == FILE_TEXT
    assert run("set", "control.stage=fruiting", "--unset", "site.timezone") == 0
    assert load_settings(path).control.stage == "fruiting" and "timezone" not in path.read_text()
    assert run("set", "site.latitude_deg=99", "--json") == 2
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["code"] == "E-CONFIG-INVALID" and told["keys"] == ["site.latitude_deg"]
    assert run("set", "nonsense") == 2 and run("check") == 0
    capsys.readouterr()
    assert run("show", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["values"]["control"]["stage"] == "fruiting" and shown["sha256"] == hash_of_text(path.read_text())
