"""A dead sensor that looks steady: one that is gone shows no value at all, one that sticks is found out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tomato_host.service.live_state import LiveState
from tomato_host.service.metrics import PlantCollector
from tomato_host.twin.sensors import chip_bits

from shared_schemas.records import ActionV1, AnomalyV1, StateV1
from tests.incidents.loop import Loop
from tests.incidents.running_host import running_host, until


def test_a_chip_that_is_gone_leaves_a_hole_and_not_its_last_value(tmp_path: Path) -> None:
    """In lock step: what the board sends, the dashboard shows and Prometheus reads once the SHT4x is gone."""
    loop, present = Loop(tmp_path), LiveState()
    try:
        loop.live(300)
        loop.twin.world.sensors.faults.absent = chip_bits("sht4x")
        loop.live(300)
    finally:
        loop.close()
    for record in loop.kept.records:
        present.update(json.dumps({"record": json.loads(record.to_json())}).encode())
    glance = present.overview()
    assert glance["observation"]["air_temp_c"] is None and glance["observation"]["missing"]["air_temp_c"]
    assert glance["observation"]["co2_ppm"] is not None
    assert "SENSOR_DISCONNECT" in {a["type"] for a in glance["anomalies"]}
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(present))
    lines = generate_latest(registry).decode().splitlines()
    assert not [line for line in lines if line.startswith("tomato_air_temperature_celsius ")]
    assert [line for line in lines if line.startswith("tomato_air_co2_ppm ") or "co2" in line]


@pytest.mark.soak
def test_a_sensor_that_is_gone_in_the_real_process(tmp_path: Path) -> None:
    with running_host(tmp_path, scenario="sensor_dropout@0.003+1") as (host, _):
        until(lambda: host.get("/api/glance")["observation"]["air_temp_c"] is not None, "a first value")
        until(lambda: host.get("/api/glance")["observation"]["air_temp_c"] is None, "the hole")
        glance = host.get("/api/glance")
        assert glance["observation"]["missing"]["air_temp_c"] and glance["observation"]["co2_ppm"] is not None
        assert "tomato_air_temperature_celsius" not in host.get("/metrics").replace("# HELP tomato_air", "").replace(
            "# TYPE tomato_air", ""
        ), "what is not known is left out, never repeated"
        until(
            lambda: [a for a in host.get("/api/glance")["anomalies"] if a["type"] == "SENSOR_DISCONNECT"],
            "the anomaly on the dashboard",
        )
        host.stop()
        host.assert_whole()


def test_a_probe_that_sticks_is_found_out(tmp_path: Path) -> None:
    """Hours in lock step: the raw count of probe 1 never moves again, at a value as plausible as any."""
    loop = Loop(tmp_path)
    try:
        loop.live(1_800)
        state = next(r for r in reversed(loop.kept.records) if isinstance(r, StateV1))
        before = {probe.id: probe.confidence for probe in state.soil.probes}
        assert before["P1"] > 0.5
        reading = loop.twin.world.readings(loop.twin.now_ms)
        loop.twin.world.sensors.faults.probe_stuck_raw[0] = reading.soil_raw[0]
        loop.live(2 * 3_600)
    finally:
        loop.close()
    reported = [r for r in loop.kept.records if isinstance(r, AnomalyV1) and r.type.value == "SENSOR_FAULT"]
    assert [a.subject for a in reported if a.phase != "CLEARED"] == ["soil.P1"], reported
    state = next(r for r in reversed(loop.kept.records) if isinstance(r, StateV1))
    after = {probe.id: probe.confidence for probe in state.soil.probes}
    assert after["P1"] == 0.0 and after["P2"] > 0.5, "its word counts no more; the other's does"
    reasons = " ".join(a.why.text for a in loop.kept.records if isinstance(a, ActionV1) and a.ts > reported[0].ts)
    assert "P1 is dry" not in reasons
