"""Ask a broker for the newest summary of every node; its library is loaded at the first request only."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.service.bus.message import NODE, NODES, SUMMARY, UNHANDLED, Priority, topic
from tomato_host.service.bus.node_summary import NodeSummary, parse_summary
from tomato_host.service.bus.transport import Address, require_extra
from tomato_host.service.fleet.rows import NodeReport

PATIENCE_S = 3.0
QUIET_S = 0.4
"""On MQTT: when nothing more came for so long, all retained summaries are here."""
MOST_NODES = 1_000


def read_fleet(address: Address, password: str | None, patience_s: float = PATIENCE_S) -> list[NodeReport]:
    """A report of every node that the broker knows. Raises TomatoError E-BUS-DOWN, E-EXTRA-REDIS, E-EXTRA-MQTT."""
    require_extra(address)
    try:
        return (_read_redis if address.is_redis else _read_mqtt)(address, password, patience_s)
    except _Down as error:
        raise TomatoError(
            "E-BUS-DOWN",
            f"The broker {address} does not answer: {error}.",
            "start it, or check address, password (its environment variable) and firewall",
        ) from None


def forget_node(address: Address, password: str | None, node: str, patience_s: float = PATIENCE_S) -> None:
    """Remove a node from the list, with all that the broker holds of it.

    Raises TomatoError E-BUS-NODE when the broker knows none of that name, else as `read_fleet`.
    """
    if node not in {report.node for report in read_fleet(address, password, patience_s)}:
        raise TomatoError("E-BUS-NODE", f"The broker {address} knows no node {node[:40]!r}.", "see tomato-host fleet")
    if not address.is_redis:
        _collect(address, password, patience_s, {}, remove_topic=topic(node, SUMMARY))
        return
    from tomato_host.service.bus.redis_transport import open_redis

    client: Any = open_redis(address, password, patience_s)
    with client:
        client.srem(NODES, node)
        client.delete(
            *(
                topic(node, what)
                for what in (*(label for priority in Priority for label in priority.read_labels), SUMMARY, UNHANDLED)
            )
        )


class _Down(Exception):
    """Why a broker cannot be read."""


def _read_redis(address: Address, password: str | None, patience_s: float) -> list[NodeReport]:
    """Ages by the broker's own clock on both sides: neither the node's nor this machine's need be right."""
    from redis.exceptions import RedisError

    from tomato_host.service.bus.redis_transport import open_redis

    client: Any = open_redis(address, password, patience_s)
    try:
        seconds, micros = client.time()
        found = (raw.decode("latin-1") for raw in client.smembers(NODES))
        nodes = sorted(name for name in found if NODE.fullmatch(name))[:MOST_NODES]
        pipe = client.pipeline(transaction=False)
        for node in nodes:
            pipe.xrevrange(topic(node, SUMMARY), count=1)
        now_s = seconds + micros / 1e6
        return [_report(node, entries, now_s) for node, entries in zip(nodes, pipe.execute(), strict=True)]
    except (RedisError, OSError) as error:
        raise _Down(str(error).rstrip(".")[:200] or type(error).__name__) from error
    finally:
        client.close()


def _report(node: str, entries: list[tuple[bytes, dict[bytes, bytes]]], now_s: float) -> NodeReport:
    if not entries:
        return NodeReport(node, 0.0, None)
    entry, fields = entries[0]
    sent_s = int(entry.split(b"-")[0]) / 1000.0
    return NodeReport(node, max(0.0, now_s - sent_s), _summary_for(node, fields.get(b"m", b"")))


def _summary_for(node: str, text: bytes) -> NodeSummary | None:
    """A summary counts only under its own node's name."""
    summary = parse_summary(text)
    return summary if summary is not None and summary.node == node else None


def _read_mqtt(address: Address, password: str | None, patience_s: float) -> list[NodeReport]:
    """Retained summaries carry the node's time, so ages are only as good as both clocks."""
    summaries: dict[str, bytes] = {}
    _collect(address, password, patience_s, summaries)
    now = datetime.now(UTC)
    out = []
    for name, text in sorted(summaries.items())[:MOST_NODES]:
        node = name.split("/")[1]
        summary = _summary_for(node, text)
        age_s = max(0.0, (now - summary.ts).total_seconds()) if summary is not None else 0.0
        if NODE.fullmatch(node):
            out.append(NodeReport(node, age_s, summary))
    return out


def _collect(
    address: Address,
    password: str | None,
    patience_s: float,
    summaries: dict[str, bytes],
    remove_topic: str | None = None,
) -> None:
    """Subscribe, collect what the broker retains, disconnect; `remove_topic` is cleared first."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    state: dict[str, Any] = {"news_s": None, "refused": ""}

    def connected(client: Any, _data: object, _flags: object, reason: Any, _more: object) -> None:
        if reason.is_failure:
            state["refused"] = str(reason)
        else:
            if remove_topic is not None:
                client.publish(remove_topic, b"", qos=1, retain=True)
            client.subscribe(topic("+", SUMMARY), qos=1)

    def subscribed(*_: object) -> None:
        state["news_s"] = time.monotonic()

    def taken(_client: object, _data: object, message: Any) -> None:
        summaries[message.topic] = message.payload
        state["news_s"] = time.monotonic()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, taken
    if address.username:
        client.username_pw_set(address.username, password)
    if address.tls:
        client.tls_set()
    end_s = time.monotonic() + patience_s
    try:
        client.connect_timeout = patience_s
        client.connect(address.host, address.port, keepalive=30)
        while state["news_s"] is None or time.monotonic() - state["news_s"] < QUIET_S:
            if state["refused"] or time.monotonic() > end_s:
                break
            client.loop(0.05)
        client.disconnect()
    except (OSError, ValueError) as error:
        raise _Down(str(error) or type(error).__name__) from error
    if state["news_s"] is None:
        raise _Down(state["refused"] or "no answer in time")
