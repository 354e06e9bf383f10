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
from tomato_host.service.bus.message import SUMMARY, topic
from tomato_host.service.bus.node_summary import summarize_node
from tomato_host.service.live_state import FeedReader, LiveState
from tomato_host.service.mqtt.commands import CommandParser, CommandRefusal, SetDose
from tomato_host.service.mqtt.payloads import board_online, discovery, state_payload, topics
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.service.process_priority import lower_priority

STATE_EVERY_S = 10.0
CHANGES_EVERY_S = 0.5
PATIENCE_S = 5.0
RECONNECT_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0)
KEEPALIVE_S = 15
"""After one and a half times this the broker declares a silent host offline."""
_log = structlog.get_logger("mqtt")


class MqttBridge:
    """One connection after the other to one broker."""

    def __init__(self, settings: MqttSettings, data_dir: Path, state: LiveState) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._state = state
        self._commands = CommandParser(settings.command_max_age_s)
        self._topics = topics(settings.node, settings.discovery_prefix)
        self._published: dict[str, str] = {}
        self._requests: set[asyncio.Task[None]] = set()

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
            await asyncio.sleep(RECONNECT_DELAYS_S[min(failures, len(RECONNECT_DELAYS_S) - 1)])
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
            # Version 5 marks retained messages for connected clients, too, and queues no commands for an absent host.
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=ssl.create_default_context() if s.tls else None,
            will=aiomqtt.Will(self._topics.host, "offline", qos=1, retain=True),
        )

    async def _serve(self, client: aiomqtt.Client) -> None:
        self._published.clear()
        await client.subscribe(self._topics.birth, qos=1)
        if self._settings.commands:
            await client.subscribe(f"{self._topics.command}+", options=SubscribeOptions(qos=1, retainAsPublished=True))
        publishing = asyncio.create_task(self._publish_forever(client))
        receiving = asyncio.create_task(self._receive_forever(client))
        try:
            done, _ = await asyncio.wait({publishing, receiving}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except asyncio.CancelledError:
            await client.publish(self._topics.host, "offline", qos=1, retain=True)
            raise
        finally:
            publishing.cancel()
            receiving.cancel()

    async def _publish_forever(self, client: aiomqtt.Client) -> None:
        loop, last_s = asyncio.get_running_loop(), float("-inf")
        while True:
            await self._publish_changes(client)
            if loop.time() - last_s >= STATE_EVERY_S or "state" not in self._published:
                last_s, self._published["state"] = loop.time(), ""
                text = json.dumps(state_payload(self._state, self._commands.dose_ml))
                await client.publish(self._topics.state, text, qos=0)
                await self._publish_summary(client)
            await asyncio.sleep(CHANGES_EVERY_S)

    async def _publish_summary(self, client: aiomqtt.Client) -> None:
        """For `tomato-host fleet`; retained by the broker, its age is known from its own time."""
        dropped = self._state.status.get("feeds", {}).get("mqtt", {}).get("dropped", {})
        summary = summarize_node(self._state, self._settings.node, dropped)
        if summary is not None:
            await client.publish(topic(self._settings.node, SUMMARY), summary.model_dump_json(), qos=1, retain=True)

    async def _publish_changes(self, client: aiomqtt.Client) -> None:
        """Retained texts, each only when it changed; the description before the availability."""
        seen = self._state.newest.get("observation_v1", {})
        probes = sorted(probe["id"] for probe in seen.get("soil", ()))
        s = self._settings
        retained_texts = {
            self._topics.discovery: json.dumps(discovery(s.node, s.discovery_prefix, probes, s.commands)),
            self._topics.board: "online" if board_online(self._state) else "offline",
            self._topics.host: "online",
        }
        for where, text in retained_texts.items():
            if self._published.get(where) != text:
                await client.publish(where, text, qos=1, retain=True)
                self._published[where] = text

    async def _receive_forever(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
            topic = message.topic.value
            if topic == self._topics.birth:
                if payload == b"online":
                    self._published.clear()  # Home Assistant has started: everything is published again
            elif payload:
                await self._handle_command(client, topic, payload, bool(message.retain))

    async def _handle_command(self, client: aiomqtt.Client, topic: str, payload: bytes, retained: bool) -> None:
        name = topic.removeprefix(self._topics.command)
        request = self._commands.parse(name, payload, retained, datetime.now(UTC))
        if retained:
            await client.publish(
                topic, b"", qos=1, retain=True
            )  # a retained command must not reach a client that connects later
        if isinstance(request, CommandRefusal):
            await self._answer(client, name, False, f"refused: {request.text}")
        elif isinstance(request, SetDose):
            self._published.pop("state", None)
            await self._answer(client, name, True, f"a press of the button gives {request.ml:g} ml")
        else:
            task = asyncio.create_task(self._ask(client, name, request))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def _ask(self, client: aiomqtt.Client, name: str, request: Request) -> None:
        """By the same inbox and guardrails as any proposal."""
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
        answer = {"command": name, "ok": ok, "text": text[:500], "ts": datetime.now(UTC).isoformat()}
        await client.publish(self._topics.answer, json.dumps(answer), qos=1)


async def _read_feed(fd: int, state: LiveState) -> None:
    """Apply the deciding loop's lines until it closes the connection."""
    state.connected = True
    async for line in (await FeedReader.open(fd)).lines():
        state.update(line)
    state.connected = False


async def serve(settings: MqttSettings, data_dir: Path, fd: int) -> None:
    """Run until the host closes the connection or SIGTERM."""
    state = LiveState()
    bridge = asyncio.create_task(MqttBridge(settings, data_dir, state).run())
    feed = asyncio.create_task(_read_feed(fd, state))
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
    lower_priority()
    settings = MqttSettings.model_validate_json(args.settings)
    asyncio.run(serve(settings, args.data_dir, int(os.environ["TOMATO_FEED_FD"])))


if __name__ == "__main__":
    main()
