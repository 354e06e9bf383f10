"""The ingestion worker: telemetry from the bus in metrics and Elasticsearch; health; the spool while that is away."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tomato_host.learn.bus.connect import groups_of, open_bus
from tomato_host.learn.bus.publisher import EMERGENCY, LearnPublisher
from tomato_host.learn.observability.elastic import ElasticSink, document_of
from tomato_host.learn.observability.endpoint import Endpoint
from tomato_host.learn.observability.metrics import LearnMetrics
from tomato_host.learn.observability.observe import ObserveWorker
from tomato_host.learn.observability.spool import Spool
from tomato_host.learn.settings import LearnBusSettings, LearnObserveSettings, LearnSettings
from tomato_host.learn.telemetry import ALARM, Source, Telemetry

from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tests.bus.brokers import RealRedis, needs_redis
from tests.learn.elastic_stub import ElasticStub
from tests.learn.loops import KEYS, NOW_MS, now_ms
from tests.learn.views import signer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealRedis]:
    broker = RealRedis(tmp_path / "redis")
    yield broker
    broker.stop()


@pytest.fixture
def stub() -> Iterator[ElasticStub]:
    pytest.importorskip("elasticsearch", reason="needs the extra [learn]")
    found = ElasticStub()
    yield found
    found.close()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5.0) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def event(number: int, name: str = "epoch_boundary") -> TelemetryEvent:
    return TelemetryEvent(schema=1, sent_ms=NOW_MS + number, nonce=number, name=name, values={"boundary_ms": number})


def samples(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@needs_redis
def test_an_event_on_the_bus_arrives_in_prometheus_and_elasticsearch(
    server: RealRedis, stub: ElasticStub, tmp_path: Path
) -> None:
    bus = LearnBusSettings(enabled=True, url=server.url)
    settings = LearnSettings(bus=bus, observe=LearnObserveSettings(port=0, elasticsearch=stub.url))
    client = open_bus(bus)
    worker = ObserveWorker(client, settings, KEYS, tmp_path, now_ms)
    telemetry = Telemetry(signer(), 7, LearnPublisher(open_bus(bus), bus, groups_of(bus)), bus.telemetry_stream)
    telemetry.emit(Source.TELEMETRY_SOURCE_TRAINER, "epoch_boundary", "epoch 1", {"boundary_ms": 12.0, "risk": 2.0})
    telemetry.emit(Source.TELEMETRY_SOURCE_SLOTS, "isolation_violation", "x", {}, {"slot": "a.0"}, ALARM)
    client.xadd(bus.telemetry_stream, {b"m": b"forged"})
    assert client.xlen(bus.telemetry_stream + EMERGENCY) == 1, "an alarm takes the emergency path"
    while worker.step(0.2):
        pass
    found = samples(worker.registry)
    assert found['tomato_learn_events_total{name="epoch_boundary"}'] == 1.0
    assert found['tomato_learn_isolation_violations_total{slot="a.0"}'] == 1.0
    assert found["tomato_learn_risk_level"] == 2.0 and found["tomato_learn_events_refused_total"] == 1.0
    assert found['tomato_learn_bus_messages_total{kind="consumed"}'] == 3.0
    assert 'tomato_learn_bus_depth{stream="nissa.telemetry"}' in found
    (documents,) = stub.documents.values()
    assert {one["name"] for one in documents.values()} == {"epoch_boundary", "isolation_violation"}
    assert list(stub.documents) == ["tomato-learn-2026.05"] and stub.templates["tomato-learn"]


@needs_redis
def test_health_is_200_while_redis_answers_and_503_with_the_reason_when_not(server: RealRedis, tmp_path: Path) -> None:
    bus = LearnBusSettings(enabled=True, url=server.url)
    worker = ObserveWorker(open_bus(bus), LearnSettings(bus=bus), KEYS, tmp_path, now_ms)
    endpoint = Endpoint("127.0.0.1", 0, worker.registry, worker.health)
    try:
        status, text = get(f"http://127.0.0.1:{endpoint.port}/health")
        assert status == 200 and json.loads(text)["redis"] == "answers"
        status, text = get(f"http://127.0.0.1:{endpoint.port}/metrics")
        assert status == 200 and "tomato_learn_epochs_total" in text
        assert get(f"http://127.0.0.1:{endpoint.port}/other")[0] == 404
        server.stop()
        status, text = get(f"http://127.0.0.1:{endpoint.port}/health")
        assert status == 503 and json.loads(text)["redis"] == "ConnectionError"
    finally:
        endpoint.close()
        server.start()


@needs_redis
def test_the_worker_serves_while_redis_is_away_and_goes_on_when_it_is_back(server: RealRedis, tmp_path: Path) -> None:
    bus = LearnBusSettings(enabled=True, url=server.url, claim_s=0.2)
    settings = LearnSettings(bus=bus, observe=LearnObserveSettings(port=0))
    worker = ObserveWorker(open_bus(bus), settings, KEYS, tmp_path, now_ms)
    ending, shown = threading.Event(), list[str]()
    thread = threading.Thread(target=lambda: worker.serve(ending.is_set, shown.append))
    server.stop()
    thread.start()
    try:
        server.start()
        telemetry = Telemetry(signer(), 7, LearnPublisher(open_bus(bus), bus, groups_of(bus)), bus.telemetry_stream)
        telemetry.emit(Source.TELEMETRY_SOURCE_BUS, "hello", "x")
        for _ in range(100):
            if worker.consumer.counters.consumed:
                break
            ending.wait(0.1)
        assert worker.consumer.counters.consumed == 1 and "/health" in shown[0]
    finally:
        ending.set()
        thread.join()


def test_a_bus_that_is_away_does_not_stop_the_loop(tmp_path: Path) -> None:
    bus = LearnBusSettings(enabled=True, url="redis://127.0.0.1:1")
    out = LearnPublisher(open_bus(bus), bus, groups_of(bus), sleep=lambda _: None)
    telemetry = Telemetry(signer(), 7, out, bus.telemetry_stream)
    telemetry.emit(Source.TELEMETRY_SOURCE_BUS, "hello", "x")
    assert telemetry.unsent == 1


def sink(stub: ElasticStub, tmp_path: Path, most: int = 1_000_000) -> ElasticSink:
    return ElasticSink(LearnObserveSettings(elasticsearch=stub.url), Spool(tmp_path / "spool", most))


def test_while_elasticsearch_is_away_documents_wait_and_then_arrive_once_in_order(
    stub: ElasticStub, tmp_path: Path
) -> None:
    one = sink(stub, tmp_path)
    one.store([document_of(event(1))])
    port = stub.port
    stub.close()
    for number in (2, 3):
        one.store([document_of(event(number))])
    assert not one.up and len(one.spool.read()) == 2 and not one.ping()
    again = ElasticStub(port)
    try:
        other = sink(again, tmp_path)
        other.store([document_of(event(4))])
        (documents,) = again.documents.values()
        assert [one["values"]["boundary_ms"] for one in documents.values()] == [2.0, 3.0, 4.0]
        other.store([document_of(event(4))])
        assert len(documents) == 3, "the same event has the same id"
        assert other.spool.size == 0 and other.up and other.ping()
    finally:
        again.close()


def test_429_and_a_wrong_product_wait_and_a_document_it_never_accepts_is_left_out(
    stub: ElasticStub, tmp_path: Path
) -> None:
    one = sink(stub, tmp_path)
    stub.ill = 1
    one.store([document_of(event(1))])
    assert not one.up and len(one.spool.read()) == 1
    one.store([document_of(event(2)), document_of(event(3, "never"))])
    (documents,) = stub.documents.values()
    assert len(documents) == 2 and one.up and one.spool.size == 0
    stub.product = ""
    other = sink(stub, tmp_path)
    other.store([document_of(event(9))])
    assert not other.up and len(other.spool.read()) == 1, "a server that is no Elasticsearch gets nothing"


def test_the_spool_is_bounded_the_oldest_goes_and_a_torn_line_is_left_out(tmp_path: Path) -> None:
    one = Spool(tmp_path / "spool", 1_000)
    for number in range(200):
        one.add([f"{number:09d}"])
    assert one.size <= 1_000 and one.read()[-1] == "000000199" and one.lost > 0
    with open(tmp_path / "spool", "a") as file:
        file.write("torn")
    assert one.read()[-1] == "000000199"


def test_every_event_has_its_metric() -> None:
    registry = CollectorRegistry()
    metrics = LearnMetrics(registry)

    def count(name: str, labels: dict[str, str] | None = None, **values: float) -> None:
        metrics.count(TelemetryEvent(name=name, values=values, labels=labels or {}))

    for boundary in (20.0, 21.0, 22.0):
        count(
            "epoch_boundary", boundary_ms=boundary, policy_ms=3.0, slots_shadowing=2.0, publish_ms=1.0, bus_retries=4.0
        )
    found = samples(registry)
    assert found['tomato_learn_bus_sender{kind="retries"}'] == 4.0
    assert found["tomato_learn_boundary_over_in_a_row"] == 3.0
    assert found['tomato_learn_epochs_total{good="false"}'] == 3.0
    assert found['tomato_learn_slots{stage="SHADOWING"}'] == 2.0
    count("epoch_boundary", boundary_ms=5.0, labels={"refused": "timeout"})
    count("compile_retry", retries=2.0)
    count("graft", graft_ms=4.0)
    count("training", entropy=0.7, explained_variance=0.3)
    count("validation", {"result": "failed"})
    count("hot_reload", {"result": "activated"}, policy_version=4.0)
    count("something new")
    found = samples(registry)
    assert found["tomato_learn_boundary_over_in_a_row"] == 0.0 and found["tomato_learn_policy_timeouts_total"] == 1.0
    assert found["tomato_learn_compile_retries"] == 2.0 and found["tomato_learn_graft_seconds_count"] == 1.0
    assert found["tomato_learn_policy_entropy"] == 0.7
    assert found['tomato_learn_validations_total{result="failed"}'] == 1.0
    assert found["tomato_learn_policy_version"] == 4.0
    count("compile_done", {"result": "done"})
    assert samples(registry)["tomato_learn_compile_retries"] == 0.0
