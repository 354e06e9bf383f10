"""The plugs of an installation over MQTT: which output each follows, what it is sent, and their latches on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tomato_host.atomic_file import replace_file
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.plug_guard import PlugGuard, PlugOrder, PlugReport
from tomato_host.service.mqtt.plug_protocols import EspHomeProtocol, PlugMessage, PlugProtocol, TasmotaProtocol
from tomato_host.service.mqtt.plug_shelly import ShellyGen1Protocol, ShellyProtocol
from tomato_host.service.mqtt.settings import PlugSettings

FILE = "plugs.json"
"""In the data directory: the latched plugs, output and reason."""
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


def protocol_of(plug: PlugSettings, node: str) -> PlugProtocol:
    """The words of a plug's make."""
    if plug.make == "shelly":
        return ShellyProtocol(plug, node)
    if plug.make == "shelly_gen1":
        return ShellyGen1Protocol(plug)
    return EspHomeProtocol(plug) if plug.make == "esphome" else TasmotaProtocol(plug)


class Plugs:
    """All plugs: which output each follows, its messages, its latch."""

    def __init__(
        self,
        settings: tuple[PlugSettings, ...],
        data_dir: Path,
        state: LiveState,
        monotonic: Callable[[], float],
        node: str = "tomato",
    ) -> None:
        latches = read_latches(data_dir)
        self._protocols = {one.output: protocol_of(one, node) for one in settings}
        self._data_dir, self._state, self._monotonic = data_dir, state, monotonic
        self._guards = {
            one.output: PlugGuard(one.off_after_s, latches.get(one.output) or latches.get("*", "")) for one in settings
        }
        self._stored = dict(latches)

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return tuple(dict.fromkeys(topic for one in self._protocols.values() for topic in one.topics))

    def reconnected(self) -> None:
        """A new connection to the broker."""
        for guard in self._guards.values():
            guard.reconnected()

    def tick(self) -> list[PlugMessage]:
        """Everything to send now."""
        self._read_clears()
        out: list[PlugMessage] = []
        for output, guard in self._guards.items():
            out += self._messages(output, guard.tick(self._is_wanted(output), self._monotonic()))
        self._store()
        return out

    def on_message(self, where: str, payload: bytes, is_retained: bool = False) -> list[PlugMessage] | None:
        """What to send on a message, or on an answer over HTTP; None when it is not from a plug.

        Of a retained message only whether the plug is there counts: its timer may have been another since.
        """
        now_s, out, is_mine = self._monotonic(), list[PlugMessage](), False
        for output, protocol in self._protocols.items():
            report = protocol.parse(where, payload[:4_096], now_s)
            if report is None:
                continue
            is_mine = True
            if is_retained:
                report = PlugReport(is_reachable=report.is_reachable)
            out += self._messages(output, self._guards[output].report(report, now_s))
        self._store()
        return out if is_mine else None

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

    def _messages(self, output: str, orders: list[PlugOrder]) -> list[PlugMessage]:
        return [message for order in orders for message in self._protocols[output].messages(order)]

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
