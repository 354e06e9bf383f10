"""What is published: topics, the state as one JSON text, and the one discovery payload for Home Assistant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from shared_schemas.devices import OUTPUTS, SENSORS, Output, Sensor
from tomato_host import __version__
from tomato_host.service.live_state import LiveState

Json = dict[str, Any]

EXPIRE_AFTER_S = 120
"""A value that was not published again for so long is unknown to Home Assistant."""


class MqttTopics(NamedTuple):
    """The topics of one installation."""

    host: str
    board: str
    state: str
    command: str
    answer: str
    discovery: str
    birth: str


def topics(node: str, prefix: str) -> MqttTopics:
    """The topics of one installation; `command` is followed by the command's name."""
    root = f"tomato/{node}"
    return MqttTopics(
        f"{root}/host",
        f"{root}/board",
        f"{root}/state",
        f"{root}/command/",
        f"{root}/answer",
        f"{prefix}/device/tomato_{node}/config",
        f"{prefix}/status",
    )


OTHERS = (
    ("vpd_kpa", "Vapour pressure deficit", "kPa", "mdi:water-percent"),
    ("water_ml_left_today", "Water left today", "mL", "mdi:water-check"),
    ("mode", "Mode", None, "mdi:shield-check"),
)
BUTTONS = (
    ("water", "Water now", "mdi:watering-can"),
    ("lamp_on", "Lamp on for an hour", "mdi:lightbulb-on"),
    ("lamp_off", "Lamp off", "mdi:lightbulb-off"),
    ("pause", "Pause for an hour", "mdi:pause"),
    ("resume", "Resume", "mdi:play"),
)
DOSE_ML = (10, 200)
DATED = '{"value": "{{ value }}", "ts": "{{ utcnow().isoformat() }}"}'
"""Every command carries its time, so that one which waited in a queue is recognised as old."""


def _shown(sensors: Sequence[Sensor]) -> tuple[Sensor, ...]:
    """The sensors that have an entity of their own."""
    return tuple(row for row in sensors if row.home_assistant)


def state_payload(live: LiveState, dose_ml: float, sensors: Sequence[Sensor] = SENSORS) -> Json:
    """All values in one text; what is not known is null, an output that is not known is left out."""
    newest = live.newest
    seen, estimate = newest.get("observation_v1", {}), newest.get("state_v1")
    out: Json = {row.name: seen.get(row.name) for row in _shown(sensors)}
    out["soil"] = {probe["id"]: probe["moisture_pct"] for probe in seen.get("soil", ())}
    out["vpd_kpa"] = estimate["env"]["vpd_kpa"] if estimate else None
    budgets = estimate["budgets"] if estimate else None
    out["water_ml_left_today"] = (
        round(max(0.0, budgets["water_ml_budget_today"] - budgets["water_ml_used_today"]), 1) if budgets else None
    )
    out["mode"] = live.status.get("mode")
    out["dose_ml"] = dose_ml
    devices = newest.get("device_status_v1", {})
    out["outputs"] = devices.get("outputs", {})
    out["problem"] = "ON" if devices.get("faults") or live.open_anomalies else "OFF"
    return out


def board_online(live: LiveState) -> bool:
    """Whether the board answers the host."""
    return live.alive and live.status.get("link") == "up"


def discovery(
    node: str,
    prefix: str,
    probes: list[str],
    commands: bool,
    sensors: Sequence[Sensor] = SENSORS,
    outputs: Sequence[Output] = OUTPUTS,
) -> Json:
    """One retained payload for the whole device: an entity for each sensor that has a device class and for each output.

    No switch: every request is bounded in time.
    """
    where, unique = topics(node, prefix), f"tomato_{node}"
    parts = [*_sensors(where, probes, sensors), _problem_sensor(where)]
    parts += [_output_sensor(where, row) for row in outputs]
    parts += _controls(where) if commands else ()
    return {
        "device": {
            "identifiers": [unique],
            "name": f"Tomato {node}",
            "manufacturer": "Embodied tomato",
            "sw_version": __version__,
        },
        "origin": {"name": "tomato-host", "sw_version": __version__},
        "availability": [{"topic": where.host}, {"topic": where.board}],
        "availability_mode": "all",
        "components": {key: _component(unique, key, fields) for key, fields in parts},
    }


def _component(unique: str, key: str, fields: Json) -> Json:
    platform = fields["platform"]
    ids = {"unique_id": f"{unique}_{key}", "default_entity_id": f"{platform}.{unique}_{key}"}
    return {name: value for name, value in {**fields, **ids}.items() if value is not None}


def _sensors(where: MqttTopics, probes: list[str], sensors: Sequence[Sensor]) -> Iterator[tuple[str, Json]]:
    for row in _shown(sensors):
        yield row.name, _sensor(where, row.label, row.name, device_class=row.home_assistant, unit=row.display_unit)
    for probe in probes:
        yield (
            f"soil_{probe.lower()}",
            _sensor(where, f"Soil {probe}", f"soil['{probe}']", device_class="moisture", unit="%"),
        )
    for key, name, unit_or_none, icon in OTHERS:
        yield key, _sensor(where, name, key, unit=unit_or_none, icon=icon)


def _sensor(
    where: MqttTopics,
    name: str,
    path: str,
    *,
    unit: str | None,
    device_class: str | None = None,
    icon: str | None = None,
) -> Json:
    """A sensor entity that reads `path` of the state; None leaves a field out."""
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": where.state,
        "expire_after": EXPIRE_AFTER_S,
        "value_template": f"{{{{ value_json.{path} }}}}",
        "device_class": device_class,
        "unit_of_measurement": unit,
        "icon": icon,
        "state_class": "measurement" if unit else None,
    }


def _problem_sensor(where: MqttTopics) -> tuple[str, Json]:
    return "problem", {
        "platform": "binary_sensor",
        "name": "Problem",
        "state_topic": where.state,
        "device_class": "problem",
        "value_template": "{{ value_json.problem }}",
        "expire_after": EXPIRE_AFTER_S,
    }


def _output_sensor(where: MqttTopics, row: Output) -> tuple[str, Json]:
    """Whether an output is on. `get`: before the board's first status no output is known, and nothing is logged."""
    return f"output_{row.name}", {
        "platform": "binary_sensor",
        "name": f"{row.label[0].upper()}{row.label[1:]} output",
        "state_topic": where.state,
        "device_class": row.home_assistant,
        "value_template": f"{{{{ value_json.outputs.get('{row.name}') }}}}",
        "expire_after": EXPIRE_AFTER_S,
    }


def _controls(where: MqttTopics) -> Iterator[tuple[str, Json]]:
    command = {"command_template": DATED, "qos": 1, "retain": False}
    for key, name, icon in BUTTONS:
        yield (
            key,
            {"platform": "button", "name": name, "command_topic": f"{where.command}{key}", "icon": icon, **command},
        )
    yield (
        "dose",
        {
            "platform": "number",
            "name": "Dose",
            "command_topic": f"{where.command}dose",
            **command,
            "state_topic": where.state,
            "value_template": "{{ value_json.dose_ml }}",
            "min": DOSE_ML[0],
            "max": DOSE_ML[1],
            "step": 5,
            "unit_of_measurement": "mL",
            "mode": "box",
        },
    )
