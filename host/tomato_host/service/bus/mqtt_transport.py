"""The bus over MQTT: the same topics and texts; alarms and deeds with QoS 1, telemetry with QoS 0, the card kept."""

from __future__ import annotations

import asyncio
import ssl

import aiomqtt

from tomato_host.service.bus.address import Address
from tomato_host.service.bus.message import Message, topic
from tomato_host.service.bus.priorities import Rank
from tomato_host.service.bus.transport import PATIENCE_S, CarrierDown

KEEPALIVE_S = 15


class MqttCarrier:
    """Writes. MQTT keeps nothing but the card."""

    def __init__(self, address: Address, password: str | None, node: str) -> None:
        self._address = address
        self._password = password
        self._node = node
        self._client: aiomqtt.Client | None = None

    async def connect(self) -> None:
        """Reach the broker."""
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
        try:
            await client.__aenter__()
        except (aiomqtt.MqttError, OSError) as error:
            raise CarrierDown(str(error)[:300]) from error
        self._client = client

    async def known(self) -> set[str] | None:
        """A broker of MQTT cannot be asked."""
        return None

    async def send(self, batch: list[Message]) -> None:
        """Return when each of QoS 1 is acknowledged."""
        await self._publish(*((m.topic, m.text, 0 if m.rank is Rank.TELEMETRY else 1, False) for m in batch))

    async def show(self, card: bytes) -> None:
        """Kept by the broker, so that a table drawn later shows this node, too."""
        await self._publish((topic(self._node, "card"), card, 1, True))

    async def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.__aexit__(None, None, None)
            except (aiomqtt.MqttError, OSError):
                pass  # it is gone already

    async def _publish(self, *words: tuple[str, bytes, int, bool]) -> None:
        client = self._client
        if client is None:
            raise CarrierDown("not connected")
        try:
            await asyncio.gather(
                *(client.publish(where, text, qos=qos, retain=kept) for where, text, qos, kept in words)
            )
        except (aiomqtt.MqttError, OSError) as error:
            raise CarrierDown(str(error)[:300]) from error
