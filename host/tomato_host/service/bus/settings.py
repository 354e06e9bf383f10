"""Settings of the bus for several tents; the password comes from the environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tomato_host.errors import TomatoError
from tomato_host.service.bus.transport import parse_address


def _readable(url: str) -> str:
    try:
        parse_address(url)
    except TomatoError as error:
        raise ValueError(error.message) from None
    return url


class BusSettings(BaseModel):
    """Section `[bus]`: all records, published to a broker that many tents share (docs/fleet.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    enabled: bool = False
    """Publish the records of this installation to a shared broker."""
    url: Annotated[str, AfterValidator(_readable)] = "redis://127.0.0.1:6379/0"
    """`redis://`, `rediss://` (extra [redis]), `mqtt://` or `mqtts://` (extra [mqtt]); never with a password."""
    password_from: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "TOMATO_BUS_PASSWORD"
    """The environment variable with the password."""
    node: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] = "tomato"
    """Name of this installation; the same as `[mqtt] node` unless set. Two nodes must not share one."""
    stream_length: Annotated[int, Field(ge=100, le=10_000_000)] = 10_000
    """Messages that Redis keeps of each node and priority; MQTT keeps none."""
    telemetry_room_kb: Annotated[int, Field(ge=10, le=100_000)] = 500
    """Telemetry that waits here while the broker is away; alarms and actions have queues of their own."""
    summary_every_s: Annotated[float, Field(ge=1.0, le=60.0)] = 10.0
    """How often this node's summary for the fleet table is published."""
    stale_after_s: Annotated[float, Field(ge=3.0, le=3_600.0)] = 35.0
    """After so long without a message a node is shown as stale."""
    catch_up_h: Annotated[float, Field(ge=0.0, le=168.0)] = 24.0
    """After a crash, alarms and actions of so many last hours are published from the dataset (Redis)."""
