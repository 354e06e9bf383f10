"""Messages of the bus: priority, topic, id and bytes, the same for every transport."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

ROOT = "tomato"
NODES = f"{ROOT}/nodes"
"""On Redis the set of all nodes that ever published."""
UNHANDLED = "unhandled"
"""The last part of a topic for messages that no consumer of a group could process."""
SUMMARY = "card"
"""The last part of a node summary's topic; a fixed name of the interface."""
NODE = re.compile(r"^[a-z0-9_]{1,40}$")


class Priority(IntEnum):
    """Lower numbers are sent first; each has a queue of its own, so that none can displace another."""

    ALARM = 0
    ACTION = 1
    TELEMETRY = 2

    @property
    def label(self) -> str:
        """As it stands in topics, in metric labels and in counts."""
        return self.name.lower()

    @property
    def read_labels(self) -> tuple[str, ...]:
        """The label and, for a season, the one that nodes of 0.1 write: readers accept both."""
        return (self.label, OLD_ACTION_LABEL) if self is Priority.ACTION else (self.label,)


OLD_ACTION_LABEL = "deed"
"""What nodes of 0.1 call the topic and the counts of Priority.ACTION."""

PRIORITY_OF = {
    "anomaly_v1": Priority.ALARM,
    "action_v1": Priority.ACTION,
    "plan_v1": Priority.ACTION,
    "event_v1": Priority.ACTION,
    "journal_v1": Priority.ACTION,
}
"""Kinds of records; everything not named here is telemetry. An event of level ALARM is an alarm."""


@dataclass(frozen=True, slots=True)
class BusMessage:
    """A record to be published. `id` follows from node and record, so that a repeat is known as one."""

    node: str
    priority: Priority
    id: str
    text: bytes

    @property
    def topic(self) -> str:
        """Where it is published."""
        return topic(self.node, self.priority.label)


def topic(node: str, what: str) -> str:
    """`tomato/<node>/<what>`: an MQTT topic and the key of a Redis stream."""
    return f"{ROOT}/{node}/{what}"


def message_of(node: str, record: dict[str, Any]) -> BusMessage:
    """Wrap one record."""
    payload = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(f"{node}\n{payload}".encode()).hexdigest()[:24]
    text = f'{{"id":"{digest}","node":"{node}","record":{payload}}}'
    return BusMessage(node, priority_of_record(record), digest, text.encode())


def id_of(text: bytes) -> str:
    """The id of a message's text, empty when the text is not a message of the bus."""
    found = re.match(rb'\{"id":"([0-9a-f]{24})"', text)
    return found[1].decode() if found else ""


def priority_of(kind: str, level: str | None = None) -> Priority:
    """The priority of a record by its schema version and, for events, its level."""
    if kind == "event_v1" and level == "ALARM":
        return Priority.ALARM
    return PRIORITY_OF.get(kind, Priority.TELEMETRY)


def priority_of_record(record: dict[str, Any]) -> Priority:
    """The same for a record as JSON."""
    return priority_of(str(record.get("schema_version", "")), record.get("level"))
