"""One message: the same bytes under the same topic, whatever carries it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from tomato_host.service.bus.priorities import Rank, rank_of_record

ROOT = "tomato"
NODES = f"{ROOT}/nodes"
"""On Redis the set of all nodes that ever spoke."""
UNHANDLED = "unhandled"
"""The last part of a topic for messages that no consumer of a group could do anything with."""
NODE = re.compile(r"^[a-z0-9_]{1,40}$")


@dataclass(frozen=True, slots=True)
class Message:
    """A record on its way. `id` follows from node and record, so that a repeat is known as one."""

    node: str
    rank: Rank
    id: str
    text: bytes

    @property
    def topic(self) -> str:
        """Where it is told."""
        return topic(self.node, self.rank.word)


def topic(node: str, what: str) -> str:
    """`tomato/<node>/<what>`: an MQTT topic and the key of a Redis stream."""
    return f"{ROOT}/{node}/{what}"


def message_of(node: str, record: dict[str, Any]) -> Message:
    """Wrap one record."""
    told = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(f"{node}\n{told}".encode()).hexdigest()[:24]
    text = f'{{"id":"{digest}","node":"{node}","record":{told}}}'
    return Message(node, rank_of_record(record), digest, text.encode())


def id_of(text: bytes) -> str:
    """The id of a message's text, empty when it is none of ours."""
    found = re.match(rb'\{"id":"([0-9a-f]{24})"', text)
    return found[1].decode() if found else ""
