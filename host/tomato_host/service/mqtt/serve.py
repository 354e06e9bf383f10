"""The MQTT process: `python -m tomato_host.service.mqtt.serve`, fed by the deciding loop like the dashboard."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import structlog
from paho.mqtt.subscribeoptions import SubscribeOptions

from tomato_host.commands.inbox import Request, submit, wait_reply
from tomato_host.errors import TomatoError
from tomato_host.service.bus.intake import Intake
from tomato_host.service.bus.message import topic
from tomato_host.service.bus.node_summary import card_of
from tomato_host.service.mqtt.commands import Commands, Refusal, SetDose
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.mqtt.words import board_online, discovery, state, topics
from tomato_host.service.present import Present
from tomato_host.service.process_priority import give_way

TELL_EVERY_S = 10.0
LOOK_EVERY_S = 0.5
PATIENCE_S = 5.0
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
KEEPALIVE_S = 15
"""After one and a half times this the broker declares a silent host offline."""
_log = structlog.get_logger("mqtt")


class Bridge:
    """One connection after the other to one broker."""

    def __init__(self, settings: MqttSettings, data_dir: Path, present: Present) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._present = present
        self._commands = Commands(settings.command_max_age_s)
        self._where = topics(settings.node, settings.discovery_prefix)
        self._told: dict[str, str] = {}
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Connect again and again until cancelled."""
        failures = 0
        while True:
            try:
                async with self._client() as client:
                    failures = 0
                    _log.info("connected", broker=self._settings.host)
                    await self._serve(client)
            except aiomqtt.MqttError as error:
                _log.warning("the broker does not answer", broker=self._settings.host, why=str(error))
            await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
            failures += 1

    # -- inside ------------------------------------------------------------------------------------------------

    def _client(self) -> aiomqtt.Client:
        s = self._settings
        return aiomqtt.Client(
            s.host,
            s.port,
            username=s.username or None,
            password=os.environ.get(s.password_from) or None,
            identifier=f"tomato-{s.node}",
            keepalive=KEEPALIVE_S,
            timeout=10.0,
            # Version 5 tells a retained message also to those already there, and keeps no commands for a host away.
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=ssl.create_default_context() if s.tls else None,
            will=aiomqtt.Will(self._where.host, "offline", qos=1, retain=True),
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        self._told.clear()
        await client.subscribe(self._where.birth, qos=1)
        if self._settings.commands:
            await client.subscribe(f"{self._where.command}+", options=SubscribeOptions(qos=1, retainAsPublished=True))
        telling = asyncio.create_task(self._tell_for_ever(client))
        hearing = asyncio.create_task(self._hear_for_ever(client))
        try:
            done, _ = await asyncio.wait({telling, hearing}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            await client.publish(self._where.host, "offline", qos=1, retain=True)
            raise
        finally:
            telling.cancel()
            hearing.cancel()

    async def _tell_for_ever(self, client: aiomqtt.Client) -> None:
        loop, last_s = asyncio.get_running_loop(), float("-inf")
        while True:
            await self._tell_changes(client)
            if loop.time() - last_s >= TELL_EVERY_S or "state" not in self._told:
                last_s, self._told["state"] = loop.time(), ""
                text = json.dumps(state(self._present, self._commands.dose_ml))
                await client.publish(self._where.state, text, qos=0)
                await self._show_card(client)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _show_card(self, client: aiomqtt.Client) -> None:
        """For `tomato-host fleet`; kept by the broker, and known as old by the moment it names."""
        dropped = self._present.status.get("feeds", {}).get("mqtt", {}).get("dropped", {})
        card = card_of(self._present, self._settings.node, dropped)
        if card is not None:
            await client.publish(topic(self._settings.node, "card"), card.model_dump_json(), qos=1, retain=True)

    async def _tell_changes(self, client: aiomqtt.Client) -> None:
        """Retained words, each only when it changed; the description before the availability."""
        seen = self._present.newest.get("observation_v1", {})
        probes = sorted(probe["id"] for probe in seen.get("soil", ()))
        s = self._settings
        words = {
            self._where.discovery: json.dumps(discovery(s.node, s.discovery_prefix, probes, s.commands)),
            self._where.board: "online" if board_online(self._present) else "offline",
            self._where.host: "online",
        }
        for where, text in words.items():
            if self._told.get(where) != text:
                await client.publish(where, text, qos=1, retain=True)
                self._told[where] = text

    async def _hear_for_ever(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
            topic = message.topic.value
            if topic == self._where.birth:
                if payload == b"online":
                    self._told.clear()  # Home Assistant has started: everything is told anew
            elif payload:
                await self._heed(client, topic, payload, bool(message.retain))

    async def _heed(self, client: aiomqtt.Client, topic: str, payload: bytes, retained: bool) -> None:
        name = topic.removeprefix(self._where.command)
        wanted = self._commands.read(name, payload, retained, datetime.now(UTC))
        if retained:
            await client.publish(topic, b"", qos=1, retain=True)  # so that it lies in wait for nobody
        if isinstance(wanted, Refusal):
            await self._answer(client, name, False, f"refused: {wanted.text}")
        elif isinstance(wanted, SetDose):
            self._told.pop("state", None)
            await self._answer(client, name, True, f"a press of the button gives {wanted.ml:g} ml")
        else:
            task = asyncio.create_task(self._ask(client, name, wanted))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _ask(self, client: aiomqtt.Client, name: str, request: Request) -> None:
        """Through the same inbox and door as everybody."""
        try:
            await asyncio.to_thread(submit, self._data_dir, request)
            reply = await asyncio.to_thread(wait_reply, self._data_dir, request, PATIENCE_S)
            ok, text = reply.ok, reply.text
        except TomatoError as error:
            ok, text = False, error.message
        try:
            await self._answer(client, name, ok, text)
        except aiomqtt.MqttError:
            _log.warning("an answer was lost with the broker", command=name)

    async def _answer(self, client: aiomqtt.Client, name: str, ok: bool, text: str) -> None:
        told = {"command": name, "ok": ok, "text": text[:500], "ts": datetime.now(UTC).isoformat()}
        await client.publish(self._where.answer, json.dumps(told), qos=1)


async def _hear(fd: int, present: Present) -> None:
    """Take in the deciding loop's lines until it hangs up."""
    present.connected = True
    async for line in (await Intake.open(fd)).lines():
        present.take(line)
    present.connected = False


async def serve(settings: MqttSettings, data_dir: Path, fd: int) -> None:
    """Run until the host hangs up or SIGTERM."""
    present = Present()
    bridge = asyncio.create_task(Bridge(settings, data_dir, present).run())
    feed = asyncio.create_task(_hear(fd, present))
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({bridge, feed, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in (bridge, feed, waiting):
        task.cancel()
    await asyncio.gather(bridge, feed, waiting, return_exceptions=True)


def main() -> None:
    """As started by the feed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--settings", default="{}", help="MqttSettings as JSON")
    args = parser.parse_args()
    give_way()
    settings = MqttSettings.model_validate_json(args.settings)
    asyncio.run(serve(settings, args.data_dir, int(os.environ["TOMATO_FEED_FD"])))


if __name__ == "__main__":
    main()
