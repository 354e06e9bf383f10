"""What is published: topics, the state as one JSON text, and the one discovery payload for Home Assistant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, get_args

from shared_schemas.devices import OUTPUTS, SENSORS, Output, Sensor
from shared_schemas.records.base import Mode
from tomato_host import __version__
from tomato_host.service.device_list import decimals
from tomato_host.service.live_state import LiveState, anomaly_text, verdict
from tomato_host.service.mqtt.plug_guard import PlugState

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
    alarm: str
    dose: str
    instance: str
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
        f"{root}/alarm",
        f"{root}/dose",
        f"{root}/instance",
        f"{prefix}/device/tomato_{node}/config",
        f"{prefix}/status",
    )


MODES: tuple[str, ...] = get_args(Mode)
BUTTONS = (
    ("water", "Water now", "mdi:watering-can"),
    ("lamp_on", "Lamp on for an hour", "mdi:lightbulb-on"),
    ("lamp_off", "Lamp off", "mdi:lightbulb-off"),
    ("pause", "Pause for an hour", "mdi:pause"),
    ("safe", "Safe mode for an hour", "mdi:hand-back-right"),
    ("resume", "Resume", "mdi:play"),
)
DOSE_ML = (10, 200)
DATED = '{"value": "{{ value }}", "ts": "{{ utcnow().isoformat() }}"}'
"""Every command carries its time, so that one which waited in a queue is recognised as old."""
PROBLEM_ATTRIBUTES = "{{ {'verdict': value_json.verdict, 'problems': value_json.problems} | tojson }}"
ALARM_EVENTS = ("opened", "cleared", "alarm")
ALARM_LASTS_S = 120.0
"""An alarm older than this was published by an earlier process: it is no event of now."""


def _shown(sensors: Sequence[Sensor]) -> tuple[Sensor, ...]:
    """The sensors that have an entity of their own."""
    return tuple(row for row in sensors if row.home_assistant)


def state_payload(live: LiveState, dose_ml: float, sensors: Sequence[Sensor] = SENSORS) -> Json:
    """All values in one text; what is not known, or is too old to be the present, is null."""
    seen = live.fresh("observation_v1") or {}
    present, devices = live.live, live.newest.get("device_status_v1", {})
    out: Json = {row.name: seen.get(row.name) for row in _shown(sensors)}
    out["ts"] = present.get("ts")
    out["soil"] = {probe["id"]: probe["moisture_pct"] for probe in seen.get("soil", ())}
    for key in ("vpd_kpa", "water_ml_left_today"):
        out[key] = present.get(key)
    used_ml = present.get("water_ml_used_today")
    out["water_l_today"] = None if used_ml is None else round(used_ml / 1000.0, 4)
    out["mode"] = live.status.get("mode") if live.status.get("mode") in MODES else None
    out["dose_ml"] = dose_ml
    out["outputs"] = devices.get("outputs", {}) if board_online(live) else {}
    out["hold_ends"] = live.status.get("jobs", {})
    level, text = verdict(live)
    out["verdict"], out["problems"] = text, problems(live)
    out["problem"] = "ON" if level == "bad" or out["problems"] else "OFF"
    return out


def problems(live: LiveState) -> list[Json]:
    """What is wrong: each fault of the board and each open anomaly, since when, and where to read what to do."""
    faults = live.newest.get("device_status_v1", {}).get("faults", ())
    found: list[Json] = [
        {
            "what": f"board fault {fault['name']}",
            "detail": fault.get("cause", ""),
            "runbook": f"docs/runbook.md, {fault['name']}",
        }
        for fault in faults
    ]
    found += [
        {
            "what": anomaly_text(anomaly),
            "since": anomaly["ts"],
            "severity": anomaly["severity"],
            "detail": anomaly.get("detail") or "",
            "runbook": f"docs/runbook.md, {anomaly['type']}",
        }
        for anomaly in live.open_anomalies.values()
    ]
    return found


def alarm_event(record: Json, now: str | None) -> Json | None:
    """The event of an anomaly or an ALARM, for Home Assistant's event entity; None for any other record, or an old one.

    A feed that was started again sends recent alarms once more; only those of now are events. One that lies as far
    ahead was stamped by a clock that was.
    """
    is_anomaly = record.get("schema_version") == "anomaly_v1"
    if now is None or not (is_anomaly or record.get("level") == "ALARM"):
        return None
    age_s = (datetime.fromisoformat(now) - datetime.fromisoformat(record["ts"])).total_seconds()
    if abs(age_s) > ALARM_LASTS_S:
        return None
    if not is_anomaly:
        return {"event_type": "alarm", "what": record["name"], "detail": record["text"], "ts": record["ts"]}
    phase = str(record["phase"]).lower()
    return {
        "event_type": phase if phase in ALARM_EVENTS else "opened",
        "what": anomaly_text(record),
        "severity": record["severity"],
        "detail": record.get("detail") or "",
        "ts": record["ts"],
    }


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
    dashboard: str = "",
    plugs: Sequence[str] = (),
) -> Json:
    """One retained payload for the whole device: an entity for each sensor that has a device class and for each output.

    Readings are available only while host and board answer. What reports trouble depends on the host alone, and the
    host's own connectivity on nothing: an alarm must not vanish at the moment it is needed.

    No switch: every request is bounded in time. With `commands` false the controls are named with their platform only,
    which makes Home Assistant remove those of an earlier description. `plugs`: outputs that a smart plug follows.
    """
    where, unique = topics(node, prefix), f"tomato_{node}"
    parts = [*_sensors(where, probes, sensors), *_trouble(where), *_results(where)]
    parts += [_output_sensor(where, row) for row in outputs]
    parts += [_plug_sensor(where, row) for row in outputs if row.name in plugs]
    components = {key: _component(unique, key, fields) for key, fields in parts}
    for key, fields in _controls(where):
        components[key] = _component(unique, key, fields) if commands else {"platform": fields["platform"]}
    device = {
        "identifiers": [unique],
        "name": f"Tomato {node}",
        "manufacturer": "Embodied tomato",
        "model": "Tomato host and board",
        "sw_version": __version__,
        "configuration_url": dashboard or None,
    }
    return {
        "device": {name: value for name, value in device.items() if value is not None},
        "origin": {"name": "tomato-host", "sw_version": __version__},
        "availability": [{"topic": where.host}, {"topic": where.board}],
        "availability_mode": "all",
        "components": components,
    }


def _component(unique: str, key: str, fields: Json) -> Json:
    platform = fields["platform"]
    ids = {"unique_id": f"{unique}_{key}", "default_entity_id": f"{platform}.{unique}_{key}"}
    return {name: value for name, value in {**fields, **ids}.items() if value is not None}


def _sensors(where: MqttTopics, probes: list[str], sensors: Sequence[Sensor]) -> Iterator[tuple[str, Json]]:
    for row in _shown(sensors):
        yield (
            row.name,
            _sensor(
                where,
                row.label,
                row.name,
                device_class=row.home_assistant,
                unit=row.display_unit,
                suggested_display_precision=decimals(row),
            ),
        )
    for probe in probes:  # `get`: before the first reading no probe is known, and nothing is logged
        path = f"soil.get('{probe}')"
        yield (
            f"soil_{probe.lower()}",
            _sensor(where, f"Soil {probe}", path, device_class="moisture", unit="%", suggested_display_precision=1),
        )
    yield (
        "vpd_kpa",
        _sensor(
            where,
            "Vapour pressure deficit",
            "vpd_kpa",
            unit="kPa",
            icon="mdi:water-percent",
            suggested_display_precision=2,
        ),
    )
    yield (
        "water_ml_left_today",
        _sensor(where, "Water left today", "water_ml_left_today", unit="mL", icon="mdi:water-check"),
    )
    yield (
        "water_l_today",
        {
            **_sensor(where, "Water given today", "water_l_today", unit="L", device_class="water"),
            "state_class": "total_increasing",
            "suggested_display_precision": 2,
        },
    )


def _sensor(
    where: MqttTopics,
    name: str,
    path: str,
    *,
    unit: str | None = None,
    **more: object,
) -> Json:
    """A sensor entity that reads `path` of the state; None leaves a field out."""
    return {
        "platform": "sensor",
        "name": name,
        "state_topic": where.state,
        "expire_after": EXPIRE_AFTER_S,
        "value_template": f"{{{{ value_json.{path} }}}}",
        "unit_of_measurement": unit,
        "state_class": "measurement" if unit else None,
        **more,
    }


def _trouble(where: MqttTopics) -> Iterator[tuple[str, Json]]:
    """What tells that something is wrong; it needs the host alone, or nothing."""
    host_only = {"availability": [{"topic": where.host}]}
    for key, label, topic, availability in (
        ("host_connected", "Host connected", where.host, {"availability": []}),
        ("board_connected", "Board connected", where.board, host_only),
    ):
        yield (
            key,
            {
                "platform": "binary_sensor",
                "name": label,
                "device_class": "connectivity",
                "entity_category": "diagnostic",
                "state_topic": topic,
                "payload_on": "online",
                "payload_off": "offline",
                **availability,
            },
        )
    yield (
        "problem",
        {
            "platform": "binary_sensor",
            "name": "Problem",
            "state_topic": where.state,
            "device_class": "problem",
            "value_template": "{{ value_json.problem }}",
            "expire_after": EXPIRE_AFTER_S,
            "json_attributes_topic": where.state,
            "json_attributes_template": PROBLEM_ATTRIBUTES,
            **host_only,
        },
    )
    yield (
        "mode",
        {
            **_sensor(where, "Mode", "mode", icon="mdi:shield-check", device_class="enum", options=list(MODES)),
            **host_only,
        },
    )
    yield (
        "alarm",
        {
            "platform": "event",
            "name": "Alarm",
            "state_topic": where.alarm,
            "event_types": list(ALARM_EVENTS),
            "icon": "mdi:alarm-light",
            **host_only,
        },
    )


def _results(where: MqttTopics) -> Iterator[tuple[str, Json]]:
    """The last command and what came of it, so that a refused press looks refused."""
    yield (
        "last_result",
        {
            **_sensor(where, "Last command", "last_result.text", icon="mdi:clipboard-check-outline"),
            "expire_after": None,
            "json_attributes_topic": where.state,
            "json_attributes_template": "{{ value_json.last_result | tojson }}",
            "availability": [{"topic": where.host}],
        },
    )


def _output_sensor(where: MqttTopics, row: Output) -> tuple[str, Json]:
    """Whether an output is on, and until when. `get`: before the board's first status no output is known."""
    ends = f"{{{{ {{'until': value_json.hold_ends.get('{row.name}')}} | tojson }}}}"
    return f"output_{row.name}", {
        "platform": "binary_sensor",
        "name": f"{row.label[0].upper()}{row.label[1:]} output",
        "state_topic": where.state,
        "device_class": row.home_assistant,
        "value_template": f"{{{{ value_json.outputs.get('{row.name}') }}}}",
        "json_attributes_topic": where.state,
        "json_attributes_template": ends,
        "expire_after": EXPIRE_AFTER_S,
    }


def _plug_sensor(where: MqttTopics, row: Output) -> tuple[str, Json]:
    """What the smart plug of an output is doing, and why it is latched; it needs the host alone."""
    plug = f"value_json.plugs.get('{row.name}', {{}})"
    label = f"{row.label[0].upper()}{row.label[1:]} plug"
    states = [state.lower() for state in get_args(PlugState)]
    return f"plug_{row.name}", {
        **_sensor(where, label, f"plugs['{row.name}']", icon="mdi:power-socket", device_class="enum", options=states),
        "value_template": f"{{{{ {plug}.get('state', 'OFF') | lower }}}}",
        "json_attributes_topic": where.state,
        "json_attributes_template": f"{{{{ {plug} | tojson }}}}",
        "availability": [{"topic": where.host}],
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
