"""What a plug is sent and what it says, in the words of each make; the rule for them all is `plug_guard.py`.

Each protocol turns an order of the guard into messages, and a message of the plug into a report. Where a message goes
begins with `http://` or is a topic. What a message does not say for sure is None in its report, and a missing report
latches the plug: a protocol can be wrong about a plug only towards OFF.
"""

from __future__ import annotations

import json
import re
from typing import Any, Protocol

from tomato_host.service.mqtt.plug_guard import PlugOrder, PlugReport
from tomato_host.service.mqtt.settings import PlugSettings

PlugMessage = tuple[str, str]
"""Where to, and the payload."""
SECONDS_FROM = 100
"""Tasmota's offset of timers in whole seconds."""
PAGES = ("http://", "https://")
NOTHING_SAID = PlugReport()


class PlugProtocol(Protocol):
    """The words of one plug."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""

    def messages(self, order: PlugOrder) -> list[PlugMessage]:
        """What to send for an order, in its order."""

    def parse(self, where: str, payload: bytes, now_s: float) -> PlugReport | None:
        """What a message says; None when it is not of this plug. Never raises."""


def json_object(payload: bytes) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def seconds_or_none(value: Any) -> float | None:
    """A plain number of seconds that is not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value < float("inf"):
        return None
    return float(value)


class TasmotaProtocol:
    """Tasmota over MQTT.

    `PulseTime<n>` is the off timer: values from 112 on are seconds plus 100, 0 is none. Each `POWER<n> ON` starts it
    anew. `PulseTime<n>` without a payload is answered with what is set and what is left
    (https://tasmota.github.io/docs/Commands/#control).
    """

    _TOPIC = re.compile(r"(stat|tele)/(?P<plug>[^/]+)/(?P<what>[A-Z0-9]+)")

    def __init__(self, plug: PlugSettings) -> None:
        self._plug = plug

    @property
    def topics(self) -> tuple[str, ...]:
        return f"stat/{self._plug.topic}/+", f"tele/{self._plug.topic}/LWT"

    def messages(self, order: PlugOrder) -> list[PlugMessage]:
        timer = f"cmnd/{self._plug.topic}/PulseTime{self._plug.relay}"
        power = f"cmnd/{self._plug.topic}/POWER{self._plug.relay}"
        words: dict[PlugOrder, PlugMessage] = {
            "arm": (timer, str(round(self._plug.off_after_s) + SECONDS_FROM)),
            "on": (power, "ON"),
            "read": (timer, ""),
            "off": (power, "OFF"),
        }
        return [words[order]]

    def parse(self, where: str, payload: bytes, now_s: float) -> PlugReport | None:
        match = self._TOPIC.fullmatch(where)
        if match is None or match["plug"] != self._plug.topic:
            return None
        what, relay, text = match["what"], self._plug.relay, payload.decode("utf-8", "replace").strip()
        if what == "LWT":
            return PlugReport(is_reachable={"Online": True, "Offline": False}.get(text))
        if what == f"POWER{relay}" or (what == "POWER" and relay == 1):
            return PlugReport(is_on={"ON": True, "OFF": False}.get(text))
        timer = json_object(payload).get(f"PulseTime{relay}") if what == "RESULT" else None
        if not isinstance(timer, dict):
            return NOTHING_SAID
        return PlugReport(timer_s=self._seconds(timer.get("Set")), left_s=self._seconds(timer.get("Remaining")))

    @staticmethod
    def _seconds(value: Any) -> float | None:
        """Tasmota's number as seconds; 0 is no timer."""
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return 0.1 * value if value <= 111 else float(value - SECONDS_FROM)


class EspHomeProtocol:
    """ESPHome over MQTT, with an off timer that the device's configuration must have (docs/mqtt.md has it).

    Entities `relay` (switch), `off_after` (number, s) and `off_timer_left` (sensor, s); those of relay 2 end in `_2`.
    Topics are `<prefix>/<kind>/<entity>/state` and `/command` (https://esphome.io/components/mqtt.html). A device
    without the number or the sensor never reports its timer, so it is never switched on.
    """

    def __init__(self, plug: PlugSettings) -> None:
        self._off_after_s = plug.off_after_s
        ending = "" if plug.relay == 1 else f"_{plug.relay}"
        self._online = f"{plug.topic}/status"
        self._switch = f"{plug.topic}/switch/relay{ending}"
        self._timer = f"{plug.topic}/number/off_after{ending}"
        self._left = f"{plug.topic}/sensor/off_timer_left{ending}"

    @property
    def topics(self) -> tuple[str, ...]:
        return self._online, f"{self._switch}/state", f"{self._timer}/state", f"{self._left}/state"

    def messages(self, order: PlugOrder) -> list[PlugMessage]:
        if order == "arm":
            return [(f"{self._timer}/command", f"{self._off_after_s:g}")]
        if order == "read":  # it reports what is left every second by itself
            return []
        return [(f"{self._switch}/command", order.upper())]

    def parse(self, where: str, payload: bytes, now_s: float) -> PlugReport | None:
        text = payload.decode("utf-8", "replace").strip()
        if where == self._online:
            return PlugReport(is_reachable={"online": True, "offline": False}.get(text))
        if where == f"{self._switch}/state":
            return PlugReport(is_on={"ON": True, "OFF": False}.get(text))
        if where == f"{self._timer}/state":
            return PlugReport(timer_s=self._number(text))
        return PlugReport(left_s=self._number(text)) if where == f"{self._left}/state" else None

    @staticmethod
    def _number(text: str) -> float | None:
        try:
            return seconds_or_none(float(text))
        except ValueError:
            return None
