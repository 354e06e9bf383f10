"""Labelled fault campaigns: a small one on every run of the tests, the full one under `make soak`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tools.campaign_score import STUCK_WITHIN_S, Outcome, campaign, play
from tools.fault_campaign import HEALTHY_DAYS_BEFORE_DRIFT, SENSORS, fault_free, faulty, records

TOOLS = Path(__file__).resolve().parents[2] / "tools"
WITHOUT_A_COMPANION = "rh_pct"
"""A hygrometer stands alone: 2 % a day is less than the weather changes it."""


def test_generator_shares_nothing_with_the_detector() -> None:
    tree = ast.parse((TOOLS / "fault_campaign.py").read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert not [m for m in modules if m.startswith("tomato_host")]


def test_campaign_is_a_pure_function_of_its_seed() -> None:
    first, again, other = faulty("jump", 3, 600.0), faulty("jump", 3, 600.0), faulty("jump", 11, 600.0)
    lines = [[o.to_json() for o, _ in records(run)] for run in (first, again, other)]
    assert lines[0] == lines[1] != lines[2]
    assert first.label == again.label
    assert first.label is not None and first.label.sensor == SENSORS[3]


@pytest.mark.parametrize("seed", range(len(SENSORS)))
@pytest.mark.parametrize("kind", ["jump", "out_of_range", "disconnect"])
def test_sudden_fault_is_found_by_the_next_state_record(kind: str, seed: int) -> None:
    outcome = play(faulty(kind, seed + 40, 30.0))
    assert outcome.delay_s is not None
    assert outcome.delay_s <= max(outcome.until_next_record_s, 90.0), outcome
    assert outcome.false_alarms == ()


@pytest.mark.parametrize("seed", range(len(SENSORS)))
def test_stuck_sensor_is_found_within_90_minutes(seed: int) -> None:
    outcome = play(faulty("stuck", seed + 40, 30.0))
    assert outcome.delay_s is not None and outcome.delay_s <= STUCK_WITHIN_S, outcome
    assert outcome.false_alarms == ()


@pytest.mark.parametrize("seed", [s for s, name in enumerate(SENSORS) if name != WITHOUT_A_COMPANION])
def test_drift_is_found_in_days_never_before_it_begins(seed: int) -> None:
    outcome = play(faulty("drift", seed + 40, 300.0))
    assert outcome.days > HEALTHY_DAYS_BEFORE_DRIFT
    assert outcome.delay_s is not None and 0.5 < outcome.delay_s / 86_400.0 <= 3.6, outcome


def test_healthy_tent_is_left_in_peace() -> None:
    outcomes: list[Outcome] = [play(fault_free(seed, 6, 120.0)) for seed in range(4)]
    alarms = [alarm for o in outcomes for alarm in o.false_alarms]
    sensor_days = sum(o.days for o in outcomes) * len(SENSORS)
    assert len(alarms) <= 0.01 * sensor_days + 1, alarms


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_full_campaign_meets_the_aims() -> None:
    figures = campaign(runs_per_kind=200, drift_runs=80, fault_free_days=250)
    for kind in ("jump", "out_of_range", "disconnect"):
        assert figures[kind]["found_by_next_state_record"] >= 0.95, kind
    assert figures["stuck"]["found_within_90_min"] >= 0.95
    companioned = [figures["drift"][f"found_within_3_days_{s}"] for s in SENSORS if s != WITHOUT_A_COMPANION]
    assert sum(companioned) / len(companioned) >= 0.95
    assert figures["fault_free"]["false_alarms_per_100_sensor_days"] <= 1.0
