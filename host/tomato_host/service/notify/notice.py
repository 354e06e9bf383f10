"""From a record to a notice: its level, its key, and what it ends."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.records import AnomalyV1, EventV1, Record

LEVELS = {"INFO": 0, "WARNING": 1, "ALARM": 2}

LEVEL_OF_SEVERITY = {"LOW": "INFO", "MEDIUM": "INFO", "HIGH": "WARNING", "CRITICAL": "ALARM"}
"""The brain itself reacts to HIGH, and switches to safe mode on CRITICAL."""

ENDS = {
    "link_up": "link_down",
    "weather_back": "weather_lost",
    "sensor_back": "sensor_lost",
    "records_stored": "records_waiting",
    "raw_whole": "raw_thinned",
    "fault_cleared": "fault",
    "mode_normal": "mode_safe",
    "mode_caution": "mode_safe",
    "mode_paused": "mode_safe",
}
"""The event on the left ends the one on the right, of the same subject."""

WITH_SUBJECT = frozenset({"fault", "fault_cleared", "sensor_lost", "sensor_back"})
"""Events of the board whose `a` is the fault or sensor."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One condition or event. Two with the same key are the same one again."""

    key: str
    level: str
    kind: str
    text: str
    ends: bool = False
    """True when this is the end of what `key` names."""


def notice_of(record: Record) -> Notice | None:
    """The notice of a record; None for the many kinds that need none."""
    if isinstance(record, AnomalyV1):
        return _of_anomaly(record)
    # Events about notifications must not cause more of them.
    if isinstance(record, EventV1) and record.kind != "notification":
        return _of_event(record)
    return None


def _of_anomaly(anomaly: AnomalyV1) -> Notice:
    about = f" ({anomaly.subject})" if anomaly.subject else ""
    detail = f": {anomaly.detail}" if anomaly.detail else ""
    return Notice(
        key=f"anomaly:{anomaly.type.value}:{anomaly.subject or ''}",
        level=LEVEL_OF_SEVERITY[anomaly.severity.value],
        kind="anomaly",
        text=f"{anomaly.type.value.replace('_', ' ').capitalize()}{about}{detail}",
        ends=anomaly.phase == "CLEARED",
    )


def _of_event(event: EventV1) -> Notice:
    subject = f":{event.data.get('a')}" if event.kind == "board" and event.name in WITH_SUBJECT else ""
    if event.name == "estop":
        return Notice("board:estop", event.level, "board", event.text, ends=not event.data.get("a"))
    return Notice(
        key=f"{event.kind}:{ENDS.get(event.name, event.name)}{subject}",
        level=event.level,
        kind=event.kind,
        text=event.text,
        ends=event.name in ENDS,
    )
