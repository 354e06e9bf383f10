"""The release gate: a simulated day is complete, valid, readable, and the same twice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tomato_host.loop.simulated_day import DayPlan, DayResult, SimulatedDay
from tomato_host.storage.chain import parse_line
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from shared_schemas.records import RECORDS, StateV1, parse_record

START = datetime(2026, 2, 14, 0, 0, tzinfo=ZoneInfo("Europe/Vienna"))
SCENARIOS = ("normal", "heatwave", "probe_disconnect", "board_lost")


def simulate(folder: Path, scenario: str = "normal", seed: int = 7) -> DayResult:
    return SimulatedDay(DayPlan(START, seed=seed, scenario=scenario), folder).run()


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DayResult]:
    return {name: simulate(tmp_path_factory.mktemp(name), name) for name in SCENARIOS}


def test_24h_simclock_run_produces_expected_state_count(days: dict[str, DayResult]) -> None:
    grid = [START + timedelta(minutes=30 * n) for n in range(48)]
    for name, result in days.items():
        states = [r for r in read_records(result.dataset, {"states"}) if isinstance(r, StateV1)]
        assert (result.cycles, result.base_states, result.observations) == (12, 48, 1_440)
        assert len(states) == result.states == len({state.ts for state in states})
        # Every half hour has its state; what comes on top says why.
        assert set(grid) <= {state.ts for state in states}
        extra = [state for state in states if state.ts not in grid]
        assert all(state.reason for state in extra)
        assert (len(extra) == 0) == (name == "normal")
        counts = Counter(record.model_dump()["schema_version"] for record in read_records(result.dataset))
        assert counts["sensor_health_v1"] == counts["sampling_plan_v1"] == 12
        assert counts["observation_v1"] == 1_440


def test_24h_run_has_no_unhandled_exceptions(tmp_path: Path) -> None:
    from tomato_host.sources.synthetic_faults import SYNTHETIC_FAULTS as every

    for scenario in every:
        result = simulate(tmp_path / scenario, scenario, seed=5)
        assert result.observations == 1_440 and not result.stopped_early, scenario


def test_24h_run_outputs_validate_against_contracts(days: dict[str, DayResult]) -> None:
    for result in days.values():
        count = 0
        for path in sorted((result.dataset / "private").glob("*.jsonl")):
            for line in path.read_bytes().splitlines():
                payload = parse_line(line).payload
                record = parse_record(payload)
                assert record.to_json().encode() == payload
                assert type(record) is RECORDS[json.loads(payload)["schema_version"]]
                count += 1
        checked = verify(result.dataset)
        assert checked.ok and checked.records == count > 1_500


def test_24h_run_is_deterministic_with_fixed_seed(tmp_path: Path) -> None:
    def content(folder: str, seed: int) -> dict[str, bytes]:
        root = simulate(tmp_path / folder, "heatwave", seed).dataset
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    first, second, other = content("one", 7), content("two", 7), content("three", 8)
    assert first == second
    assert first.keys() == other.keys()
    assert first["private/states_2026-02.jsonl"] != other["private/states_2026-02.jsonl"]


def test_24h_run_jsonl_files_are_readable(days: dict[str, DayResult]) -> None:
    for result in days.values():
        files = sorted((result.dataset / "private").glob("*.jsonl"))
        assert {path.name for path in files} >= {"states_2026-02.jsonl", "sensors_raw_2026-02.jsonl"}
        for path in files:
            text = path.read_text(encoding="utf-8")
            assert text.endswith("}\n") and "\r" not in text
            for line in text.splitlines():
                assert isinstance(json.loads(line)["record"], dict)
