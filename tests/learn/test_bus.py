"""The learning loop's bus on a real Redis: at least once, priorities, back-pressure by depth, retry, Redis killed."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tomato_host.errors import TomatoError
from tomato_host.learn.boundary import PolicyCall
from tomato_host.learn.bus.connect import groups_of, open_bus
from tomato_host.learn.bus.consumer import MOST_TRIES, LearnConsumer
from tomato_host.learn.bus.depth import group_depth
from tomato_host.learn.bus.policy_link import BusPolicy, PolicyWorker
from tomato_host.learn.bus.publisher import EMERGENCY, LearnPublisher, PublishResult
from tomato_host.learn.bus.report_link import ReportReceiver, ReportSender
from tomato_host.learn.night_telemetry import emit_night
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.report_store import ReportStore
from tomato_host.learn.settings import LearnBusSettings
from tomato_host.learn.telemetry import Telemetry

from shared_schemas.learn.budgets import BUS_DELIVERY_P95_MS, BUS_PUBLISH_P95_MS
from shared_schemas.learn.command_pb2 import AdaptationCommand
from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.report_pb2 import FieldReport, ReportOutcome
from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tests.bus.brokers import RealRedis, needs_redis
from tests.learn.loops import KEYS, NOW_MS, now_ms, table, trainer
from tests.learn.views import packets, report, signed, signer, slot, verifier

pytestmark = needs_redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    broker = RealRedis(tmp_path_factory.mktemp("redis"), persistent=True)
    yield broker
    broker.stop()


@pytest.fixture
def client(server: RealRedis) -> Iterator[Any]:
    found = open_bus(settings(server))
    found.flushall()
    yield found
    found.close()


def settings(server: RealRedis, **more: Any) -> LearnBusSettings:
    return LearnBusSettings(enabled=True, url=server.url, **{"claim_s": 0.2, **more})


def publisher(client: Any, wanted: LearnBusSettings, **more: Any) -> LearnPublisher:
    return LearnPublisher(client, wanted, groups_of(wanted), sleep=lambda _: None, **more)


def consumer(client: Any, stream: str, group: str, handle: Any, name: str = "r", claim_s: float = 0.2) -> LearnConsumer:
    return LearnConsumer(client, group, name, {stream: handle}, claim_s)


def drained(one: LearnConsumer, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while one.poll(0.05) or (time.monotonic() < end and one.counters.consumed == 0):
        pass


def test_what_is_published_is_consumed_once_acknowledged_and_counted(server: RealRedis, client: Any) -> None:
    wanted, seen = settings(server), list[bytes]()
    out = publisher(client, wanted)
    for number in range(50):
        assert out.publish(wanted.report_stream, b"%d" % number, held=True) is PublishResult.SENT
    assert wanted.report_stream == "tamiyo.field_reports", "the default name of the requirement"
    reader = consumer(client, wanted.report_stream, wanted.offline_group, seen.append)
    drained(reader)
    assert seen == [b"%d" % n for n in range(50)]
    assert (out.counters.published, reader.counters.consumed) == (50, 50)
    assert group_depth(client, wanted.report_stream, wanted.offline_group) == 0
    assert client.xlen(wanted.report_stream) == 50, "the stream's length says nothing about what waits"


def test_stream_and_group_names_are_settings(server: RealRedis, client: Any) -> None:
    wanted, seen = settings(server, report_stream="my.reports", offline_group="mine"), list[bytes]()
    publisher(client, wanted).publish("my.reports", b"x")
    drained(consumer(client, wanted.report_stream, wanted.offline_group, seen.append))
    assert seen == [b"x"] and [row["name"] for row in client.xinfo_groups("my.reports")] == [b"mine"]
    for name in ("", "With Space", "a" * 81):
        with pytest.raises(ValueError):
            LearnBusSettings(report_stream=name)
    for url in ("mqtt://here", "redis://:secret@here"):
        with pytest.raises(ValueError) as error:
            LearnBusSettings(url=url)
        assert "secret" not in str(error.value)


def test_a_message_whose_consumer_fails_or_dies_comes_again(server: RealRedis, client: Any) -> None:
    wanted, seen, tries = settings(server), list[bytes](), list[bytes]()
    publisher(client, wanted).publish(wanted.report_stream, b"a")

    def fails_twice(raw: bytes) -> None:
        tries.append(raw)
        if len(tries) < 3:
            raise ValueError("not yet")
        seen.append(raw)

    reader = consumer(client, wanted.report_stream, wanted.offline_group, fails_twice, "first")
    end = time.monotonic() + 10.0
    while not seen and time.monotonic() < end:
        reader.poll(0.05)
    assert len(tries) == 3 and reader.counters.failed == 2
    dead = consumer(client, wanted.report_stream, wanted.offline_group, lambda raw: (_ for _ in ()).throw(ValueError))
    publisher(client, wanted).publish(wanted.report_stream, b"b")
    dead.poll()
    other = consumer(client, wanted.report_stream, wanted.offline_group, seen.append, "second")
    while b"b" not in seen and time.monotonic() < end:
        other.poll(0.05)
    assert seen == [b"a", b"b"]


def test_a_message_that_fails_for_ever_is_moved_aside(server: RealRedis, client: Any) -> None:
    wanted = settings(server, claim_s=0.1)
    publisher(client, wanted).publish(wanted.report_stream, b"poison")

    def fails(raw: bytes) -> None:
        raise ValueError(raw)

    reader = consumer(client, wanted.report_stream, wanted.offline_group, fails, claim_s=0.01)
    end = time.monotonic() + 20.0
    while not reader.counters.unhandled and time.monotonic() < end:
        time.sleep(0.011)
        reader.poll()
    assert reader.counters.unhandled == 1 and reader.counters.failed == MOST_TRIES
    assert [fields[b"m"] for _, fields in client.xrange(f"{wanted.report_stream}.unhandled")] == [b"poison"]
    assert group_depth(client, wanted.report_stream, wanted.offline_group) == 0


def test_depth_is_pending_and_lag_and_survives_a_deletion_in_the_middle(server: RealRedis, client: Any) -> None:
    wanted = settings(server)
    for number in range(10):
        client.xadd("s", {b"m": b"%d" % number})
    assert group_depth(client, "nothing", "g") == 0 and group_depth(client, "s", "g") == 10
    client.xgroup_create("s", "g", id="0")
    client.xreadgroup("g", "r", {"s": ">"}, count=4)
    assert group_depth(client, "s", "g") == 10, "four delivered and not acknowledged, six not delivered"
    entries = [entry for entry, _ in client.xrange("s")]
    client.xack("s", "g", *entries[:4])
    assert group_depth(client, "s", "g") == 6
    client.xdel("s", entries[7])
    assert group_depth(client, "s", "g") == 5 and wanted.conservative_depth == 4_000


def test_under_load_ordinary_messages_wait_then_drop_and_emergencies_pass(server: RealRedis, client: Any) -> None:
    wanted = settings(server, conservative_depth=40, normal_depth=10, drop_depth=80, emergency_per_minute=12)
    out = publisher(client, wanted)
    stream = wanted.telemetry_stream
    held = [out.publish(stream, b"h", held=True) for _ in range(60)]
    assert held.count(PublishResult.SENT) == 40 and held[40:] == [PublishResult.DELAYED] * 20
    loose = [out.publish(stream, b"n") for _ in range(60)]
    assert loose.count(PublishResult.SENT) == 40 and loose[40:] == [PublishResult.DROPPED] * 20
    urgent = [out.publish(stream, b"u", emergency=True) for _ in range(15)]
    assert urgent == [PublishResult.SENT] * 12 + [PublishResult.EMERGENCY_RATE] * 3
    assert client.xlen(stream + EMERGENCY) == 12, "nothing ordinary was moved there"
    counted = out.counters
    assert (counted.delayed, counted.dropped, counted.emergency_refused) == (20, 20, 3)
    seen: list[bytes] = []
    reader = consumer(client, stream, wanted.observe_group, seen.append)
    reader.poll()
    assert seen[:12] == [b"u"] * 12, "emergencies come first, however many others wait"
    time.sleep(0.25)
    while group_depth(client, stream, wanted.observe_group) > 30:
        reader.poll()
    assert out.publish(stream, b"h", held=True) is PublishResult.DELAYED, "below 40 and above 10: still refused"
    drained(reader)
    time.sleep(0.25)
    assert out.publish(stream, b"h", held=True) is PublishResult.SENT


class Flaky:
    """A client whose every other call fails."""

    def __init__(self, client: Any, failures: int) -> None:
        self._client, self.failures = client, failures

    def __getattr__(self, name: str) -> Any:
        def call(*words: Any, **named: Any) -> Any:
            if self.failures > 0:
                self.failures -= 1
                raise ConnectionError("transient")
            return getattr(self._client, name)(*words, **named)

        return call


def test_transient_errors_are_tried_again_with_growing_pauses_and_lasting_ones_say_so(
    server: RealRedis, client: Any
) -> None:
    wanted, pauses = settings(server), list[float]()
    out = LearnPublisher(Flaky(client, 3), wanted, groups_of(wanted), sleep=pauses.append)
    assert out.publish(wanted.report_stream, b"x", held=True) is PublishResult.SENT
    assert out.counters.retries == 3 and len(pauses) == 3 and max(pauses) <= 0.4
    with pytest.raises(TomatoError) as error:
        LearnPublisher(Flaky(client, 99), wanted, groups_of(wanted), sleep=pauses.append).publish(
            "x", b"", emergency=True
        )
    assert error.value.code == "E-LEARN-BUS"


def test_a_night_over_the_bus_says_what_its_sender_counted(server: RealRedis, client: Any, tmp_path: Path) -> None:
    wanted, seen = settings(server), list[bytes]()
    out = LearnPublisher(Flaky(client, 2), wanted, groups_of(wanted), sleep=lambda _: None)
    telemetry = Telemetry(signer(), 1, out, wanted.telemetry_stream)
    one = trainer(tmp_path)
    one.run_epoch({"vpd_kpa": table(rows=300)})
    for _ in range(2):
        emit_night(telemetry, one, PolicyService(signer(), verifier()), [])
    drained(consumer(client, wanted.telemetry_stream, wanted.observe_group, seen.append))
    first, second = (verifier().parse(raw, TelemetryEvent).values for raw in seen)
    assert (first["bus_published"], first["bus_retries"]) == (0.0, 0.0)
    assert (second["bus_published"], second["bus_retries"]) == (1.0, 2.0)


def test_what_everybody_has_read_is_trimmed_and_nothing_else(server: RealRedis, client: Any) -> None:
    wanted, seen = settings(server), list[bytes]()
    for number in range(500):
        client.xadd(wanted.report_stream, {b"m": b"%d" % number})
    client.xgroup_create(wanted.report_stream, "slow", id="0")
    client.xreadgroup("slow", "r", {wanted.report_stream: ">"}, count=250)
    reader = consumer(client, wanted.report_stream, wanted.offline_group, seen.append)
    drained(reader)
    reader.trim(wanted.report_stream)
    assert client.xlen(wanted.report_stream) == 500, "the slow group has acknowledged nothing"
    client.xack(wanted.report_stream, "slow", *[entry for entry, _ in client.xrange(wanted.report_stream, count=250)])
    reader.trim(wanted.report_stream)
    assert 250 <= client.xlen(wanted.report_stream) <= 350


def links(server: RealRedis, client: Any, root: Path, kept: list[FieldReport], **more: Any) -> tuple[Any, Any]:
    wanted = settings(server, **more)
    store = ReportStore(root / "wal.bin")
    sender = ReportSender(client, wanted, store, signer(), verifier(), ack_s=1.0)
    receiver = ReportReceiver(open_bus(wanted), wanted, kept.append, KEYS, signer(), now_ms)
    return sender, receiver


def while_polling(receiver: ReportReceiver, work: Any) -> Any:
    """Run `work` while the receiver reads in another thread."""
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            receiver.poll(0.05)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        return work()
    finally:
        done.set()
        thread.join()


def test_a_report_arrives_on_its_stream_once_and_its_receipt_comes_back(
    server: RealRedis, client: Any, tmp_path: Path
) -> None:
    kept: list[FieldReport] = []
    sender, receiver = links(server, client, tmp_path, kept)
    for number in (1, 2, 3):
        sender.store.append(number, signed(report(number)), NOW_MS)
    assert while_polling(receiver, sender.send) == 0
    assert [one.report_id for one in kept] == [1, 2, 3] and kept[0].choice.log_probability == pytest.approx(-1.25)
    assert client.xlen("tamiyo.field_reports") == 3 and sender.store.unsent() == []
    assert ReportStore(tmp_path / "wal.bin").unsent() == [], "the receipts are on the disk"


def test_without_a_receiver_reports_are_sent_twice_and_wait_on_the_disk(
    server: RealRedis, client: Any, tmp_path: Path
) -> None:
    kept: list[FieldReport] = []
    sender, receiver = links(server, client, tmp_path, kept)
    sender._ack_s = 0.05
    sender.store.append(1, signed(report(1)), NOW_MS)
    assert sender.send() == 1 and client.xlen("tamiyo.field_reports") == 2, "once, and one retry"
    sender._ack_s = 2.0
    assert while_polling(receiver, sender.send) == 0
    assert {one.report_id for one in kept} == {1}, "it may come more than once, always with the same id"


def test_forged_replayed_and_unknown_reports(server: RealRedis, client: Any, tmp_path: Path) -> None:
    kept: list[FieldReport] = []
    _, receiver = links(server, client, tmp_path, kept)
    good = signed(report(1))
    unknown = bytes(signed(report(2)))
    strange = report(3)
    strange.outcome = 99  # type: ignore[assignment]
    for raw in (good, good, good[:-1] + b"\x00", b"", b"\xff" * 50, unknown, signed(strange)):
        client.xadd("tamiyo.field_reports", {b"m": raw})
    drained(receiver.consumer)
    assert [one.report_id for one in kept] == [1, 2, 3]
    assert kept[2].outcome == ReportOutcome.REPORT_OUTCOME_UNKNOWN, "an outcome of a newer version is counted, kept"
    assert receiver.refused == 4 and group_depth(client, "tamiyo.field_reports", "simic") == 0


def test_a_receiver_that_cannot_store_gives_no_receipt_and_is_given_the_report_again(
    server: RealRedis, client: Any, tmp_path: Path
) -> None:
    kept: list[FieldReport] = []
    sender, receiver = links(server, client, tmp_path, kept)
    fails = [ValueError("the replay is not ready")]

    def keep(one: FieldReport) -> None:
        if fails:
            raise fails.pop()
        kept.append(one)

    receiver._keep = keep
    sender._ack_s = 4.0
    sender.store.append(1, signed(report(1)), NOW_MS)
    assert while_polling(receiver, sender.send) == 0 and len(kept) == 1


def test_packets_reach_the_policy_and_its_command_the_trainer_within_time(server: RealRedis, client: Any) -> None:
    wanted = settings(server)
    worker = PolicyWorker(open_bus(wanted), wanted, PolicyService(signer(), verifier()), signer())
    far = BusPolicy(client, wanted)
    call = PolicyCall(far, verifier())
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            worker.poll(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    spent = []
    try:
        empty = [slot(f"soil.P{n}.0", SlotStage.DORMANT) for n in range(9)]
        first = call.ask(packets(1, *empty))
        assert first.command.slot.slot == "soil.P0.0" and first.refused == ""
        for epoch in range(2, 42):
            started = time.perf_counter()
            answer = call.ask(packets(epoch, slot("vpd_kpa.0", SlotStage.FOSSILIZED)))
            spent.append((time.perf_counter() - started) * 1_000.0)
            assert answer.refused == "" and answer.command.WhichOneof("command") is None
    finally:
        stop.set()
        thread.join()
    assert statistics.median(spent) <= BUS_DELIVERY_P95_MS, "there and back in the time that one way may take"


def test_a_policy_that_is_away_costs_the_wait_and_nothing_is_done(server: RealRedis, client: Any) -> None:
    far = BusPolicy(client, settings(server), wait_s=0.1)
    answer = PolicyCall(far, verifier()).ask(packets(1))
    assert answer.refused == "timeout" and answer.command.WhichOneof("command") is None


def test_a_command_of_another_epoch_or_a_forged_one_is_not_acted_on(server: RealRedis, client: Any) -> None:
    wanted = settings(server)
    other, forged = AdaptationCommand(epoch=7), AdaptationCommand(epoch=1)
    for raw in (b"\xff\xff", other.SerializeToString(), forged.SerializeToString()):
        client.xadd(wanted.command_stream, {b"m": raw})
    answer = PolicyCall(BusPolicy(client, wanted, wait_s=0.5), verifier()).ask(packets(1))
    assert answer.refused == "tag"


def test_redis_killed_in_mid_epoch_loses_nothing(server: RealRedis, client: Any, tmp_path: Path) -> None:
    kept: list[FieldReport] = []
    sender, receiver = links(server, client, tmp_path, kept)
    sender._ack_s = 0.1
    sender.store.append(1, signed(report(1)), NOW_MS)
    assert sender.send() == 1, "published, and nobody has read it yet"
    server.process.kill()
    server.process.wait()
    sender.store.append(2, signed(report(2)), NOW_MS)
    sender.publisher.sleep = lambda _: None
    with pytest.raises(TomatoError) as error:
        sender.send()
    assert error.value.code == "E-LEARN-BUS"
    with pytest.raises(TomatoError):
        receiver.poll(0.0)
    far = BusPolicy(client, settings(server), wait_s=0.1)
    far.publisher.sleep = lambda _: None
    assert PolicyCall(far, verifier()).ask(packets(1)).refused == "error: TomatoError", "the epoch goes on without"
    server.start()
    sender._ack_s = 3.0
    assert while_polling(receiver, sender.send) == 0
    assert {one.report_id for one in kept} == {1, 2}


def test_a_load_of_thousands_keeps_order_loses_nothing_held_and_is_quick(server: RealRedis, client: Any) -> None:
    """1,500 held messages from one sender, a reader in another thread, emergencies in between."""
    wanted = settings(server, conservative_depth=300, normal_depth=100, drop_depth=600)
    stream, seen, delays = wanted.telemetry_stream, list[int](), list[float]()

    def handle(raw: bytes) -> None:
        number, sent = raw.split()
        seen.append(int(number))
        delays.append(time.perf_counter() - float(sent))

    reader = LearnConsumer(open_bus(wanted), wanted.observe_group, "r", {stream: handle}, 5.0)
    out, stop, publishing = publisher(client, wanted), threading.Event(), list[float]()

    def read() -> None:
        while not stop.is_set():
            reader.poll(0.05)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for number in range(1_500):
            while True:
                started = time.perf_counter()
                urgent = number % 150 == 0
                result = out.publish(stream, b"%d %f" % (number, started), held=True, emergency=urgent)
                publishing.append((time.perf_counter() - started) * 1_000.0)
                if result is PublishResult.SENT:
                    break
                time.sleep(0.01)
        end = time.monotonic() + 20.0
        while len(seen) < 1_500 and time.monotonic() < end:
            time.sleep(0.01)
    finally:
        stop.set()
        thread.join()
    assert sorted(seen) == list(range(1_500))
    ordinary = [number for number in seen if number % 150]
    assert ordinary == sorted(ordinary)
    assert statistics.median(publishing) <= BUS_PUBLISH_P95_MS
