"""The connection to one MQTT broker: what is published when, commands in, answers out, and what is done about trouble.

One connection after the other. Whatever ends a connection - the broker, the network, an error of ours - the topic
`host` says "offline" afterwards: published by us where we still can, else by the broker's last will. No message of any
kind ends the process: a command that cannot be handled is refused, and logged.

A second host with the same node would be disconnected by us, connect again, disconnect us, and so on for ever. Some
brokers name that cause (reason code 142), others just close. Each process therefore leaves a name of its own, drawn at
random, in the retained topic `instance`: who finds another's name there since its own last connection knows of the
second host. After `MOST_TAKEOVERS` of them the one whose name sorts last steps back for `STEP_BACK_S`, so that one
stays.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from tomato_host.commands.inbox import Reply, Request, submit, wait_reply
from tomato_host.errors import TomatoError
from tomato_host.logs import Log
from tomato_host.service.bus.message import SUMMARY, topic
from tomato_host.service.bus.node_summary import summarize_node
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.broker_trouble import NOT_AUTHORISED, TakenOver, TopicRefused, trouble_text
from tomato_host.service.mqtt.command_limits import MOST_PENDING, CommandLimits
from tomato_host.service.mqtt.commands import CommandParser, CommandRefusal, SetDose
from tomato_host.service.mqtt.outcomes import OpenCommands
from tomato_host.service.mqtt.payloads import alarm_event, board_online, discovery, state_payload, topics
from tomato_host.service.mqtt.plug_driver import PlugDriver
from tomato_host.service.mqtt.plugs import Plugs
from tomato_host.service.mqtt.sensors import ForeignSensors
from tomato_host.service.mqtt.settings import MqttSettings

STATE_EVERY_S = 10.0
CHANGES_EVERY_S = 0.5
PATIENCE_S = 5.0
RECONNECT_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0)
KEEPALIVE_S = 15
"""After one and a half times this the broker declares a silent host offline."""
MOST_TAKEOVERS = 3
STEP_BACK_S = 600.0
STEADY_S = 60.0
"""A connection that lasted so long was a good one: failures and take-overs count from zero again."""
REFUSALS_EVERY_S = 1.0
"""Of refusals by limit no more than one a second is answered and logged: an answer each would be a flood of ours."""
MOST_ALARMS = 100
ECHO_S = 10.0
"""Our own `host` topic must come back within this: some brokers drop silently what a user has no right to."""
INSTANCE = re.compile(r"[0-9a-f]{32}")
"""The name that a process leaves: the hexadecimal digits of a UUID."""
REFUSED_FROM = 128
"""MQTT 5: reason codes from here on are refusals."""
_log = Log("mqtt")

Json = dict[str, Any]


class MqttBridge:
    """One connection after the other to one broker."""

    def __init__(
        self,
        settings: MqttSettings,
        data_dir: Path,
        state: LiveState,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._state = state
        self._monotonic = monotonic
        self._commands = CommandParser(settings.command_max_age_s)
        self._limits = CommandLimits()
        self._open = OpenCommands()
        self._sensors = ForeignSensors(settings.sensors, settings.statestream_prefix)
        self._plugs = Plugs(settings.plugs, data_dir, state, monotonic, settings.node)
        self._topics = topics(settings.node, settings.discovery_prefix)
        self._published: dict[str, str] = {}
        self._pending: set[asyncio.Task[None]] = set()
        self._alarms: deque[Json] = deque(maxlen=MOST_ALARMS)
        self._answers: deque[Json] = deque(maxlen=MOST_ALARMS)
        self._refusal_answered_s = float("-inf")
        self._takeovers, self._stepping_back = 0, False
        self._instance = uuid.uuid4().hex
        self._connected = self._echoed = self._was_here = False
        self._last_result: Json = {"text": None}
        self.trouble = ""
        """Why there is no connection; empty while there is one."""
        self.sent = self.losses = self.refused = 0

    def status(self) -> Json:
        """For the deciding loop: its metrics, and one event at each change."""
        return {
            "up": self._connected,
            "trouble": self.trouble,
            "sent": self.sent,
            "losses": self.losses,
            "refused": self.refused,
            **self._sensors.status(),
            "plugs": self._plugs.status(),
        }

    def on_record(self, record: Json) -> None:
        """A record of the deciding loop: the end of a command, or an alarm."""
        kind = record.get("schema_version")
        if kind == "action_v1" and (ended := self._open.finished(record)) is not None:
            name, ok, text = ended
            self._answers.append(self._answer(name, ok, text, "outcome", record.get("outcome")))
        if kind in ("anomaly_v1", "event_v1") and (alarm := alarm_event(record, self._state.status.get("now"))):
            self._alarms.append(alarm)

    async def run(self) -> None:
        """Connect again and again until cancelled."""
        failures = 0
        while True:
            began_s = self._monotonic()
            try:
                async with self._client() as client:
                    await self._serve(client)
            except (aiomqtt.MqttError, TopicRefused, TakenOver, OSError) as error:
                self._note_trouble(error)
            except Exception as error:  # an error of ours must not end the process: it would take the alarms along
                _log.exception("the connection was ended by an error")
                self._note_trouble(error)
            if self._monotonic() - began_s >= STEADY_S:
                failures = 0
            await asyncio.sleep(self._delay_s(failures))
            failures += 1

    # -- one connection ----------------------------------------------------------------------------------------

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
        await self._subscribe(client, self._topics.birth)
        await self._subscribe(client, self._topics.dose)
        await self._subscribe(client, self._topics.host)
        await self._subscribe(client, self._topics.instance)
        if self._settings.commands:
            await self._subscribe(client, f"{self._topics.command}+")
        self._plugs.reconnected()
        for where in self._sensors.topics:
            await self._subscribe(client, where)
        for where in self._plugs.topics:
            await self._subscribe(client, where, stored_alone=True)
        began_s, plugs = self._monotonic(), PlugDriver(self._plugs, partial(self._publish, client))
        tasks = [
            asyncio.create_task(self._publish_forever(client)),
            asyncio.create_task(self._receive_forever(client, plugs)),
            asyncio.create_task(plugs.run()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except aiomqtt.MqttError:
            raise  # the connection is gone, and the broker publishes the will
        except BaseException:
            await client.publish(self._topics.host, "offline", qos=1, retain=True)
            raise
        finally:
            self._connected = False
            for task in tasks:
                task.cancel()
            if self._monotonic() - began_s >= STEADY_S:
                self._takeovers, self.trouble = 0, ""

    async def _subscribe(self, client: aiomqtt.Client, pattern: str, *, stored_alone: bool = False) -> None:
        """Raises TopicRefused: a refusal comes as a code in the answer, and a silent one would look like quiet.

        `stored_alone`: only what the broker had stored comes marked as retained, not what is published so now.
        """
        options = SubscribeOptions(qos=1, retainAsPublished=not stored_alone)
        granted = await client.subscribe(pattern, options=options)
        for code in granted:
            value = code if isinstance(code, int) else code.value
            if value >= REFUSED_FROM:
                raise TopicRefused(pattern, value)

    def _note_trouble(self, error: BaseException) -> None:
        self.losses += 1
        text = trouble_text(error)
        if text != self.trouble:
            self.trouble = text
            _log.warning("no connection to the broker", broker=self._settings.host, why=text)

    def _delay_s(self, failures: int) -> float:
        if self._stepping_back:
            self._takeovers, self._stepping_back = 0, False
            return STEP_BACK_S
        return RECONNECT_DELAYS_S[min(failures, len(RECONNECT_DELAYS_S) - 1)]

    # -- out ---------------------------------------------------------------------------------------------------

    async def _publish(self, client: aiomqtt.Client, where: str, text: str | bytes, *, retain: bool = False) -> None:
        await client.publish(where, text, qos=1, retain=retain)
        self.sent += 1

    async def _publish_forever(self, client: aiomqtt.Client) -> None:
        last_s, began_s, self._echoed = float("-inf"), self._monotonic(), False
        while True:
            if not self._echoed and self._monotonic() - began_s > ECHO_S:
                raise TopicRefused(self._topics.host, NOT_AUTHORISED)
            await self._publish_changes(client)
            await self._publish_queued(client)
            present = self._present()
            if self._monotonic() - last_s >= STATE_EVERY_S or self._published.get("state") != present:
                last_s, self._published["state"] = self._monotonic(), present
                payload = {
                    **state_payload(self._state, self._commands.dose_ml),
                    "plugs": self._plugs.status(),
                    "last_result": self._last_result,
                }
                await self._publish(client, self._topics.state, json.dumps(payload))
                await self._publish_summary(client)
            await asyncio.sleep(CHANGES_EVERY_S)

    def _present(self) -> str:
        """What the state follows at once: each new estimate, each change of mode and of a plug."""
        plugs = [plug["state"] for plug in self._plugs.status().values()]
        return f"{self._state.live.get('ts')} {self._state.status.get('mode')} {plugs}"

    async def _publish_summary(self, client: aiomqtt.Client) -> None:
        """For `tomato-host fleet`; retained by the broker, its age is known from its own time."""
        dropped = self._state.status.get("feeds", {}).get("mqtt", {}).get("dropped", {})
        summary = summarize_node(self._state, self._settings.node, dropped)
        if summary is not None:
            await self._publish(client, topic(self._settings.node, SUMMARY), summary.model_dump_json(), retain=True)

    async def _publish_changes(self, client: aiomqtt.Client) -> None:
        """Retained texts, each only when it changed; the description before the availability."""
        seen = self._state.newest.get("observation_v1", {})
        probes = sorted(probe["id"] for probe in seen.get("soil", ()))
        s = self._settings
        page = self._state.status.get("dashboard", "")
        retained_texts = {
            self._topics.instance: self._instance,
            self._topics.discovery: json.dumps(
                discovery(
                    s.node,
                    s.discovery_prefix,
                    probes,
                    s.commands,
                    dashboard=page,
                    plugs=[one.output for one in s.plugs],
                )
            ),
            self._topics.board: "online" if board_online(self._state) else "offline",
            self._topics.host: "online" if self._state.alive else "offline",
        }
        for where, text in retained_texts.items():
            if self._published.get(where) != text:
                await self._publish(client, where, text, retain=True)
                self._published[where] = text

    async def _publish_queued(self, client: aiomqtt.Client) -> None:
        """Alarms, then the ends of commands; what the broker did not take stays queued."""
        for queue, where in ((self._alarms, self._topics.alarm), (self._answers, self._topics.answer)):
            while queue:
                await self._publish(client, where, json.dumps(queue[0]))
                queue.popleft()

    # -- in ----------------------------------------------------------------------------------------------------

    async def _receive_forever(self, client: aiomqtt.Client, plugs: PlugDriver) -> None:
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else str(message.payload or "").encode()
            where = message.topic.value
            if where == self._topics.birth:
                if payload == b"online":
                    self._published.clear()  # Home Assistant has started: everything is published again
            elif where == self._topics.host:
                self._note_echo()
            elif where == self._topics.instance:
                self._note_instance(payload.decode("ascii", "replace"))
            elif where in self._sensors.topics:
                self._sensors.on_message(where, payload, bool(message.retain), datetime.now(UTC))
            elif (orders := self._plugs.on_message(where, payload, bool(message.retain))) is not None:
                await plugs.send(orders)
            elif where == self._topics.dose:
                self._commands.restore_dose(payload)
            elif payload:
                await self._handle_command(client, where, payload, bool(message.retain))

    def _note_echo(self) -> None:
        """Our own message came back: only now is the connection known to work in both directions."""
        if self._echoed:
            return
        self._echoed = self._connected = True
        if not self._takeovers:
            self.trouble = ""
        _log.info("connected", broker=self._settings.host)

    def _note_instance(self, name: str) -> None:
        """Raises TakenOver when this host should leave the node to the other one."""
        if not INSTANCE.fullmatch(name):
            return  # whoever wrote this is no host
        own_is_known, self._was_here = self._was_here, True
        if name == self._instance or not own_is_known:
            return
        self._takeovers += 1
        self.trouble = trouble_text(TakenOver())
        _log.warning("a second host", broker=self._settings.host, why=self.trouble)
        if self._takeovers >= MOST_TAKEOVERS and self._instance > name:
            self._stepping_back = True
            raise TakenOver

    async def _handle_command(self, client: aiomqtt.Client, where: str, payload: bytes, retained: bool) -> None:
        name = where.removeprefix(self._topics.command)
        if retained:  # it must not reach a client that connects later
            await self._publish(client, where, b"", retain=True)
        now_s = self._monotonic()
        limit = None if retained else self._limits.refusal(name, now_s)
        if limit is None and len(self._pending) >= MOST_PENDING and name not in ("pause", "safe"):
            limit = f"{MOST_PENDING} commands wait for the host's answer; try again when they are answered"
        if limit is not None:
            await self._refuse_by_limit(client, name, limit, now_s)
            return
        request = self._commands.parse(name, payload, retained, datetime.now(UTC))
        if isinstance(request, CommandRefusal):
            self.refused += 1
            await self._send_answer(client, self._answer(name, False, f"refused: {request.text}"))
        elif isinstance(request, SetDose):
            self._published.pop("state", None)
            await self._publish(client, self._topics.dose, f"{request.ml:g}", retain=True)
            await self._send_answer(client, self._answer(name, True, f"a press of the button gives {request.ml:g} ml"))
        else:
            task = asyncio.create_task(self._ask(client, name, request))
            self._pending.add(task)
            task.add_done_callback(self._pending.discard)

    async def _refuse_by_limit(self, client: aiomqtt.Client, name: str, text: str, now_s: float) -> None:
        self.refused += 1
        if now_s - self._refusal_answered_s < REFUSALS_EVERY_S:
            return
        self._refusal_answered_s = now_s
        _log.warning("commands are refused", command=name, why=text, refused=self.refused)
        await self._send_answer(client, self._answer(name, False, f"refused: {text}"))

    async def _ask(self, client: aiomqtt.Client, name: str, request: Request) -> None:
        """By the same inbox and guardrails as any proposal."""
        try:
            await asyncio.to_thread(submit, self._data_dir, request)
            reply: Reply = await asyncio.to_thread(wait_reply, self._data_dir, request, PATIENCE_S)
            if reply.ok and request.action is not None and request.action.id is not None:
                self._open.add(request.action.id, name)
            answer = self._answer(name, reply.ok, reply.text)
        except TomatoError as error:
            answer = self._answer(name, False, f"{error.message} {error.next_step}".strip())
        try:
            await self._send_answer(client, answer)
        except aiomqtt.MqttError:
            _log.warning("an answer was lost with the broker", command=name)

    def _answer(self, name: str, ok: bool, text: str, phase: str = "verdict", outcome: Json | None = None) -> Json:
        answer = {
            "command": name,
            "ok": ok,
            "phase": phase,
            "text": text[:500],
            "ts": datetime.now(UTC).isoformat(),
        }
        if outcome is not None:
            answer["delivered_ml"], answer["delivered_s"] = outcome.get("delivered_ml"), outcome.get("delivered_s")
        self._last_result = {**answer, "text": f"{name}: {text}"[:250]}
        self._published.pop("state", None)  # the entity of the last result follows at once
        return answer

    async def _send_answer(self, client: aiomqtt.Client, answer: Json) -> None:
        await self._publish(client, self._topics.answer, json.dumps(answer))
