"""Grafana's panels, Prometheus' rules and the page about metrics name exactly what the exporter exports."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tomato_host.service.live_state import LiveState
from tomato_host.service.metrics import PlantCollector
from tomato_host.world.telemetry import WorldTelemetry

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "tomato.json").read_text(encoding="utf-8"))
RULES = ROOT / "deploy" / "prometheus" / "tomato.rules.yml"
PAGE = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
SAMPLE = re.compile(r"^(tomato_\w+)(?:\{(.*)\})? ", re.MULTILINE)
USE = re.compile(r"(tomato_\w+)(?:\{([^}]*)\})?")
BAND = {"mean": 20.0, "p10": 19.0, "p90": 21.0}
WANTED = {"low": 1.0, "high": 2.0}


STATUS: dict[str, Any] = {
    "now": "2026-05-01T08:00:05+02:00",
    "live": {
        "ts": "2026-05-01T08:00:00+02:00",
        "age_s": 5.0,
        "vpd_kpa": 1.1,
        "confidence": 0.9,
        "water_ml_left_today": 810.0,
    },
    "link": "up",
    "mode": "NORMAL",
    "firmware": "1",
    "tally": {"observations": 5, "episodes": 2, "actions": 2, "refused": 1, "anomalies": 1, "water_ml": 90.0},
    "disk": {"free_bytes": 9, "stored_bytes": 8, "written_bytes": 7, "thinned": 6, "let_go": 5, "is_thinning": 1},
    "feeds": {
        "bus": {
            "dropped": {"telemetry": 1},
            "waiting_bytes": 2,
            "restarts": 3,
            "up": True,
            "sent": 4,
            "losses": 5,
            "bus_dropped": {"telemetry": 6},
            "bus_waiting_bytes": 7,
        },
        "mqtt": {
            "dropped": {},
            "waiting_bytes": 0,
            "restarts": 0,
            "up": True,
            "sent": 9,
            "losses": 0,
            "refused": 1,
            "plugs": {"light": {"state": "ON"}},
        },
    },
}


def full_present() -> LiveState:
    """A moment in which everything is known."""
    present = LiveState()
    present.connected = True
    present._status_at_s = present._monotonic()
    present.last_value_at = {"air_temp_c": 1_777_615_200.0}
    present.status = deepcopy(STATUS)
    air = {
        "air_temp_c": 24.0,
        "rh_pct": 60.0,
        "co2_ppm": 500.0,
        "leaf_temp_c": 23.0,
        "soil_temp_c": 20.0,
        "light_lux": 20_000.0,
    }
    outputs = ("light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat", "water_pump", "co2_solenoid")
    hour = {"soil_pct": {"avg": BAND}, "air_temp_c": BAND, "vpd_kpa": BAND}
    keys = ("air_temp_day_c", "air_temp_night_c", "vpd_day_kpa", "vpd_night_kpa", "soil_moisture_pct")
    present.newest = {
        "observation_v1": {"ts": "2026-05-01T08:00:00+02:00", **air, "soil": [{"id": "P1", "moisture_pct": 31.0}]},
        "device_status_v1": {
            "outputs": dict.fromkeys(outputs, "OFF"),
            "faults": [{"name": "leak"}],
            "free_heap_bytes": 90_000,
        },
        "targets_v1": {"adapted": dict.fromkeys(keys, WANTED)},
        "prediction_36h_v1": {"hours": [hour] * 36},
        "plan_v1": {"ts": "2026-05-01T07:58:00+02:00", "planning_ms": 900},
    }
    telemetry = WorldTelemetry(lambda: 0.0)
    telemetry.outcome("api", "1", "accepted", 1)
    telemetry.deltas["patch"] += 1
    present.status["world"] = telemetry.snapshot()
    present.open_anomalies = {"1": {"type": "SOIL_DRY", "subject": "P1", "severity": "MEDIUM"}}
    return present


def exported() -> dict[str, set[str]]:
    """Every metric the exporter writes, with its labels."""
    registry = CollectorRegistry()
    registry.register(PlantCollector(full_present()))
    found: dict[str, set[str]] = {}
    for name, labels in SAMPLE.findall(generate_latest(registry).decode()):
        if not name.endswith("_created"):
            found.setdefault(name, set()).update(re.findall(r"(\w+)=", labels))
    return found


def expressions() -> list[str]:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [notify]")
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    of_panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())]
    return of_panels + [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


def test_every_name_and_label_used_is_exported() -> None:
    known = exported()
    for text in expressions():
        used = USE.findall(text)
        assert used or "up{" in text, text
        for name, selector in used:
            assert name in known, f"{name} in {text}"
            assert set(re.findall(r"(\w+)\s*=", selector)) - {"instance"} <= known[name], text


def test_every_exported_metric_is_on_a_panel() -> None:
    shown = {
        name
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
        for name, _ in USE.findall(target["expr"])
    }
    # Anomalies are shown while they are open; their count over all time says little. The estimate's moment is for
    # programs that compare it with other displays; the panel shows its age.
    assert set(exported()) - shown == {"tomato_anomalies_total", "tomato_estimate_timestamp_seconds"}


def test_the_page_lists_all_metrics_and_no_other() -> None:
    listed = set(re.findall(r"^\| `(tomato_\w+)", PAGE, re.MULTILINE))
    assert listed == set(exported())


def test_the_dashboard_has_its_rows_and_no_two_panels_in_one_place() -> None:
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Safe?", "Climate vs band", "Soil and doses", "Forecast vs actual", "Light", "Host", "Agents"]
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_alert_says_what_and_where_to_read_on() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra [notify]")
    runbook = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    alerts = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len({alert["alert"] for alert in alerts}) == len(alerts) >= 12
    for alert in alerts:
        assert alert["labels"]["severity"] in ("info", "warning", "critical")
        assert alert["annotations"]["summary"]
        place = alert["annotations"]["runbook"].partition(", ")[2]
        assert "{{" in place or place in runbook, f"{place} is not in the runbook"


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not here")
def test_promtool_reads_rules_and_metrics() -> None:
    subprocess.run(["promtool", "check", "rules", str(RULES)], check=True, timeout=60)
    registry = CollectorRegistry()
    registry.register(PlantCollector(full_present()))
    reported = subprocess.run(
        ["promtool", "check", "metrics"], input=generate_latest(registry), capture_output=True, timeout=60
    )
    assert reported.returncode == 0, reported.stderr.decode()
