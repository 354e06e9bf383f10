"""Shelly plugs: Gen2 and later by RPC over MQTT, Gen1 by its HTTP interface, with its state over MQTT.

Both have two timers: `auto_off`, a setting that ends whatever switched the plug on, and the timer of one switching
(`toggle_after`, Gen1 `timer`). The first is what is armed and read back before ON; the second goes with ON, and what it
has left is read back after it. The setting is written only where it differs: it lies in the plug's flash.
"""

from __future__ import annotations

import json
from typing import Any, Final

from tomato_host.service.mqtt.plug_guard import PlugOrder, PlugReport
from tomato_host.service.mqtt.plug_protocols import NOTHING_SAID, PlugMessage, json_object, seconds_or_none
from tomato_host.service.mqtt.settings import PlugSettings

SET_CONFIG: Final = 1
GET_CONFIG: Final = 2
SET: Final = 3
GET_STATUS: Final = 4
"""Numbers of the requests, by which their answers are known."""


class ShellyProtocol:
    """Gen2 and later (https://shelly-api-docs.shelly.cloud/gen2/ComponentsAndServices/Switch).

    Requests go to `<prefix>/rpc`, answers come to `<src>/rpc`. `Switch.GetStatus` gives the timer's begin by the plug's
    clock and its length; what is left is counted from the moment at which that begin was first seen.
    """

    def __init__(self, plug: PlugSettings, node: str) -> None:
        self._prefix, self._id, self._off_after_s = plug.topic, plug.relay - 1, plug.off_after_s
        self._src = f"tomato_{node}_{plug.output}"
        self._is_set = False
        self._begun: tuple[float, float] | None = None
        """The timer's begin as the plug reports it, and when that was first seen."""

    @property
    def topics(self) -> tuple[str, ...]:
        return f"{self._src}/rpc", f"{self._prefix}/online", f"{self._prefix}/status/switch:{self._id}"

    def messages(self, order: PlugOrder) -> list[PlugMessage]:
        if order == "arm":
            config = {"auto_off": True, "auto_off_delay": self._off_after_s}
            write = [] if self._is_set else [self._request(SET_CONFIG, "Switch.SetConfig", config=config)]
            return [*write, self._request(GET_CONFIG, "Switch.GetConfig")]
        status = self._request(GET_STATUS, "Switch.GetStatus")
        if order == "read":
            return [status]
        if order == "on":
            return [self._request(SET, "Switch.Set", on=True, toggle_after=self._off_after_s)]
        return [self._request(SET, "Switch.Set", on=False), status]

    def parse(self, where: str, payload: bytes, now_s: float) -> PlugReport | None:
        if where == f"{self._prefix}/online":
            return PlugReport(is_reachable={b"true": True, b"false": False}.get(payload.strip()))
        if where == f"{self._prefix}/status/switch:{self._id}":
            return PlugReport(is_on=_flag(json_object(payload).get("output")))
        if where != f"{self._src}/rpc":
            return None
        answer = json_object(payload)
        if isinstance(error := answer.get("error"), dict):
            return PlugReport(refusal=str(error.get("message") or error.get("code"))[:100])
        result = answer.get("result")
        if not isinstance(result, dict):
            return NOTHING_SAID
        if answer.get("id") == GET_CONFIG:
            timer_s = _setting(result.get("auto_off"), result.get("auto_off_delay"))
            self._is_set = timer_s == self._off_after_s
            return PlugReport(timer_s=timer_s)
        return self._status(result, now_s) if answer.get("id") == GET_STATUS else NOTHING_SAID

    def _status(self, result: dict[str, Any], now_s: float) -> PlugReport:
        is_on = _flag(result.get("output"))
        begun, length_s = seconds_or_none(result.get("timer_started_at")), seconds_or_none(result.get("timer_duration"))
        if begun is None or length_s is None:
            return PlugReport(is_on=is_on, left_s=0.0)
        if self._begun is None or self._begun[0] != begun:
            self._begun = begun, now_s
        return PlugReport(is_on=is_on, left_s=max(0.0, length_s - (now_s - self._begun[1])))

    def _request(self, number: int, method: str, **params: Any) -> PlugMessage:
        asked = {"id": number, "src": self._src, "method": method, "params": {"id": self._id, **params}}
        return f"{self._prefix}/rpc", json.dumps(asked)


class ShellyGen1Protocol:
    """The first generation (https://shelly-api-docs.shelly.cloud/gen1): over MQTT it neither takes nor reports a timer.

    `/settings/relay/<n>` holds `auto_off`, `/relay/<n>?turn=on&timer=<s>` switches with a timer and answers with what
    is left. Its own topics report the state, and take OFF once more.
    """

    def __init__(self, plug: PlugSettings) -> None:
        self._relay, self._off_after_s = plug.relay - 1, plug.off_after_s
        self._state = f"shellies/{plug.topic}/relay/{self._relay}"
        self._online = f"shellies/{plug.topic}/online"
        page = (plug.url or "").rstrip("/")
        self._at = f"{page}/relay/{self._relay}"
        self._setting_at = f"{page}/settings/relay/{self._relay}"
        self._is_set = False

    @property
    def topics(self) -> tuple[str, ...]:
        return self._state, self._online

    def messages(self, order: PlugOrder) -> list[PlugMessage]:
        if order == "arm":
            write = "" if self._is_set else f"?auto_off={self._off_after_s:g}"
            return [(f"{self._setting_at}{write}", "")]
        if order == "read":
            return [(self._at, "")]
        if order == "on":
            return [(f"{self._at}?turn=on&timer={self._off_after_s:g}", "")]
        return [(f"{self._state}/command", "off"), (f"{self._at}?turn=off", "")]

    def parse(self, where: str, payload: bytes, now_s: float) -> PlugReport | None:
        place = where.partition("?")[0]
        if place == self._online:
            return PlugReport(is_reachable={b"true": True, b"false": False}.get(payload.strip()))
        if place == self._state:
            return PlugReport(is_on={b"on": True, b"off": False}.get(payload.strip()))
        answer = json_object(payload)
        if place == self._setting_at:
            timer_s = seconds_or_none(answer.get("auto_off"))
            self._is_set = timer_s == self._off_after_s
            return PlugReport(timer_s=timer_s)
        if place != self._at:
            return None
        left_s = seconds_or_none(answer.get("timer_remaining")) if answer.get("has_timer") else 0.0
        return PlugReport(is_on=_flag(answer.get("ison")), left_s=left_s if "ison" in answer else None)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _setting(is_on: Any, delay_s: Any) -> float | None:
    """The timer that a setting says; 0 is none."""
    if not isinstance(is_on, bool):
        return None
    return seconds_or_none(delay_s) if is_on else 0.0
