"""What a message on a command topic asks for, or why it is refused. Pure: the clock is given."""

from __future__ import annotations

import json
import uuid
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from shared_schemas.devices import LAMP, PUMP
from shared_schemas.records.action_v1 import ActionType, ActionV1, Params, Why
from tomato_host.commands.inbox import Request, new_request
from tomato_host.service.mqtt.payloads import DOSE_ML

DURABLE = timedelta(seconds=60)
LAMP_S = 3_600.0
FUTURE_S = 5.0
"""How far another clock may be ahead."""
LARGEST_BYTES = 1_000
MODES: dict[str, Literal["PAUSED", "SAFE", "NORMAL"]] = {"pause": "PAUSED", "safe": "SAFE", "resume": "NORMAL"}
"""The mode that a command asks for; it ends by itself after an hour."""


@dataclass(frozen=True, slots=True)
class CommandRefusal:
    """The command is not carried out; `text` says why."""

    text: str


@dataclass(frozen=True, slots=True)
class SetDose:
    """The amount that the next press of the button gives; by itself it switches nothing."""

    ml: float


class CommandParser:
    """Parses messages; remembers the last ones, because QoS 1 may deliver one twice."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._seen: deque[tuple[str, bytes]] = deque(maxlen=200)
        self.dose_ml = 30.0

    def parse(self, name: str, payload: bytes, retained: bool, now: datetime) -> Request | SetDose | CommandRefusal:
        """The request in one message, a new dose, or a refusal."""
        if retained:
            return CommandRefusal("retained: a command is valid only at the moment it is given")
        if len(payload) > LARGEST_BYTES:
            return CommandRefusal("too large")
        try:
            message = json.loads(payload)
            moment = datetime.fromisoformat(message["ts"])
            age_s = (now - moment).total_seconds()
            value = str(message.get("value", ""))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return CommandRefusal('not understood; the form is {"value": "...", "ts": "<time with offset>"}')
        if not -FUTURE_S <= age_s <= self._max_age_s:
            return CommandRefusal(f"stale: {age_s:.0f} s old, at most {self._max_age_s:g} s; are both clocks right?")
        if (name, payload) in self._seen:
            return CommandRefusal("delivered twice; carried out once")
        self._seen.append((name, payload))
        return self._dose(value) if name == "dose" else self._request(name, now)

    def restore_dose(self, payload: bytes) -> None:
        """The amount that this host, or an earlier process of it, has left on the broker; anything else is ignored."""
        try:
            ml = float(payload)
        except ValueError:
            return
        if DOSE_ML[0] <= ml <= DOSE_ML[1]:
            self.dose_ml = ml

    def _dose(self, value: str) -> SetDose | CommandRefusal:
        try:
            ml = float(value)
        except ValueError:
            ml = -1.0
        if not DOSE_ML[0] <= ml <= DOSE_ML[1]:
            return CommandRefusal(f"a dose is {DOSE_ML[0]} to {DOSE_ML[1]} ml")
        self.dose_ml = ml
        return SetDose(ml)

    def _request(self, name: str, now: datetime) -> Request | CommandRefusal:
        reason = f"mqtt: {name}"
        if name == "water":
            return _action(PUMP.action, Params(ml=self.dose_ml), reason, now)
        if name == "lamp_on":
            return _action(LAMP.action, Params(state="ON", seconds=LAMP_S), reason, now)
        if name == "lamp_off":
            return _action(LAMP.action, Params(state="OFF"), reason, now)
        if name in MODES:
            return new_request("mode", reason, mode=MODES[name], until=now + timedelta(hours=1))
        return CommandRefusal("unknown command")


def _action(kind: str, params: Params, reason: str, now: datetime) -> Request:
    action = ActionV1(
        schema_version="action_v1",
        ts=now.astimezone(UTC),
        type=ActionType(kind),
        params=params,
        origin="mqtt",
        id=f"mqtt-{uuid.uuid4().hex}",
        not_after=now + DURABLE,
        why=Why(text=reason, objective_hint="requested by an operator"),
    )
    return new_request("action", reason, action=action)
