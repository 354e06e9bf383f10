"""The runbook has a line for every fault, alarm and anomaly there is, and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tomato_host.cli.main import COMMANDS
from tomato_host.sources.scenarios import FAULTS as SCENARIOS
from tomato_host.sources.scenarios import Scenario

from shared_schemas.records.anomaly_v1 import AnomalyType
from shared_schemas.wire import FAULTS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_has_a_drill(name: str) -> None:
    assert f"| `--scenario {name}` |" in TEXT


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_every_fault_of_the_board_has_a_way_back(name: str) -> None:
    assert re.search(rf"`{name}`|clear-fault {name}`", TEXT)


@pytest.mark.parametrize("name", [kind.value for kind in AnomalyType])
def test_every_anomaly_is_met(name: str) -> None:
    assert re.search(rf"\b{name}\b", TEXT)


def test_every_scenario_written_there_can_be_run() -> None:
    found = re.findall(r"--scenario ([\w@+.,]+)", TEXT)
    assert len(found) > len(SCENARIOS)
    for text in found:
        assert Scenario.parse(text).occurrences


def test_every_command_written_there_exists() -> None:
    known = {command.name for command in COMMANDS}
    used = set(re.findall(r"tomato-host ([a-z][a-z-]+)", TEXT)) - {"start"}
    assert used <= known, used - known
    assert {"backup", "restore", "install-service", "clear-fault", "board"} <= used


SECTION = TEXT.split("## What growers complain of elsewhere", 1)[1].split("\n## ", 1)[0]
COMPLAINTS = [line for line in SECTION.splitlines() if line.startswith("| ") and not line.startswith("| complaint")]


def test_every_complaint_names_its_proof_and_every_proof_is_there() -> None:
    assert len(COMPLAINTS) >= 16
    named = set()
    for line in COMPLAINTS:
        found = re.findall(r"`((?:tests/\w+/)?test_\w+\.py)`", line)
        assert found, line
        named |= {name if "/" in name else f"tests/incidents/{name}" for name in found}
    for name in named:
        assert "def test_" in (ROOT / name).read_text(encoding="utf-8"), name
    there = {f"tests/incidents/{path.name}" for path in (ROOT / "tests" / "complaints").glob("test_*.py")}
    assert there <= named, there - named
