"""The learning loop's alerts in a real rule engine: each fires, each clears, a quiet week is silent; the board."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from tomato_host.learn.observability.metrics import LearnMetrics

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [notify]")
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not here (apt install prometheus)"
)
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "learn.rules.yml"
RUNBOOK = (DEPLOY.parent / "docs" / "learning_runbook.md").read_text(encoding="utf-8")

CASES: dict[str, tuple[dict[str, str], str, str]] = {
    # series, minute at which the alert fires, minute at which it has cleared again
    "training_latency_high": ({"tomato_learn_boundary_over_in_a_row": "0x9 3x20 0x300"}, "20m", "60m"),
    "kasmina_isolation_violation": (
        {'tomato_learn_isolation_violations_total{slot="a.0"}': "0x10 1 2 3 3x400"}, "14m", "60m",
    ),
    "oona_queue_depth": ({'tomato_learn_bus_depth{stream="s"}': "100x9 5000x20 100x300"}, "20m", "60m"),
    "tezzeret_compile_retry_high": ({"tomato_learn_compile_retries": "0x9 2x20 0x300"}, "20m", "60m"),
    "learn_policy_validation_failed": (
        {'tomato_learn_validations_total{result="failed"}': "0x10 1x2000"}, "20m", "1700m",
    ),
    "learn_policy_collapsed": (
        {"tomato_learn_policy_entropy": "0.5x9 0.001x20 0.5x300", "tomato_learn_policy_version": "3x400"}, "25m", "60m",
    ),
    "learn_policy_timeout": ({"tomato_learn_policy_timeouts_total": "0x10 1x300"}, "20m", "120m"),
    "learn_error_budget_burn": (
        {'tomato_learn_epochs_total{good="false"}': "0x10 1x2000", 'tomato_learn_epochs_total{good="true"}': "0x2020"},
        "20m", "1700m",
    ),
}  # fmt: skip
QUIET = {
    "tomato_learn_boundary_over_in_a_row": "0x170 1 0x1000",
    'tomato_learn_isolation_violations_total{slot="a.0"}': "0x100 1x1000",
    'tomato_learn_bus_depth{stream="s"}': "100x1100",
    "tomato_learn_compile_retries": "0x100 1 0x1000",
    "tomato_learn_policy_entropy": "0.5x1100",
    "tomato_learn_policy_version": "1x1100",
    "tomato_learn_policy_timeouts_total": "0x1100",
    'tomato_learn_epochs_total{good="true"}': "0+0.01x1100",
    'tomato_learn_epochs_total{good="false"}': "0x1100",
    'tomato_learn_validations_total{result="failed"}': "0x1100",
}


def alerts() -> dict[str, Any]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def run(folder: Path, tests: list[dict[str, Any]]) -> None:
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]


def named(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f'{name}{{{labels + "," if labels else ""}job="tomato-learn",instance="a"}}'


def firing(alert: str, at: str, expected: int) -> dict[str, Any]:
    samples = [{"labels": "{}", "value": expected}] if expected else []
    return {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": at, "exp_samples": samples,
    }  # fmt: skip


def test_the_four_of_the_requirement_are_there_and_each_has_a_case_a_route_and_a_page() -> None:
    assert {
        "training_latency_high", "kasmina_isolation_violation", "oona_queue_depth", "tezzeret_compile_retry_high",
    } <= set(alerts()) == set(CASES)  # fmt: skip
    for name, rule in alerts().items():
        assert rule["labels"]["route"] == "learn" and f"### {name}" in RUNBOOK, name


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_each_alert_is_silent_before_fires_and_clears(tmp_path: Path, alert: str) -> None:
    series, fires, clear = CASES[alert]
    given = [{"series": named(name), "values": values} for name, values in series.items()]
    expected = [firing(alert, "5m", 0), firing(alert, fires, 1), firing(alert, clear, 0)]
    run(tmp_path, [{"interval": "1m", "input_series": given, "promql_expr_test": expected}])


@needs_promtool
def test_three_violations_before_the_first_scrape_are_three(tmp_path: Path) -> None:
    """A slot's counter appears with its first violations; there is no zero before them to rise from."""
    series = named('tomato_learn_isolation_violations_total{slot="a.0"}')
    given = [{"series": series, "values": "_x10 3x300"}]
    expected = [firing("kasmina_isolation_violation", at, n) for at, n in (("9m", 0), ("12m", 1), ("60m", 0))]
    run(tmp_path, [{"interval": "1m", "input_series": given, "promql_expr_test": expected}])


@needs_promtool
def test_a_quiet_week_is_silent(tmp_path: Path) -> None:
    given = [{"series": named(name), "values": values} for name, values in QUIET.items()]
    quiet = {"expr": 'count_over_time(ALERTS{alertstate="firing"}[7d])', "eval_time": "10000m", "exp_samples": []}
    run(tmp_path, [{"interval": "10m", "input_series": given, "promql_expr_test": [quiet]}])


def exported() -> set[str]:
    registry = CollectorRegistry()
    LearnMetrics(registry)
    found = set()
    for family in registry.collect():
        found |= {family.name} | {f"{family.name}{end}" for end in ("_total", "_bucket", "_count", "_sum")}
    return found


def test_rules_and_board_name_only_what_is_exported() -> None:
    board = (DEPLOY / "grafana" / "learn.json").read_text(encoding="utf-8")
    for text in (RULES.read_text(encoding="utf-8"), board):
        used = set(re.findall(r"tomato_learn_\w+", text))
        assert used and not used - exported(), used - exported()
    titles = {panel["title"] for panel in json.loads(board)["panels"]}
    assert {"Epoch boundary", "Graft", "Publish", "Error budget spent"} <= titles


def test_the_routes_and_the_stack_are_what_the_pages_say() -> None:
    routes = yaml.safe_load((DEPLOY / "learn" / "alertmanager.yml").read_text())
    receivers = {one["name"] for one in routes["receivers"]}
    assert {"chat", "mail"} <= receivers and {one["receiver"] for one in routes["route"]["routes"]} <= receivers
    stack = yaml.safe_load((DEPLOY / "learn" / "compose.yml").read_text())["services"]
    assert set(stack) == {"redis", "prometheus", "alertmanager", "elasticsearch", "grafana"}
    assert all(port.startswith("127.0.0.1:") for one in stack.values() for port in one["ports"]), "loopback only"
    assert all("healthcheck" in stack[name] for name in ("redis", "prometheus", "alertmanager", "elasticsearch"))


@needs_promtool
def test_promtool_reads_the_rules_and_the_configuration() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, timeout=60, capture_output=True)
