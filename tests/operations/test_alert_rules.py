"""Each alert rule in a real rule engine (`promtool test rules`): two tents, one in trouble; and a week without any.

A case gives the series that differ from a quiet tent. The alert must fire for tent A, by name, and never for tent B,
whose series are quiet. Series that a case sets to None vanish, as they do when a value is not known.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [notify]")
pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here (apt install prometheus)")
RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "tomato.rules.yml"

STEP_S = 300
STEPS = 13 * 3600 // STEP_S
WEEK_STEPS = 7 * 24 * 3600 // STEP_S
END = f"{(STEPS - 1) * STEP_S // 60}m"

QUIET: dict[str, str] = {
    "up": "1",
    'tomato_build_info{version="1",firmware="1"}': "1",
    "tomato_feed_up": "1",
    "tomato_link_up": "1",
    'tomato_mode{mode="NORMAL"}': "1",
    'tomato_mode{mode="SAFE"}': "0",
    "tomato_air_temperature_celsius": "24",
    'tomato_soil_water_content_ratio{plant="P1"}': "0.3",
    'tomato_sensor_last_reading_timestamp_seconds{sensor="air_temp_c"}': "age 10",
    "tomato_water_budget_left_liters": "1.5",
    "tomato_last_decision_timestamp_seconds": "age 900",
    "tomato_estimate_age_seconds": "8",
    "tomato_state_confidence_ratio": "0.9",
    "tomato_plan_duration_seconds": "0.2",
    "tomato_disk_free_bytes": "5e10",
    "tomato_disk_over_budget": "0",
    'tomato_feed_dropped_total{feed="mqtt",rank="alarm"}': "0",
    'tomato_feed_restarts_total{feed="mqtt"}': "0",
    "tomato_bus_up": "1",
    "tomato_mqtt_up": "1",
    'tomato_plug_latched{output="light"}': "0",
    'tomato_intents_total{agent="api",code="accepted"}': "rise 3",
    'tomato_intents_total{agent="api",code="QUOTA_EXCEEDED"}': "rise 1",
    'tomato_intents_total{agent="api",code="UNAVAILABLE"}': "0",
    'tomato_world_stage_seconds_bucket{stage="latency",le="0.01"}': "rise 3",
    'tomato_world_stage_seconds_bucket{stage="latency",le="+Inf"}': "rise 3",
    'tomato_world_stage_seconds_bucket{stage="lease",le="0.01"}': "rise 125",
    'tomato_world_stage_seconds_bucket{stage="lease",le="+Inf"}': "rise 125",
}

CASES: dict[str, tuple[dict[str, str | None], dict[str, str]]] = {
    "TomatoHostGone": ({**dict.fromkeys(QUIET), "up": "0"}, {}),
    "TomatoLoopStopped": ({"tomato_feed_up": "0"}, {}),
    "TomatoBoardSilent": ({"tomato_link_up": "0"}, {}),
    "TomatoFaultLatched": ({'tomato_interlock_active{rule="leak"}': "1"}, {"rule": "leak"}),
    "TomatoSevereAnomaly": (
        {'tomato_anomaly_open{type="LEAK",subject="floor",severity="CRITICAL"}': "1"},
        {"type": "LEAK", "subject": "floor", "severity": "critical"},
    ),
    "TomatoAnomalyLasts": (
        {'tomato_anomaly_open{type="VPD_LOW",subject="",severity="LOW"}': "1"},
        {"type": "VPD_LOW"},
    ),
    "TomatoSafeMode": ({'tomato_mode{mode="SAFE"}': "1", 'tomato_mode{mode="NORMAL"}': "0"}, {"mode": "SAFE"}),
    "TomatoAirHot": ({"tomato_air_temperature_celsius": "36"}, {}),
    "TomatoAirCold": ({"tomato_air_temperature_celsius": "8"}, {}),
    "TomatoSoilDry": ({'tomato_soil_water_content_ratio{plant="P1"}': "0.1"}, {"plant": "P1"}),
    # The sensor has dropped out: its value has vanished, the moment of its last reading stands.
    "TomatoSensorStale": (
        {
            "tomato_air_temperature_celsius": None,
            'tomato_sensor_last_reading_timestamp_seconds{sensor="air_temp_c"}': "0",
        },
        {"sensor": "air_temp_c"},
    ),
    "TomatoWaterBudgetSpent": ({"tomato_water_budget_left_liters": "0"}, {}),
    "TomatoNoDecisions": ({"tomato_last_decision_timestamp_seconds": "0"}, {}),
    "TomatoLowConfidence": ({"tomato_state_confidence_ratio": "0.2"}, {}),
    "TomatoPlansSlow": ({"tomato_plan_duration_seconds": "25"}, {}),
    "TomatoDiskNearlyFull": ({"tomato_disk_free_bytes": "1e8"}, {}),
    "TomatoReadingsThinned": ({"tomato_disk_over_budget": "1"}, {}),
    "TomatoAlarmsDropped": (
        {'tomato_feed_dropped_total{feed="mqtt",rank="alarm"}': "rise 1"},
        {"feed": "mqtt", "rank": "alarm"},
    ),
    "TomatoEstimateStale": ({"tomato_estimate_age_seconds": "400"}, {}),
    "TomatoMqttDown": ({"tomato_mqtt_up": "0"}, {}),
    "TomatoPlugLatched": ({'tomato_plug_latched{output="light"}': "1"}, {"output": "light"}),
    "TomatoBusDown": ({"tomato_bus_up": "0"}, {}),
    "TomatoIntentsSlow": (
        {
            'tomato_world_stage_seconds_bucket{stage="latency",le="0.01"}': "rise 2",
            'tomato_world_stage_seconds_bucket{stage="latency",le="0.25"}': "rise 3",
        },
        {"stage": "latency"},
    ),
    "TomatoLeaseLate": (
        {
            'tomato_world_stage_seconds_bucket{stage="lease",le="0.01"}': "rise 100",
            'tomato_world_stage_seconds_bucket{stage="lease",le="0.1"}': "rise 125",
        },
        {"stage": "lease"},
    ),
    # Quiet until ten minutes ago, then a flood of refusals.
    "TomatoIntentErrors": (
        {'tomato_intents_total{agent="api",code="QUOTA_EXCEEDED"}': "spike 60"},
        {"agent": "api"},
    ),
    "TomatoIntentsUnavailable": (
        {'tomato_intents_total{agent="api",code="UNAVAILABLE"}': "rise 5"},
        {"agent": "api", "code": "UNAVAILABLE"},
    ),
    "TomatoProcessRestarts": ({'tomato_feed_restarts_total{feed="mqtt"}': "rise 1"}, {"feed": "mqtt"}),
}


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def named(series: str, tent: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    more = f"{labels}," if labels else ""
    return f'{name}{{{more}job="tomato",instance="{tent}"}}'


def values(text: str, steps: int, step_s: int) -> str:
    kind, _, amount = text.partition(" ")
    if kind == "age":
        return f"-{amount}+{step_s}x{steps}"
    if kind == "spike":  # in the last ten minutes
        return f"0x{steps - 3} {amount} {2 * int(amount)} {3 * int(amount)}"
    if kind == "rise":
        return f"0+{amount}x{steps}"
    return f"{text}x{steps}"


def series(tent: str, changes: dict[str, str | None], steps: int, step_s: int) -> list[dict[str, str]]:
    wanted = {**QUIET, **changes}
    return [
        {"series": named(name, tent), "values": values(text, steps, step_s)}
        for name, text in wanted.items()
        if text is not None
    ]


def run(folder: Path, tests: list[dict[str, Any]]) -> None:
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": tests}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4_000:]


def test_each_rule_has_a_case() -> None:
    assert set(alerts()) - set(CASES) == {"TomatoNotScraped"}, "that one has no tent"


def test_each_rule_fires_for_the_tent_in_trouble_and_not_for_the_other(tmp_path: Path) -> None:
    tests = []
    for alert, (changes, labels) in CASES.items():
        rule = alerts()[alert]
        expected = {"alertname": alert, "job": "tomato", "instance": "a", **labels, **rule["labels"]}
        selector = ",".join(f'{name}="{value}"' for name, value in expected.items())
        given = series("a", changes, STEPS, STEP_S) + series("b", {}, STEPS, STEP_S)
        tests.append(
            {
                "interval": "5m",
                "input_series": given,
                "promql_expr_test": [
                    {
                        "expr": f'count by (instance) (ALERTS{{alertname="{alert}",alertstate="firing"}})',
                        "eval_time": END,
                        "exp_samples": [{"labels": '{instance="a"}', "value": 1}],
                    },
                    {
                        "expr": f'count(ALERTS{{alertstate="firing",{selector}}})',
                        "eval_time": END,
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    },
                ],
            }
        )
    run(tmp_path, tests)


def test_a_quiet_week_is_silent_and_so_is_prometheus_own_start(tmp_path: Path) -> None:
    steps = WEEK_STEPS
    quiet = {
        "interval": "5m",
        "input_series": series("a", {}, steps, STEP_S) + series("b", {}, steps, STEP_S),
        "promql_expr_test": [
            {"expr": "count_over_time(ALERTS[7d])", "eval_time": f"{steps * 5 - 5}m", "exp_samples": []},
        ],
    }
    run(tmp_path, [quiet])


def test_without_any_target_that_is_said(tmp_path: Path) -> None:
    nothing = {
        "interval": "1m",
        "input_series": [{"series": "other", "values": "1x30"}],
        "promql_expr_test": [
            {
                "expr": 'count(ALERTS{alertname="TomatoNotScraped",alertstate="firing"})',
                "eval_time": "25m",
                "exp_samples": [{"labels": "{}", "value": 1}],
            }
        ],
    }
    run(tmp_path, [nothing])
