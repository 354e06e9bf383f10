"""What the bus wants of a broker. Two files beside this one do it: Redis Streams and MQTT."""

from __future__ import annotations

import importlib.util
import os
from typing import Protocol

from tomato_host.errors import TomatoError
from tomato_host.service.bus.address import Address, parse_address
from tomato_host.service.bus.message import Message
from tomato_host.service.bus.settings import BusSettings

PATIENCE_S = 5.0
"""Longest wait for a broker's answer."""


class CarrierDown(Exception):
    """The broker is away, refuses us or takes nothing; the text says why and holds no secret."""


class Carrier(Protocol):
    """One connection to one broker. Every method may raise CarrierDown; afterwards `connect` begins anew."""

    async def connect(self) -> None:
        """Reach the broker."""

    async def known(self) -> set[str] | None:
        """Ids of this node's newest alarms and deeds that the broker has; None when it cannot be asked."""

    async def send(self, batch: list[Message]) -> None:
        """Return when the broker has taken all of them."""

    async def show(self, card: bytes) -> None:
        """Put this node's card up."""

    async def close(self) -> None:
        """Hang up; never raises."""


def open_carrier(settings: BusSettings) -> Carrier:
    """The carrier that the address asks for; its library is loaded only now. Raises TomatoError E-EXTRA-*."""
    address = parse_address(settings.url)
    require_extra(address)
    password = os.environ.get(settings.password_from) or None
    if address.is_redis:
        from tomato_host.service.bus.redis_transport import RedisCarrier

        return RedisCarrier(address, password, settings.node, settings.stream_length)
    from tomato_host.service.bus.mqtt_transport import MqttCarrier

    return MqttCarrier(address, password, settings.node)


def require_extra(address: Address) -> None:
    """Raises TomatoError E-EXTRA-REDIS or E-EXTRA-MQTT when the library of that broker is not installed."""
    if address.is_redis and importlib.util.find_spec("redis") is None:
        raise TomatoError("E-EXTRA-REDIS", "The Redis client is not installed.", "pip install 'tomato-host[redis]'")
    if not address.is_redis and importlib.util.find_spec("aiomqtt") is None:
        raise TomatoError("E-EXTRA-MQTT", "aiomqtt is not installed.", "pip install 'tomato-host[mqtt]'")
