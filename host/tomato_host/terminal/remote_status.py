"""A running host's status, read back from what its dashboard serves, so that the same panel draws it elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from shared_schemas.records import ActionV1, AnomalyV1, DeviceStatusV1, EventV1, ObservationV1, Record
from tomato_host.loop.live_values import UNKNOWN, LiveValues
from tomato_host.loop.status import Pulse, Status

Json = Mapping[str, Any]
_Kind = TypeVar("_Kind", bound=Record)
NO_HOST = "no host"


def parse_glance(glance: Json) -> tuple[Status, LiveValues]:
    """Status and present values of `GET /api/glance`. Values of a host that no longer sends are unknown."""
    told: Json = glance["status"]
    now = _moment(told.get("now")) or datetime.now(UTC)
    alive = bool(glance["feed"]["connected"])
    status = Status(_moment(told.get("started_at")) or now, now)
    status.link = told.get("link", "unknown") if alive else NO_HOST
    status.mode, status.mode_reason = told.get("mode", "UNKNOWN"), told.get("mode_reason") or ""
    status.link_detail = told.get("link_detail") or ""
    status.dashboard = told.get("dashboard") or ""
    status.next_decision_at = _moment(told.get("next_decision_at"))
    status.jobs = {name: _moment(end) for name, end in told.get("jobs", {}).items()}
    status.pulses.extend(Pulse(**{**pulse, "ts": _moment(pulse["ts"])}) for pulse in told.get("pulses", ()))
    status.observation = _read(ObservationV1, glance["observation"]) if glance["observation"] else None
    status.devices = _read(DeviceStatusV1, glance["devices"]) if glance["devices"] else None
    status.actions.extend(_read(ActionV1, one) for one in glance["actions"])
    status.events.extend(_read(EventV1, one) for one in glance["events"])
    anomalies = (_read(AnomalyV1, one) for one in glance["anomalies"])
    status.open_anomalies = {f"{one.type}:{one.subject}": one for one in anomalies}
    for name, count in told.get("tally", {}).items():
        setattr(status.tally, name, count)
    return status, cast(LiveValues, glance["live"]) or UNKNOWN


def _read(kind: type[_Kind], found: Json) -> _Kind:
    """A record; from JSON, whose lists are tuples to it."""
    return kind.model_validate_json(json.dumps(found))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
