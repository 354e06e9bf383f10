"""Addresses, cards and rows; errors a person meets; the page; and that nobody loads a broker's library unasked."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.service.bus.node_summary import LARGEST_BYTES, NodeSummary, parse_summary, summarize_node, verdict
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import parse_address
from tomato_host.service.fleet.routes import FleetTable
from tomato_host.service.fleet.rows import NodeReport, age_text, rows_of
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState, advice
from tomato_host.service.settings import ServiceSettings
from tomato_host.settings import parse_settings

from tests.bus.brokers import NOW, RealRedis, needs_redis, reading
from tests.free_ports import free_port


def card(node: str = "tent", **more: Any) -> NodeSummary:
    return NodeSummary(node=node, ts=NOW, level="well", verdict="All is well", mode="NORMAL", link="up", **more)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://broker", "redis://broker:6379"),
        ("rediss://me@broker:7000/3", "rediss://broker:7000"),
        ("mqtt://10.0.0.2", "mqtt://10.0.0.2:1883"),
        ("mqtts://broker", "mqtts://broker:8883"),
    ],
)
def test_addresses(url: str, shown: str) -> None:
    assert str(parse_address(url)) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://broker",
        "redis://",
        "redis://broker:port",
        "redis://broker/16",
        "redis://broker/x",
        "mqtt://a?b=c",
        "",
        "redis://me:s3cret@broker",
        "redis://:s3cret@broker:port",
    ],
)
def test_wrong_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(TomatoError) as refused:
        parse_address(url)
    assert refused.value.code == "E-BUS-URL"
    assert "s3cret" not in str(refused.value)
    with pytest.raises(TomatoError) as also:
        parse_settings({"bus": {"url": url}})
    assert also.value.code == "E-CONFIG-INVALID"
    assert "s3cret" not in str(also.value)


def test_one_name_serves_both_roads() -> None:
    assert parse_settings({"mqtt": {"node": "tent"}}).bus.node == "tent"
    assert parse_settings({"mqtt": {"node": "tent"}, "bus": {"node": "other"}}).bus.node == "other"


def test_the_verdict_is_the_first_true_line() -> None:
    present = LiveState()
    assert verdict(present)[0] == "bad", "a host that sends nothing"
    present.connected = True
    present.update(b'{"status": {"link": "up", "mode": "NORMAL", "now": "2026-05-01T08:00:30+00:00"}}')
    assert verdict(present)[0] == "watch", "what is not known is not well"
    present.newest["observation_v1"] = {"ts": "2026-05-01T08:00:25+00:00"}
    assert verdict(present) == ("well", "All is well")
    present.newest["observation_v1"] = {"ts": "2026-05-01T07:55:25+00:00"}
    assert verdict(present)[0] == "watch", "nor what is no longer known"
    present.newest["observation_v1"] = {"ts": "2026-05-01T09:00:25+00:00"}
    assert verdict(present)[0] == "watch", "nor what was stamped under a clock that was ahead"
    present.open_anomalies["a"] = {"type": "VPD_LOW", "severity": "LOW", "subject": None}
    assert verdict(present) == ("watch", "Watching: vpd low")
    present.status["records_wait"] = True
    assert verdict(present) == ("bad", "The disk accepts no records. Control goes on")
    assert [row["do"] for row in advice(present)][-1] == "Free space on the disk before you restart the host."
    present.open_anomalies["b"] = {"type": "LEAK", "severity": "CRITICAL", "subject": "floor"}
    assert verdict(present) == ("bad", "leak floor")
    present.newest["device_status_v1"] = {"faults": [{"name": "leak"}]}
    assert verdict(present) == ("bad", "Board holds fault leak")
    present.status["link"] = "down"
    assert verdict(present)[1].startswith("No link to the board")
    present.status |= {"mode": "SAFE", "mode_reason": "leak"}
    assert verdict(present) == ("bad", "Safe mode: leak")
    present.status |= {"mode_reason": ""}
    assert verdict(present)[1] == "Safe mode: every cause has gone, calm is awaited", "no cause is invented"


def test_no_card_before_anything_is_known() -> None:
    assert summarize_node(LiveState(), "tent", {}) is None


def test_a_card_survives_the_road_and_a_forged_one_is_none() -> None:
    present = LiveState()
    present.connected = True
    present.update(b'{"status": {"now": "2026-05-01T08:00:00+00:00", "mode": "NORMAL", "link": "up"}}')
    present.update(b'{"record": ' + reading(1).to_json().encode() + b"}")
    told = summarize_node(present, "tent", {"telemetry": 3})
    assert told is not None
    assert parse_summary(told.model_dump_json()) == told
    assert (told.driest_probe, told.driest_pct) == ("P1", 30.0)
    for forged in (
        "",
        "{}",
        "[1]",
        "x" * (LARGEST_BYTES + 1),
        told.model_dump_json().replace("24.5", '"hot"'),
        told.model_dump_json().replace('"tent"', '"../../etc"'),
    ):
        assert parse_summary(forged) is None
    nasty = parse_summary(json.dumps({**json.loads(told.model_dump_json()), "verdict": "\x1b[2J\u202eevil"}))
    assert nasty is not None
    assert nasty.verdict.isprintable(), "no card writes to a terminal's controls"


def test_rows_worst_first_and_silent_ones_say_so() -> None:
    bad = card("a").model_copy(update={"level": "bad", "verdict": "leak"})
    rows = rows_of(
        [
            NodeReport("z", 1.0, card("z")),
            NodeReport("a", 1.0, bad),
            NodeReport("m", 400.0, card("m")),
            NodeReport("n", 0.0, None),
        ],
        35.0,
    )
    assert [(row.node, row.level, row.safe) for row in rows] == [
        ("a", "bad", False),
        ("m", "stale", None),
        ("n", "stale", None),
        ("z", "well", True),
    ]
    assert "no message for 7 min" in rows[1].verdict


@pytest.mark.parametrize(
    ("age_s", "text"), [(7, "7 s"), (119.4, "119 s"), (600, "10 min"), (10_800, "3 h"), (200_000, "2 d")]
)
def test_ages_as_one_says_them(age_s: float, text: str) -> None:
    assert age_text(age_s) == text


@pytest.mark.parametrize(
    ("words", "code", "help_"),
    [
        (["fleet"], "E-BUS-NO-BROKER", "--broker redis://host:6379"),
        (["fleet", "--broker", "http://x"], "E-BUS-URL", "redis://host:6379/0"),
        (["fleet", "--broker", "redis://127.0.0.1:{port}"], "E-BUS-DOWN", "start it"),
        (["fleet", "--broker", "mqtt://127.0.0.1:{port}"], "E-BUS-DOWN", "start it"),
        (["fleet", "follow", "--group", "g", "--name", "n", "--broker", "mqtt://x"], "E-BUS-GROUPS", "use Redis"),
    ],
)
def test_errors_name_the_next_step(words: list[str], code: str, help_: str, capsys: pytest.CaptureFixture[str]) -> None:
    if "redis://127" in str(words):
        pytest.importorskip("redis")
    if "mqtt://127" in str(words):
        pytest.importorskip("aiomqtt")
    port = free_port()
    with pytest.raises(SystemExit) as ended:
        main([word.format(port=port) for word in words])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert code in told
    assert help_ in told


def client(tmp_path: Path, bus: BusSettings, host: str = "127.0.0.1") -> TestClient:
    app = create_app(LiveState(), History(tmp_path), ServiceSettings(), tmp_path, bus=bus)
    return TestClient(app, client=(host, 5_000))


def test_the_page_without_a_broker_says_how_to_name_one(tmp_path: Path) -> None:
    with client(tmp_path, BusSettings()) as web:
        page = web.get("/fleet")
        assert page.status_code == 404
        assert "[bus] enabled = true" in page.json()["detail"]
        assert web.get("/api/glance").json()["fleet"] is False, "the dashboard offers no link to it"
        told = web.get("/api/fleet").json()
    assert told["nodes"] == []
    assert "[bus] enabled = true" in told["next"]


def test_the_page_with_a_broker_is_offered(tmp_path: Path) -> None:
    with client(tmp_path, BusSettings(enabled=True)) as web:
        assert web.get("/fleet").headers["content-type"].startswith("text/html")
        assert web.get("/api/glance").json()["fleet"] is True


def test_the_page_wants_a_token_from_elsewhere(tmp_path: Path) -> None:
    with client(tmp_path, BusSettings(), "10.1.2.3") as web:
        assert web.get("/api/fleet").status_code == 401


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealRedis]:
    found = RealRedis(tmp_path / "redis")
    yield found
    found.stop()


@needs_redis
def test_the_page_shows_the_fleet_and_a_lost_broker(tmp_path: Path, broker: RealRedis) -> None:
    with broker.client() as redis:
        for node in ("north", "south"):
            redis.sadd("tomato/nodes", node)
            redis.xadd(f"tomato/{node}/card", {"m": card(node).model_dump_json()})
        redis.sadd("tomato/nodes", "evil\n")
        redis.sadd("tomato/nodes", "liar")
        redis.xadd("tomato/liar/card", {"m": card("north").model_dump_json()})
        redis.xadd(
            "tomato/old/card",
            {"m": card("old").model_dump_json()},
            id=f"{int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)}-0",
        )
        redis.sadd("tomato/nodes", "old")
    clock = [0.0]
    view = FleetTable(BusSettings(enabled=True, url=broker.url), monotonic=lambda: clock[0])
    told = view.read()
    assert [(row["node"], row["level"]) for row in told["nodes"]] == [
        ("liar", "stale"),
        ("old", "stale"),
        ("north", "well"),
        ("south", "well"),
    ], "each under its own name only"
    broker.stop()
    assert view.read() is told, "asked at most every two seconds"
    clock[0] = 10.0
    lost = view.read()
    assert "does not answer" in lost["problem"]
    assert len(lost["nodes"]) == 4, "the last table stays"
    broker.start()


def test_nobody_loads_a_brokers_library_unasked() -> None:
    code = (
        "import sys, tomato_host.app, tomato_host.service.serve, tomato_host.service.feeds\n"
        "import tomato_host.service.bus.serve, tomato_host.cli.fleet\n"
        "print([name for name in ('redis', 'aiomqtt', 'paho') if name in sys.modules])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "[]"


@needs_redis
def test_the_doctor_asks_the_broker(tmp_path: Path, broker: RealRedis) -> None:
    from tomato_host.cli.checks.services import check_bus
    from tomato_host.settings import load_settings

    def check_broker(config: Path | None):  # type: ignore[no-untyped-def]
        return check_bus(load_settings(config).bus)

    assert check_broker(None).level == "ok"
    config = tmp_path / "tomato.toml"
    config.write_text(f'[bus]\nenabled = true\nurl = "{broker.url}"\n')
    with broker.client() as redis:
        redis.sadd("tomato/nodes", "north")
    assert "knows 1 nodes: north" in check_broker(config).text
    broker.stop()
    found = check_broker(config)
    assert found.level == "problem"
    assert "start it" in found.next_step
    broker.start()
