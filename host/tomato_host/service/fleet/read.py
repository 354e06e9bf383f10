"""Ask a broker for the newest card of every node. Libraries are loaded here, when somebody asks."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.service.bus.address import Address
from tomato_host.service.bus.message import NODE, NODES, UNHANDLED, topic
from tomato_host.service.bus.node_summary import Card, read_card
from tomato_host.service.bus.priorities import Rank
from tomato_host.service.bus.transport import require_extra
from tomato_host.service.fleet.rows import Heard

PATIENCE_S = 3.0
QUIET_S = 0.4
"""On MQTT: when nothing more came for so long, all kept cards are here."""
MOST_NODES = 1_000


def read_fleet(address: Address, password: str | None, patience_s: float = PATIENCE_S) -> list[Heard]:
    """Everything that the broker knows, at once. Raises TomatoError E-BUS-DOWN, E-EXTRA-REDIS, E-EXTRA-MQTT."""
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
    """Take a node that is no more off the list, with all that the broker keeps of it.

    Raises TomatoError E-BUS-NODE when the broker knows none of that name, else as `read_fleet`.
    """
    if node not in {heard.node for heard in read_fleet(address, password, patience_s)}:
        raise TomatoError("E-BUS-NODE", f"The broker {address} knows no node {node[:40]!r}.", "see tomato-host fleet")
    if not address.is_redis:
        _collect(address, password, patience_s, {}, farewell=topic(node, "card"))
        return
    from tomato_host.service.bus.redis_client import open_redis

    client: Any = open_redis(address, password, patience_s)
    with client:
        client.srem(NODES, node)
        client.delete(*(topic(node, what) for what in (*(rank.word for rank in Rank), "card", UNHANDLED)))


class _Down(Exception):
    """Why a broker cannot be read."""


def _read_redis(address: Address, password: str | None, patience_s: float) -> list[Heard]:
    """Ages by the broker's own clock on both sides: neither the node's nor ours need be right."""
    from redis.exceptions import RedisError

    from tomato_host.service.bus.redis_client import open_redis

    client: Any = open_redis(address, password, patience_s)
    try:
        seconds, micros = client.time()
        found = (raw.decode("latin-1") for raw in client.smembers(NODES))
        nodes = sorted(name for name in found if NODE.fullmatch(name))[:MOST_NODES]
        pipe = client.pipeline(transaction=False)
        for node in nodes:
            pipe.xrevrange(topic(node, "card"), count=1)
        now_s = seconds + micros / 1e6
        return [_heard(node, entries, now_s) for node, entries in zip(nodes, pipe.execute(), strict=True)]
    except (RedisError, OSError) as error:
        raise _Down(str(error).rstrip(".")[:200] or type(error).__name__) from error
    finally:
        client.close()


def _heard(node: str, entries: list[tuple[bytes, dict[bytes, bytes]]], now_s: float) -> Heard:
    if not entries:
        return Heard(node, 0.0, None)
    entry, fields = entries[0]
    told_s = int(entry.split(b"-")[0]) / 1000.0
    return Heard(node, max(0.0, now_s - told_s), _card_for(node, fields.get(b"m", b"")))


def _card_for(node: str, text: bytes) -> Card | None:
    """A card counts only under its own name."""
    card = read_card(text)
    return card if card is not None and card.node == node else None


def _read_mqtt(address: Address, password: str | None, patience_s: float) -> list[Heard]:
    """Kept cards carry the node's time, so ages are only as good as both clocks."""
    cards: dict[str, bytes] = {}
    _collect(address, password, patience_s, cards)
    now = datetime.now(UTC)
    out = []
    for name, text in sorted(cards.items())[:MOST_NODES]:
        node = name.split("/")[1]
        card = _card_for(node, text)
        age_s = max(0.0, (now - card.ts).total_seconds()) if card is not None else 0.0
        if NODE.fullmatch(node):
            out.append(Heard(node, age_s, card))
    return out


def _collect(
    address: Address, password: str | None, patience_s: float, cards: dict[str, bytes], farewell: str | None = None
) -> None:
    """Subscribe, take what the broker keeps, leave; a kept text that nobody shall find any more is emptied before."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    state: dict[str, Any] = {"news_s": None, "refused": ""}

    def connected(client: Any, _data: object, _flags: object, reason: Any, _more: object) -> None:
        if reason.is_failure:
            state["refused"] = str(reason)
        else:
            if farewell is not None:
                client.publish(farewell, b"", qos=1, retain=True)
            client.subscribe(topic("+", "card"), qos=1)

    def subscribed(*_: object) -> None:
        state["news_s"] = time.monotonic()

    def taken(_client: object, _data: object, message: Any) -> None:
        cards[message.topic] = message.payload
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
