"""Tries the broker as the MQTT process will: log in, subscribe, publish, and see one's own message come back."""

from __future__ import annotations

import asyncio
import os
import ssl
import uuid

import aiomqtt

from tomato_host.service.mqtt.broker_trouble import NOT_AUTHORISED, TopicRefused, trouble_text
from tomato_host.service.mqtt.settings import MqttSettings


def probe_broker(settings: MqttSettings, timeout_s: float) -> str | None:
    """None when everything works, else what does not and the next step. Takes at most about twice `timeout_s`."""
    try:
        asyncio.run(_probe(settings, timeout_s))
    except (aiomqtt.MqttError, TopicRefused, OSError) as error:
        return trouble_text(error)
    return None


async def _probe(settings: MqttSettings, timeout_s: float) -> None:
    """Under a name of its own, so that a running host keeps its connection."""
    topic, sign = f"tomato/{settings.node}/probe", uuid.uuid4().hex.encode()
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username or None,
        password=os.environ.get(settings.password_from) or None,
        identifier=f"tomato-{settings.node}-probe-{os.getpid()}",
        timeout=timeout_s,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=ssl.create_default_context() if settings.tls else None,
    )
    async with client:
        await client.subscribe(topic, qos=1)
        await client.publish(topic, sign, qos=1)
        try:
            await asyncio.wait_for(_returned(client, sign), timeout_s)
        except TimeoutError:
            raise TopicRefused(topic, NOT_AUTHORISED) from None


async def _returned(client: aiomqtt.Client, sign: bytes) -> None:
    async for message in client.messages:
        if message.payload == sign:
            return
