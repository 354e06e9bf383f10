"""What is told: topics, the state as one JSON text, and the one discovery payload for Home Assistant."""

from __future__ import annotations

from typing import Any, NamedTuple

from tomato_host import __version__
from tomato_host.service.present import Present

Json = dict[str, Any]

EXPIRE_AFTER_S = 120
"""A value that was not told again for so long is unknown to Home Assistant."""


class Topics(NamedTuple):
    """Where things are said."""

    host: str
    board: str
    state: str
    command: str
    answer: str
    discovery: str
    birth: str


def topics(node: str, prefix: str) -> Topics:
    """The topics of one installation; `command` is followed by the command's name."""
    root = f"tomato/{node}"
    return Topics(
        f"{root}/host",
        f"{root}/board",
        f"{root}/state",
        f"{root}/command/",
        f"{root}/answer",
        f"{prefix}/device/tomato_{node}/config",
        f"{prefix}/status",
    )


SENSORS = (
    ("air_temp_c", "Air temperature", "temperature", "°C"),
    ("rh_pct", "Humidity", "humidity", "%"),
    ("co2_ppm", "CO2", "carbon_dioxide", "ppm"),
    ("light_lux", "Light", "illuminance", "lx"),
    ("leaf_temp_c", "Leaf temperature", "temperature", "°C"),
    ("soil_temp_c", "Soil temperature", "temperature", "°C"),
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
"""Every command carries its moment, so that one which lay in a queue is known as old."""


def state(present: Present, dose_ml: float) -> Json:
    """All values in one text; what is not known is null."""
    newest = present.newest
    seen, estimate = newest.get("observation_v1", {}), newest.get("state_v1")
    out: Json = {key: seen.get(key) for key, *_ in SENSORS}
    out["soil"] = {probe["id"]: probe["moisture_pct"] for probe in seen.get("soil", ())}
    out["vpd_kpa"] = estimate["env"]["vpd_kpa"] if estimate else None
    budgets = estimate["budgets"] if estimate else None
    out["water_ml_left_today"] = (
        round(max(0.0, budgets["water_ml_budget_today"] - budgets["water_ml_used_today"]), 1) if budgets else None
    )
    out["mode"] = present.status.get("mode")
    out["dose_ml"] = dose_ml
    devices = newest.get("device_status_v1", {})
    out["outputs"] = devices.get("outputs", {})
    out["problem"] = "ON" if devices.get("faults") or present.open_anomalies else "OFF"
    return out


def board_online(present: Present) -> bool:
    """The board's own heartbeat, as the host hears it."""
    return present.alive and present.status.get("link") == "up"


def discovery(node: str, prefix: str, probes: list[str], commands: bool) -> Json:
    """One retained payload for the whole device. No switch: nothing that stays open can be asked for."""
    where, unique = topics(node, prefix), f"tomato_{node}"
    parts: Json = {}

    def add(platform: str, key: str, name: str, **more: Any) -> None:
        parts[key] = {
            "platform": platform,
            "unique_id": f"{unique}_{key}",
            "name": name,
            "default_entity_id": f"{platform}.{unique}_{key}",
            **more,
        }

    def sensor(key: str, name: str, path: str, **more: Any) -> None:
        add(
            "sensor",
            key,
            name,
            state_topic=where.state,
            expire_after=EXPIRE_AFTER_S,
            value_template=f"{{{{ value_json.{path} }}}}",
            **{k: v for k, v in more.items() if v is not None},
        )

    for key, name, device_class, unit in SENSORS:
        sensor(key, name, key, device_class=device_class, unit_of_measurement=unit, state_class="measurement")
    for probe in probes:
        sensor(
            f"soil_{probe.lower()}",
            f"Soil {probe}",
            f"soil['{probe}']",
            device_class="moisture",
            unit_of_measurement="%",
            state_class="measurement",
        )
    for key, name, unit_or_none, icon in OTHERS:
        sensor(
            key,
            name,
            key,
            unit_of_measurement=unit_or_none,
            icon=icon,
            state_class="measurement" if unit_or_none else None,
        )
    add(
        "binary_sensor",
        "problem",
        "Problem",
        state_topic=where.state,
        device_class="problem",
        value_template="{{ value_json.problem }}",
        expire_after=EXPIRE_AFTER_S,
    )
    if commands:
        for key, name, icon in BUTTONS:
            add(
                "button",
                key,
                name,
                command_topic=f"{where.command}{key}",
                command_template=DATED,
                icon=icon,
                qos=1,
                retain=False,
            )
        add(
            "number",
            "dose",
            "Dose",
            command_topic=f"{where.command}dose",
            command_template=DATED,
            qos=1,
            retain=False,
            state_topic=where.state,
            value_template="{{ value_json.dose_ml }}",
            min=DOSE_ML[0],
            max=DOSE_ML[1],
            step=5,
            unit_of_measurement="mL",
            mode="box",
        )
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
        "components": parts,
    }
