"""Every row of the runbook is drilled, and what the phone gets by the default rules is all of what the drill says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared_schemas.records import AnomalyV1, EventV1
from tests.incidents.provoked import phone
from tests.incidents.runbook_rows import ALARMS, RING, SCENARIOS, RowDrill

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
MINUTE_S = 60.0
DRILLS = [(name, row) for name, row in SCENARIOS.items()]
DRILLS += [(name, row) for name, rows in ALARMS.items() for row in rows]
DRILLS += [(f"ring {name}", row) for name, row in RING.items()]


def rows(heading: str, column: int = 0) -> list[str]:
    """Cells of one column of the table below a heading."""
    section = TEXT.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    return [line.strip("| ").split(" | ")[column].strip() for line in lines]


def scenario_of(cell: str) -> str:
    return cell.split("`")[1]


def test_a_row_without_a_drill_fails_and_so_does_a_drill_without_a_row() -> None:
    assert [scenario_of(cell) for cell in rows("Drills by scenario", 1)] == list(SCENARIOS)
    assert sorted(rows("Alarms that no scenario makes")) == sorted(ALARMS)
    listed = [name for cell in rows("What the board reports") for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(listed) == sorted(RING)
    firsts = [cell.split("`")[1].split()[1] for cell in rows("Drills by scenario")]
    for name, cell in zip(firsts, rows("Drills by scenario", 1), strict=True):
        assert f"{name}@" in cell, "the row runs its own fault"


def run(row: RowDrill, where: Path) -> None:
    reported = row.provoke(where)
    got = [(message.level, message.text) for message in phone(reported)]
    assert len(got) == len(row.phone), got
    for (level, text), (wanted, beginning) in zip(got, row.phone, strict=True):
        assert (level, text[: len(beginning)]) == (wanted, beginning)
        assert level != "ALARM" or " Next: " not in text or "`" not in text.split(" Next: ")[0], "one next step"
    assert bool(row.phone) != bool(row.silent), "what sends nothing has its reason"
    names = {r.type.value for _, r in reported if isinstance(r, AnomalyV1)}
    names |= {r.name for _, r in reported if isinstance(r, EventV1)}
    assert set(row.records) <= names, names


@pytest.mark.soak
@pytest.mark.parametrize(("name", "row"), DRILLS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(DRILLS)])
def test_the_drill_brings_these_messages_and_no_other(name: str, row: RowDrill, tmp_path: Path) -> None:
    run(row, tmp_path)


QUICK = ("leak@0", "reservoir_empty@0", "`overrun`", "`records_lost`, `records_not_stored`", "`weather_lost`")


@pytest.mark.parametrize("name", QUICK)
def test_drills_that_cost_a_second(name: str, tmp_path: Path) -> None:
    for number, row in enumerate([SCENARIOS[name]] if name in SCENARIOS else ALARMS[name]):
        place = tmp_path / str(number)
        place.mkdir()
        run(row, place)


FAST = [match for cell in rows("Drills by scenario", 1) if (match := re.match(r"`(\S+)`, fast ([\d.]+) h$", cell))]


def test_each_row_is_fast_or_says_what_is_asked_for_by_hand() -> None:
    by_hand = [cell for cell in rows("Drills by scenario", 1) if cell.endswith("`, then `water 200`")]
    assert len(FAST) + len(by_hand) == len(SCENARIOS)


@pytest.mark.soak
@pytest.mark.parametrize("match", FAST, ids=lambda match: match[1])
def test_a_fast_drill_shows_what_it_is_about_within_a_minute(match: re.Match[str], tmp_path: Path) -> None:
    """As printed, by the command line; the alarm of the row stands in the records, and `explain` can be asked."""
    scenario, hours = match.groups()
    program = [sys.executable, "-m", "tomato_host"]
    command = ["run", "--board", "sim", "--data-dir", str(tmp_path), "--time-scale", "0", "--seed", "7"]
    began = time.monotonic()
    run = [*program, *command, "--duration-hours", hours, "--scenario", scenario]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True, timeout=300)
    assert time.monotonic() - began < MINUTE_S
    seen = {name for stream in ("events", "anomalies") for name in names_in(tmp_path, stream)}
    row = TEXT.split(f"| `{scenario}`, fast", 1)[1].splitlines()[0].split(" | ")[1]
    expected = set(re.findall(r"\b[A-Z][A-Z_]+[A-Z]\b|`(?:\w+)`", row)) - {
        "ALARM",
        "WARNING",
        "INFO",
        "SAFE",
        "CAUTION",
    }
    assert {word.strip("`") for word in expected} & seen, (expected, seen)


def names_in(data: Path, stream: str) -> set[str]:
    found = set()
    for path in (data / "private").glob(f"{stream}_*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)["record"]
            found.add(str(record.get("name") or record.get("type")))
            if str(record.get("name")) in ("fault", "state"):  # by the fault's name, by the board's new state
                found |= set(re.findall(r"Fault (\w+) | to (\w+)\.", record["text"])[0])
    return found
