"""The plugs of an installation over MQTT, in the words of Tasmota, and their latches on the disk.

Tasmota's `PulseTime<n>` is the off timer: values from 112 on are seconds plus 100, 0 is none. Each `POWER<n> ON` starts
it anew. `PulseTime<n>` without a payload is answered with what is set and what is left
(https://tasmota.github.io/docs/Commands/#control).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomato_host.atomic_file import replace_file
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.plug_guard import PlugGuard, PlugOrder, PlugReport
from tomato_host.service.mqtt.settings import PlugSettings

FILE = "plugs.json"
"""In the data directory: the latched plugs, output and reason."""
SECONDS_FROM = 100
"""Tasmota's offset of timers in whole seconds."""
_TOPIC = re.compile(r"(stat|tele)/(?P<plug>[^/]+)/(?P<what>[A-Z0-9]+)")
Json = dict[str, Any]


def read_latches(data_dir: Path) -> dict[str, str]:
    """Output and reason of each latched plug; a file that cannot be read latches nothing away: see `Plugs`."""
    try:
        found = json.loads((data_dir / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"*": f"{FILE} cannot be read"}
    return {str(name): str(reason) for name, reason in found.items()} if isinstance(found, dict) else {"*": "damaged"}


def write_latches(data_dir: Path, latches: dict[str, str]) -> None:
    """Replace the file."""
    replace_file(data_dir / FILE, json.dumps(latches).encode())


def parse_report(what: str, payload: bytes, relay: int) -> PlugReport:
    """A message of the plug: `what` is the last part of its topic. What is not understood says nothing."""
    text = payload.decode("utf-8", "replace").strip()
    if what == "LWT":
        return PlugReport(is_reachable={"Online": True, "Offline": False}.get(text))
    if what in (f"POWER{relay}", "POWER"):
        return PlugReport(is_on=_on(text)) if what == f"POWER{relay}" or relay == 1 else PlugReport()
    if what != "RESULT":
        return PlugReport()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return PlugReport()
    timer = found.get(f"PulseTime{relay}") if isinstance(found, dict) else None
    if not isinstance(timer, dict):
        return PlugReport()
    return PlugReport(timer_s=_seconds(timer.get("Set")), left_s=_seconds(timer.get("Remaining")))


def _on(text: str) -> bool | None:
    return {"ON": True, "OFF": False}.get(text)


def _seconds(value: Any) -> float | None:
    """Tasmota's number as seconds; 0 is no timer."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return 0.1 * value if value <= 111 else float(value - SECONDS_FROM)


class Plugs:
    """All plugs: which output each follows, its messages, its latch."""

    def __init__(
        self, settings: tuple[PlugSettings, ...], data_dir: Path, state: LiveState, monotonic: Callable[[], float]
    ) -> None:
        latches = read_latches(data_dir)
        self._settings = {one.output: one for one in settings}
        self._by_plug = {(one.topic, one.relay): one for one in settings}
        self._data_dir, self._state, self._monotonic = data_dir, state, monotonic
        self._guards = {
            one.output: PlugGuard(one.off_after_s, latches.get(one.output) or latches.get("*", "")) for one in settings
        }
        self._stored = dict(latches)

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        names = dict.fromkeys(one.topic for one in self._settings.values())
        return tuple(f"{kind}/{name}/{what}" for name in names for kind, what in (("stat", "+"), ("tele", "LWT")))

    def reconnected(self) -> None:
        """A new connection to the broker."""
        for guard in self._guards.values():
            guard.reconnected()

    def tick(self) -> list[tuple[str, str]]:
        """Topic and payload of everything to send now."""
        self._read_clears()
        out: list[tuple[str, str]] = []
        for output, guard in self._guards.items():
            out += self._messages(output, guard.tick(self._is_wanted(output), self._monotonic()))
        self._store()
        return out

    def on_message(self, where: str, payload: bytes) -> list[tuple[str, str]] | None:
        """What to send on a message; None when it is not from a plug."""
        match = _TOPIC.fullmatch(where)
        if match is None:
            return None
        out: list[tuple[str, str]] = []
        for (topic, relay), one in self._by_plug.items():
            if topic == match["plug"]:
                report = parse_report(match["what"], payload[:4_096], relay)
                out += self._messages(one.output, self._guards[one.output].report(report, self._monotonic()))
        self._store()
        return out

    def status(self) -> Json:
        """For the deciding loop: state and reason of each."""
        return {name: {"state": guard.state, "reason": guard.reason} for name, guard in self._guards.items()}

    def _is_wanted(self, output: str) -> bool:
        """The board has the output on, and it is known now: the loop sends, and the link is up."""
        devices = self._state.newest.get("device_status_v1", {})
        return bool(
            self._state.alive
            and self._state.status.get("link") == "up"
            and devices.get("mcu_connected")
            and devices.get("outputs", {}).get(output) == "ON"
        )

    def _messages(self, output: str, orders: list[PlugOrder]) -> list[tuple[str, str]]:
        one = self._settings[output]
        timer = f"cmnd/{one.topic}/PulseTime{one.relay}"
        power = f"cmnd/{one.topic}/POWER{one.relay}"
        words = {
            "arm": (timer, str(round(one.off_after_s) + SECONDS_FROM)),
            "on": (power, "ON"),
            "read": (timer, ""),
            "off": (power, "OFF"),
        }
        return [words[order] for order in orders]

    def _store(self) -> None:
        """Each new latch goes to the disk before anything else happens."""
        latches = {name: guard.reason for name, guard in self._guards.items() if guard.state == "LATCHED"}
        if latches != self._stored:
            write_latches(self._data_dir, latches)
            self._stored = latches

    def _read_clears(self) -> None:
        """`tomato-host plugs clear` takes a latch out of the file."""
        if not any(guard.state == "LATCHED" for guard in self._guards.values()):
            return
        held = read_latches(self._data_dir)
        for name, guard in self._guards.items():
            if guard.state == "LATCHED" and name not in held and "*" not in held:
                guard.clear()
                self._stored = held
