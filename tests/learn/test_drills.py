"""Drills: each fires its alert's condition and ends nominal; latency report; doctor reaches what is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.learn.drills import DRILLS, CountedTelemetry, run_drills
from tomato_host.learn.profiling import latencies
from tomato_host.learn.reachable import check_reachable
from tomato_host.learn.settings import LearnBusSettings, LearnObserveSettings, LearnSettings

from tests.bus.brokers import RealRedis, needs_redis
from tests.learn.elastic_stub import ElasticStub

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "learn.rules.yml"


@pytest.mark.parametrize("name", DRILLS)
def test_each_drill_fires_its_alert_and_ends_nominal(name: str) -> None:
    (found,) = run_drills([name])
    assert found.fired and found.nominal and found.passed, found
    assert re.search(rf"alert: {found.alert}$", RULES.read_text(), re.MULTILINE), "the alert exists"


def test_a_drill_that_does_not_recover_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CountedTelemetry, "value", lambda *_, **__: 5.0)
    (found,) = run_drills(["compile"])
    assert found.fired and not found.passed, "retries that never go back to zero are not nominal"


def test_the_latency_report_covers_the_key_operations_with_their_budgets() -> None:
    found = {one.name: one for one in latencies(rounds=12)}
    assert set(found) == {
        "encode_state", "encode_command", "policy", "epoch_boundary", "fast_rollback", "report_append_fsync",
        "fetch_warm", "fetch_cold",
    }  # fmt: skip
    assert found["epoch_boundary"].budget_ms == 18.0 and found["policy"].budget_ms == 45.0
    assert all(one.p50_ms >= 0.0 and one.within for one in found.values() if one.name != "fetch_cold")


def test_the_commands_say_what_they_found(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["learn", "drill", "compile", "--json"])
    assert end.value.code == 0
    facts = json.loads(capsys.readouterr().out)["drills"]
    assert facts[0]["passed"] and facts[0]["alert"] == "tezzeret_compile_retry_high"


def test_doctor_reaches_elasticsearch_and_says_what_is_away() -> None:
    stub = ElasticStub()
    try:
        bus = LearnBusSettings(enabled=True, url="redis://127.0.0.1:1")
        settings = LearnSettings(bus=bus, observe=LearnObserveSettings(elasticsearch=stub.url))
        found = {one.name: one for one in check_reachable(settings, "http://127.0.0.1:1")}
    finally:
        stub.close()
    assert found["elasticsearch"].present and not found["redis"].present and found["redis"].needed
    assert not found["prometheus"].present and not found["prometheus"].needed
    off = {one.name: one for one in check_reachable(LearnSettings(), "http://127.0.0.1:1")}
    assert not off["redis"].needed and "off" in off["redis"].text and "not set" in off["elasticsearch"].text


@needs_redis
def test_doctor_reaches_redis(tmp_path: Path) -> None:
    broker = RealRedis(tmp_path / "redis", password="a-password")
    try:
        settings = LearnSettings(bus=LearnBusSettings(enabled=True, url=broker.url))
        (redis, *_) = check_reachable(settings, "http://127.0.0.1:1")
        assert not redis.present and "AuthenticationError" in redis.text and "a-password" not in redis.text
    finally:
        broker.stop()
