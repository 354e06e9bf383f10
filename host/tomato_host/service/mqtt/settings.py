"""Settings of MQTT; the password comes from the environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from shared_schemas.devices import OUTPUT_BY_NAME, names_of
from shared_schemas.records.extra_reading_v1 import ExtraQuantity
from tomato_host.addresses import Host, WebAddress

TEMPERATURES = ("air_temp_c", "leaf_temp_c", "soil_temp_c")
CONVERSIONS: dict[tuple[str, str], tuple[float, float]] = {
    **{(name, "degC"): (1.0, 0.0) for name in TEMPERATURES},
    **{(name, "degF"): (5.0 / 9.0, -160.0 / 9.0) for name in TEMPERATURES},
    **{(name, "K"): (1.0, -273.15) for name in TEMPERATURES},
    **{(name, "%"): (1.0, 0.0) for name in ("rh_pct", "soil_moisture_pct")},
    **{(name, "fraction"): (100.0, 0.0) for name in ("rh_pct", "soil_moisture_pct")},
    ("co2_ppm", "ppm"): (1.0, 0.0),
    ("light_lux", "lx"): (1.0, 0.0),
    ("light_lux", "klx"): (1_000.0, 0.0),
}
"""By quantity and unit of a payload: factor and offset to the quantity's own unit."""


class SensorSettings(BaseModel):
    """One row `[[mqtt.sensors]]`: a sensor that is not the board's, by its topic or its entity of Home Assistant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[A-Za-z0-9_\-]+$")]
    """Name of the sensor. A soil sensor has the id of a probe in `[estimator] probes`."""
    quantity: ExtraQuantity
    """What it measures."""
    topic: Annotated[str, Field(max_length=200, pattern=r"^[^#+]*$")] = ""
    """MQTT topic of its values."""
    entity: Annotated[str, Field(max_length=200, pattern=r"^([a-z_]+\.[a-z0-9_]+)?$")] = ""
    """Entity of Home Assistant, whose `mqtt_statestream` publishes it below `statestream_prefix`."""
    field: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_.\-]*$")] = ""
    """Where the value stands in a JSON payload, for example `AM2301.Temperature`; empty: the payload is the value."""
    unit: Literal["", "degC", "degF", "K", "%", "ppm", "lx", "klx", "fraction"] = ""
    """Unit of the payload; empty: that of the quantity. It is converted."""
    stale_after_s: Annotated[float, Field(ge=10.0, le=86_400.0)] = 900.0
    """A value older than this counts no longer; from half of it on it counts less and less."""
    confidence: Annotated[float, Field(ge=0.05, le=0.6)] = 0.45
    """The most that a value is ever believed: from 0.3 on it counts, from 0.5 on a soil probe may ask for water."""

    @model_validator(mode="after")
    def _one_place_and_a_fitting_unit(self) -> SensorSettings:
        if bool(self.topic) == bool(self.entity):
            raise ValueError(f"sensor {self.id}: give either topic or entity")
        if self.unit and (self.quantity, self.unit) not in CONVERSIONS:
            raise ValueError(f"sensor {self.id}: {self.unit} is no unit of {self.quantity}")
        return self

    def where(self, prefix: str) -> str:
        """The topic to subscribe to."""
        return self.topic or f"{prefix}/{self.entity.replace('.', '/')}/state"


PLUG_OUTPUTS = names_of(kind="relay", risk="gentle")
"""Outputs of air and light. Water, gas, mist and heat need the board's sensors at every moment: never a plug."""


def _why_no_plug(output: str) -> str:
    row = OUTPUT_BY_NAME.get(output)
    if row is None:
        return f"there is no such output; it may be {', '.join(PLUG_OUTPUTS)}"
    return (
        f"the board must end it at once when {', '.join(row.needs)} no longer holds, and a plug that hangs stays on for"
        f" its whole timer; only {', '.join(PLUG_OUTPUTS)} may be one"
    )


class PlugSettings(BaseModel):
    """One row `[[mqtt.plugs]]`: a smart plug that follows the board's lamp or one of its fans."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    output: str
    """The board's lamp or one of its fans, by its name in the data dictionary; every other output is refused."""
    make: Literal["tasmota", "shelly", "shelly_gen1", "esphome"] = "tasmota"
    """What runs on it; `shelly` is Gen2 and later. Each has an off timer of its own that can be read back."""
    topic: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_\-]+(/[A-Za-z0-9_\-]+)*$")]
    """Its topic: `%topic%` in Tasmota, the MQTT prefix of a Shelly or ESPHome, what follows `shellies/` in a Gen1."""
    url: WebAddress | None = None
    """Of a Shelly Gen1 only: its page, whose timer is set and read there, for it has none over MQTT."""
    relay: Annotated[int, Field(ge=1, le=8)] = 1
    """Which relay of the plug."""
    off_after_s: Annotated[float, Field(ge=12.0, le=900.0)] = 180.0
    """The plug's own off timer: the longest it stays on when nothing answers any more. Renewed after a third."""

    @field_validator("output")
    @classmethod
    def _may_hang_on_a_plug(cls, output: str) -> str:
        if output not in PLUG_OUTPUTS:
            raise ValueError(f"{output} can never be a plug: {_why_no_plug(output)}")
        return output

    @model_validator(mode="after")
    def _its_timer_can_be_reached(self) -> PlugSettings:
        if self.make == "shelly_gen1" and not self.url:
            raise ValueError(
                f"plug of {self.output}: over MQTT a Shelly Gen1 neither takes nor reports an off timer; give its page,"
                " url = 'http://...'"
            )
        if self.url and self.make != "shelly_gen1":
            raise ValueError(f"plug of {self.output}: url is for a Shelly Gen1 only")
        if "/" in self.topic and self.make in ("tasmota", "shelly_gen1"):
            raise ValueError(f"plug of {self.output}: the topic of a {self.make} has no /")
        return self


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
    sensors: Annotated[tuple[SensorSettings, ...], Field(max_length=16)] = ()
    """Sensors that are not the board's: they stand in for a missing one, or are soil probes of their own."""
    statestream_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_/]{1,60}$")] = "homeassistant_states"
    """`base_topic` of Home Assistant's `mqtt_statestream`, for sensors that are named by their entity."""

    plugs: Annotated[tuple[PlugSettings, ...], Field(max_length=3)] = ()
    """Smart plugs that follow the board's lamp or fans, each with an off timer of its own that is read back."""

    @field_validator("plugs")
    @classmethod
    def _plugs_differ(cls, plugs: tuple[PlugSettings, ...]) -> tuple[PlugSettings, ...]:
        if len({one.output for one in plugs}) != len(plugs) or len({(p.make, p.topic, p.relay) for p in plugs}) != len(
            plugs
        ):
            raise ValueError("give each plug an output and a relay of its own")
        return plugs

    @field_validator("sensors")
    @classmethod
    def _ids_differ(cls, sensors: tuple[SensorSettings, ...]) -> tuple[SensorSettings, ...]:
        if len({one.id for one in sensors}) != len(sensors):
            raise ValueError("give sensors different ids")
        return sensors
