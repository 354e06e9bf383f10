"""The bus over MQTT: alarms and actions with QoS 1, telemetry with QoS 0, the node summary retained."""

from __future__ import annotations

import asyncio
import ssl

import aiomqtt

from tomato_host.service.bus.message import SUMMARY, BusMessage, Priority, topic
from tomato_host.service.bus.transport import BATCH_LINES, PATIENCE_S, Address, TransportDown

KEEPALIVE_S = 15


class MqttTransport:
    """Writes. An MQTT broker retains nothing but the summary."""

    def __init__(self, address: Address, password: str | None, node: str) -> None:
        self._address = address
        self._password = password
        self._node = node
        self._client: aiomqtt.Client | None = None

    async def connect(self) -> None:
        """Connect to the broker."""
        await self.close()
        a = self._address
        client = aiomqtt.Client(
            a.host,
            a.port,
            username=a.username or None,
            password=self._password,
            identifier=f"tomato-bus-{self._node}",
            keepalive=KEEPALIVE_S,
            timeout=PATIENCE_S,
            protocol=aiomqtt.ProtocolVersion.V5,
            tls_context=ssl.create_default_context() if a.tls else None,
        )
        # A whole batch waits at once; the library would log a line for each message of it beyond the tenth.
        client.pending_calls_threshold = BATCH_LINES
        try:
            await client.__aenter__()
        except (aiomqtt.MqttError, OSError) as error:
            raise TransportDown(str(error)[:300]) from error
        self._client = client

    async def published_ids(self) -> set[str] | None:
        """An MQTT broker cannot be asked."""
        return None

    async def publish(self, batch: list[BusMessage]) -> None:
        """Return when each message of QoS 1 is acknowledged."""
        await self._publish(*((m.topic, m.text, 0 if m.priority is Priority.TELEMETRY else 1, False) for m in batch))

    async def publish_summary(self, summary: bytes) -> None:
        """Retained by the broker, so that a fleet table read later shows this node, too."""
        await self._publish((topic(self._node, SUMMARY), summary, 1, True))

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except (aiomqtt.MqttError, OSError):
                pass  # the connection is gone already

    async def _publish(self, *messages: tuple[str, bytes, int, bool]) -> None:
        client = self._client
        if client is None:
            raise TransportDown("not connected")
        try:
            await asyncio.gather(
                *(client.publish(name, text, qos=qos, retain=retained) for name, text, qos, retained in messages)
            )
        except (aiomqtt.MqttError, OSError) as error:
            raise TransportDown(str(error)[:300]) from error
