"""Plugs of each make in memory: what they say to what they are sent, with their own timer, and parts that fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

PlugAnswer = list[tuple[str, str]]
"""Topic, or address, and what is published or answered there."""


class SimulatedMake:
    """A relay with an off timer; `now_s` is its clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self.is_on, self.timer_s, self.ends_s, self.on_since_s = False, 0.0, 0.0, 0.0
        self.answers = self.keeps_timer = self.obeys_off = True
        self.longest_on_s = 0.0
        self.log: list[str] = []
        self.writes = 0
        """How often a setting went into its flash."""

    def burns(self) -> bool:
        """Its own timer ends the pulse, whatever anybody says."""
        now_s = self.now_s()
        if self.is_on and 0.0 < self.ends_s <= now_s:
            self.longest_on_s = max(self.longest_on_s, self.ends_s - self.on_since_s)
            self.is_on = False
        if self.is_on:
            self.longest_on_s = max(self.longest_on_s, now_s - self.on_since_s)
        return self.is_on

    @property
    def left_s(self) -> float:
        return max(0.0, self.ends_s - self.now_s()) if self.burns() else 0.0

    def switch(self, on: bool, timer_s: float | None = None) -> None:
        self.burns()
        if not on and not self.obeys_off:
            return
        self.log.append("on" if on else "off")
        self.is_on = on
        if on:
            length_s = self.timer_s if timer_s is None or not self.keeps_timer else timer_s
            self.on_since_s = self.now_s()
            self.ends_s = self.now_s() + length_s if length_s else 0.0

    def arm(self, timer_s: float) -> None:
        self.log.append("arm")
        if self.keeps_timer:
            self.timer_s, self.writes = timer_s, self.writes + 1

    def receive(self, where: str, text: str) -> PlugAnswer:
        """Answers to a message, in their order."""
        self.burns()
        answers = self.obey(where, text)
        return answers if self.answers else []

    def every_second(self) -> PlugAnswer:
        """What it says by itself."""
        return []

    def obey(self, where: str, text: str) -> PlugAnswer:
        raise NotImplementedError


class SimulatedShelly(SimulatedMake):
    """Gen2 and later, prefix `lamp`; its clock is not ours."""

    CLOCK_AHEAD_S: Final = 1.7e9

    def obey(self, where: str, text: str) -> PlugAnswer:
        assert where == "lamp/rpc"
        asked = json.loads(text)
        params, method = asked["params"], asked["method"]
        assert params.pop("id") == 0
        result: dict[str, Any] = {}
        if method == "Switch.SetConfig":
            self.arm(params["config"]["auto_off_delay"] if params["config"]["auto_off"] else 0.0)
            result = {"restart_required": False}
        elif method == "Switch.GetConfig":
            result = {"id": 0, "auto_off": self.timer_s > 0.0, "auto_off_delay": self.timer_s or 60.0}
        elif method == "Switch.Set":
            result = {"was_on": self.is_on}
            self.switch(params["on"], params.get("toggle_after"))
        elif method == "Switch.GetStatus":
            result = {"id": 0, "output": self.is_on, "source": "mqtt"}
            if self.is_on and self.ends_s:
                begun = self.CLOCK_AHEAD_S + self.on_since_s
                result |= {"timer_started_at": begun, "timer_duration": round(self.ends_s - self.on_since_s, 2)}
        answer = {"id": asked["id"], "src": "shellyplugs-1", "dst": asked["src"], "result": result}
        return [(f"{asked['src']}/rpc", json.dumps(answer))]


class SimulatedGen1(SimulatedMake):
    """The first generation: its page, and its topics below `shellies/lamp`. Writes settings only over the page."""

    def obey(self, where: str, text: str) -> PlugAnswer:
        if where == "shellies/lamp/relay/0/command":
            self.switch(text == "on")
            return [("shellies/lamp/relay/0", text)]
        parts = urlsplit(where)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/settings/relay/0":
            if "auto_off" in query:
                self.arm(float(query["auto_off"]))
            return [(where, json.dumps({"name": None, "auto_on": 0.0, "auto_off": self.timer_s}))]
        assert parts.path == "/relay/0"
        if "turn" in query:
            self.switch(query["turn"] == "on", float(query["timer"]) if "timer" in query else None)
        told = {"ison": self.is_on, "has_timer": self.left_s > 0.0, "timer_remaining": self.left_s, "source": "http"}
        return [(where, json.dumps(told))]


class SimulatedEspHome(SimulatedMake):
    """ESPHome with the configuration of docs/mqtt.md, prefix `lamp`."""

    def obey(self, where: str, text: str) -> PlugAnswer:
        if where == "lamp/number/off_after/command":
            self.arm(float(text))
            if self.is_on and self.timer_s:
                self.ends_s = self.now_s() + self.timer_s
            return [("lamp/number/off_after/state", f"{self.timer_s:g}")] if self.keeps_timer else []
        assert where == "lamp/switch/relay/command"
        self.switch(text == "ON")
        return [("lamp/switch/relay/state", "ON" if self.is_on else "OFF")]

    def every_second(self) -> PlugAnswer:
        left = ("lamp/sensor/off_timer_left/state", f"{self.left_s:.0f}")
        return [left] if self.answers and self.keeps_timer else []


MAKES: dict[str, type[SimulatedMake]] = {
    "shelly": SimulatedShelly,
    "shelly_gen1": SimulatedGen1,
    "esphome": SimulatedEspHome,
}
