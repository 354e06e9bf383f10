"""Settings of MQTT; the password comes from the environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tomato_host.addresses import Host


class MqttSettings(BaseModel):
    """Section `[mqtt]`: a broker that the state is published to, for Home Assistant and others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    """Publish to an MQTT broker and announce the devices to Home Assistant."""
    host: Host = "127.0.0.1"
    """Host name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 1_883
    """TCP port of the broker."""
    tls: bool = False
    """Encrypted, the broker's certificate checked; its port is mostly 8883."""
    username: str = ""
    """User name at the broker; empty: anonymous."""
    password_from: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")] = "TOMATO_MQTT_PASSWORD"
    """The environment variable with the password."""
    node: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] = "tomato"
    """Name of this installation in topics: `tomato/<node>/...`."""
    discovery_prefix: Annotated[str, Field(pattern=r"^[a-z0-9_/]{1,60}$")] = "homeassistant"
    """Topic prefix of Home Assistant discovery."""
    commands: bool = True
    """False: the state is published, commands are ignored."""
    command_max_age_s: Annotated[float, Field(ge=1.0, le=600.0)] = 30.0
    """Older commands waited in some queue; they are refused."""
