"""Datasets of earlier versions still load, verify, replay and are explained."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from tomato_host.app import brain_settings
from tomato_host.cli.main import main
from tomato_host.cli.recorded_settings import dataset_settings, dataset_zone
from tomato_host.replay.check import Checker
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from shared_schemas.records import EventV1
from tests.replay.golden_dataset import unpack

BOOKS = {"books_drawn": 82, "books_settled": 74, "books_given_back": 8, "books_released": 32}
"""Ledger events of the recording, under their names of 0.1."""

SMOOTHED = {
    "soil_pct": 0.003,
    "air_temp_c": 0.03,
    "rh_pct": 0.3,
    "vpd_kpa": 0.01,
    "leaf_vpd_kpa": 0.015,
    "stress_risk": 0.005,
}
"""How far the forecast of the recording may differ from the recorded one, by quantity, in its unit."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("golden"))


def test_it_loads_and_verifies(recording: Path) -> None:
    assert verify(recording).ok
    names = Counter(record.name for record in read_records(recording, {"events"}) if isinstance(record, EventV1))
    assert {name: names[name] for name in BOOKS} == BOOKS


def test_its_decisions_repeat(recording: Path) -> None:
    """Lamp and humidifier are clipped by what their day budgets have left, so every ledger event must be repeated.

    One field differs for a reason that is no rename: 0.1 had two CO2 budgets, 300 s in [control] and 600 s in
    [guardrails], and showed the larger in the state; the one budget of today is the smaller, which ruled. Sentences
    that are worded anew have a row each in REWORDED. And what our own fans and mist do to the air is no
    RAPID_CHANGE any more: two became one, with the sampling plans that follow from it. The forecast's intervals of VPD
    are one-sided at their limit of 0, and an hour of the week's mean became the median of smoothed hours: after a few
    hours of log all other differences are within SMOOTHED.
    """
    result = Checker(brain_settings(dataset_settings(recording, None)), max_differences=1_000).check(
        read_records(recording)
    )
    forecast = [d for d in result.differences if d.kind == "prediction_36h_v1"]
    upper = {"vpd_kpa.p90", "leaf_vpd_kpa.p90"}
    moved = [d for d in forecast if d.field.split(".", 1)[1] not in upper]
    assert len(moved) < len(forecast) and {d.field.split(".")[1] for d in moved} == SMOOTHED.keys()
    assert all(abs(d.recorded - d.today) <= SMOOTHED[d.field.split(".")[1]] for d in moved)
    result.differences = [d for d in result.differences if d.kind != "prediction_36h_v1"]
    co2 = ("state_v1", "budgets.co2_seconds_budget_today", 600.0, 300.0)
    anomalies = [d for d in result.differences if d.kind in ("anomaly_v1", "sampling_plan_v1")]
    assert all("RAPID_CHANGE" in f"{d.recorded}{d.today}" for d in anomalies if d.kind == "anomaly_v1" and not d.field)
    assert {d.field for d in anomalies if d.kind == "anomaly_v1"} == {"", "id", "signals.vpd_change_15min_kpa"}
    found = {(d.kind, d.field, d.recorded, d.today) for d in result.differences if d not in anomalies}
    assert {one for one in found if one[0] == "state_v1"} == {co2}
    used = set()
    for _kind, field, recorded, today in (one for one in found if one[0] != "state_v1"):
        if field == "safety.checks[0].unit":
            assert (recorded, today) == ("", "s"), "a field of today"
        elif field == "safety.checks[0].again_ts":
            assert recorded is None and today is not None, "a field of today"
        else:
            used |= rows_between(recorded, today)
    assert used == set(range(len(REWORDED))), "each row is needed"
    assert (
        result.differing
        == {
            "state_v1": 33,
            "action_v1": 22,
            "plan_v1": 9,
            "prediction_36h_v1": 7,
            "anomaly_v1": 5,
            "sampling_plan_v1": 4,
        }
        and not result.more_differences
    )
    assert result.compared["action_v1"] == 36 and result.compared["plan_v1"] == 9 and result.compared["state_v1"] == 33


MEAN = r"VPD \1 kPa \(mean of \d+ (?:min|s)\)"
REWORDED = (
    (r"VPD ([\d.]+) kPa is too high", MEAN + r" is above (0\.95|1\.20)"),
    (r"VPD ([\d.]+) kPa: less air out", MEAN + r" is above 1\.2: less air out"),
    (r"VPD ([\d.]+) kPa is in its band", MEAN + r" is not above 1\.20"),
    (r"as before: the air is right", r"as before: VPD 1\.08 kPa \(mean of \d+ (?:min|s)\) is in 0\.7-1\.2"),
    (r"fresh air", r"a little fresh air"),
    (r"the exhaust is on", r"the exhaust is to run in this cycle"),
    (r"the lamp is not on yet: gas feeds nobody in the dark", r"the lamp was off at 0(5:33|2:00): no CO2 in the dark"),
    (r"([\d.]+ degC is too warm)", r"\1 \(above 27 degC\)"),
    (r"only in light hours and in mode NORMAL", r"only in (light hours|mode NORMAL, not in (CAUTION|SAFE))"),
    (r"((?:water_pump: )?P\d at [\d.]+ % is moist enough)", r"\1 \(from 30 % on\)"),
    (r"((?:heater_mat: )?soil at [\d.]+ degC is warm enough)", r"\1 \(from 18 degC on\)"),
    (r"(\d+ ppm is below 800)", r"\1 ppm"),
    (r"left of the day's budget", r"asked for \d+ s, \d+ s left of the day's (2000|10000) s(; possible again at .*)?"),
)
"""Sentences of 0.1 and of today, in one row each."""


def rows_between(recorded: str, today: str) -> set[int]:
    """The rows by which a recorded text becomes that of today, sentence by sentence."""
    if "; possible again" in today:
        pairs = [(recorded, today)]
    else:
        pairs = list(zip(recorded.split("; "), today.split("; "), strict=True))
    rows = set()
    for old, new in pairs:
        old, new = re.sub(r"^(humidifier|co2_solenoid): ", "", old), re.sub(r"^(humidifier|co2_solenoid): ", "", new)
        if old == new:
            continue
        for number, (before, after) in enumerate(REWORDED):
            match = re.fullmatch(before, old)
            value = re.escape(match[1]) if match and match.groups() else ""
            if match and re.fullmatch(after.replace(r"\1", value), new):
                rows.add(number)
                break
        else:
            raise AssertionError(f"no row explains {old!r} -> {new!r}")
    return rows


def test_without_its_ledger_events_they_do_not(recording: Path) -> None:
    """The test above would notice if the old names were not read any more."""
    records = [r for r in read_records(recording) if not (isinstance(r, EventV1) and r.name in BOOKS)]
    result = Checker(brain_settings(dataset_settings(recording, None))).check(records)
    assert result.differing["action_v1"] > 5, "lamp and humidifier get more than their budgets had left"


def test_a_plan_of_02_00_in_new_york_is_explained_as_02_00(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The zone is the recording's, for the time that is asked for and for the times that are shown."""
    assert dataset_zone(recording).key == "America/New_York"
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--data-dir", str(recording), "--at", "2026-05-01T02:10"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and shown.startswith("Fri 01 May 2026 02:0"), shown.splitlines()[0]


def test_a_span_to_replay_is_local_time_of_the_recording(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(recording), "--from", "2026-05-01T02:00", "--to", "2026-05-01T02:30", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0 and result["observations"] > 0
    assert result["from"].startswith("2026-05-01T02:0") and result["from"].endswith("-04:00"), result["from"]
