"""Discovery against the schema code of Home Assistant 2024.3 (`make test-ha` fetches it) and dated rules of 2026.11.

2024.3 is the newest that Python 3.11 can load. Its device payload was another one, so each component is checked as its
platform gets it: with device, origin and availability of the whole. What came later is in home_assistant_2026_11.json.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.payloads import discovery, state_payload

from tests.service.test_api import example

HERE = Path(__file__).resolve().parent
FETCHED = HERE.parents[1] / "build" / "fetched"
WHEELS = ("homeassistant==2024.3.3", "voluptuous==0.14.2")
RULES: dict[str, Any] = json.loads((HERE / "home_assistant_2026_11.json").read_text())
needs_home_assistant = pytest.mark.skipif(
    not all((FETCHED / wheel / ".complete").is_file() for wheel in WHEELS),
    reason="the schema code of Home Assistant is not in build/fetched (make test-ha fetches 40 MB)",
)


def whole(commands: bool = True) -> dict[str, Any]:
    return discovery(
        "tent", "homeassistant", ["P1", "P2"], commands, dashboard="http://127.0.0.1:8421", plugs=["light"]
    )


def components() -> dict[str, dict[str, Any]]:
    """Each component as its platform gets it."""
    found = whole()
    shared = {key: found[key] for key in ("device", "origin", "availability", "availability_mode")}
    return {name: {**shared, **part} for name, part in found["components"].items()}


def validate(payloads: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "home_assistant_schemas.py"), *(str(FETCHED / wheel) for wheel in WHEELS)]
    ran = subprocess.run(command, input=json.dumps(payloads), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@needs_home_assistant
def test_every_component_passes_the_schema_of_its_platform() -> None:
    found = validate(components())
    assert len(found) >= 25
    assert {name: one["error"] for name, one in found.items() if "error" in one} == {}
    newer = set(RULES["newer_keys"])
    assert {name: one["dropped"] for name, one in found.items() if set(one["dropped"]) - newer} == {}, "unknown keys"
    assert {name: one["warnings"] for name, one in found.items() if one.get("warnings")} == {}


BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown device class": ("air_temp_c", {"device_class": "warmth"}),
    "a wildcard in a state topic of a sensor's availability": ("air_temp_c", {"availability": [{"topic": ""}]}),
    "a template that is none": ("air_temp_c", {"value_template": "{{ value_json. }}"}),
    "no device": ("air_temp_c", {"device": {"name": "x"}}),
    "a negative age": ("air_temp_c", {"expire_after": -1}),
    "a command topic with a wildcard": ("water", {"command_topic": "tomato/+/command"}),
    "a range without numbers": ("dose", {"min": 200, "max": 10}),
    "kinds of event that are no texts": ("alarm", {"event_types": [{"opened": 1}]}),
    "an unknown category": ("host_connected", {"entity_category": "nothing"}),
}


@needs_home_assistant
def test_the_schemas_refuse_what_is_wrong() -> None:
    """A schema that let everything pass would prove nothing."""
    good = components()
    found = validate({what: {**good[name], **change} for what, (name, change) in BROKEN.items()})
    assert [what for what, one in found.items() if "error" not in one] == []
    wrong = {**good["air_temp_c"], "unit_of_measurement": "kPa", "state_class": "total_increasing", "flavour": "sweet"}
    told = validate({"wrong": wrong})["wrong"]
    assert len(told["warnings"]) == 2 and "flavour" in told["dropped"]


def test_the_dated_rules_of_2026_11() -> None:
    rule = RULES["component"]
    for commands in (True, False):
        found = whole(commands)
        assert set(RULES["device_payload"]["required"]) <= set(found)
        for name, part in found["components"].items():
            if list(part) == rule["removal"]:  # names the platform only: Home Assistant removes the entity
                assert not commands
                continue
            assert set(rule["required"]) <= set(part), name
            assert part["platform"] in RULES["platforms"]
            assert re.match(RULES["default_entity_id"], part["default_entity_id"])
            assert not set(part) & set(RULES["removed_keys"])
            if "options" in part:  # since 2024.9 an error in any other combination
                assert part["device_class"] == RULES["options"]["device_class"]
                assert not set(part) & set(RULES["options"]["never_with"])
        ids = [part["unique_id"] for part in found["components"].values() if "unique_id" in part]
        assert len(ids) == len(set(ids))


def states() -> dict[str, dict[str, Any]]:
    """The state before anything is known, and with every record there is."""
    empty = LiveState(monotonic=lambda: 0.0)
    full = LiveState(monotonic=lambda: 0.0)
    full.connected = True
    for kind in ("observation_v1", "device_status_v1", "anomaly_v1", "state_v1"):
        full.update(json.dumps({"record": example(kind)}).encode())
    now = example("observation_v1")["ts"]
    full.update(json.dumps({"status": {"link": "up", "mode": "NORMAL", "now": now, "jobs": {}}}).encode())
    plugs = {"empty": {}, "full": {"light": {"state": "LATCHED", "reason": "no answer"}}}
    return {name: {**state_payload(one, 50.0), "plugs": plugs[name], "last_result": {"text": None}} for name, one in
            (("empty", empty), ("full", full))}  # fmt: skip


@pytest.mark.parametrize("moment", ["empty", "full"])
def test_no_template_names_what_is_not_there(moment: str) -> None:
    """Home Assistant logs a warning for each attribute that a template does not find; there is none to find."""
    jinja2 = pytest.importorskip("jinja2", reason="jinja2 is not installed")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    payload = states()[moment]
    for name, part in components().items():
        for key in ("value_template", "json_attributes_template"):
            if key in part:
                text = environment.from_string(part[key]).render(value_json=payload, value="x")
                assert text or name, key
                if key == "json_attributes_template":
                    assert isinstance(json.loads(text), dict)
