"""A made-up output and a made-up sensor appear wherever the outside reads devices: all follows from their rows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from pydantic import create_model
from tomato_host.service.change_routes import SwitchableOutput
from tomato_host.service.device_list import decimals, device_list
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.metrics import metrics_page
from tomato_host.service.mqtt.payloads import discovery, state_payload
from tomato_host.service.settings import ServiceSettings
from tomato_host.storage.public_fields import KEEP, PUBLIC, Publisher, public_fields

from shared_schemas.devices import OUTPUT_BY_NAME, OUTPUTS, SENSOR_BY_NAME, SENSORS
from shared_schemas.records import StateV1
from shared_schemas.records.base import Percent, ShortText
from shared_schemas.records.device_fields import OnOff, PlanStep
from shared_schemas.records.plan_v1 import PlanV1
from shared_schemas.records.state_v1 import Devices, Env
from tests.service.test_api import example

FOGGER = dataclasses.replace(
    OUTPUT_BY_NAME["humidifier"],
    wire_id=len(OUTPUTS),
    name="root_fogger",
    action="SET_ROOT_FOGGER",
    column="root_fogger",
    label="root fogger",
    home_assistant="moving",
)
PRESSURE = dataclasses.replace(
    SENSOR_BY_NAME["air_temp_c"],
    wire_id=len(SENSORS),
    name="pressure_hpa",
    unit="hPa",
    lowest=300.0,
    highest=1_100.0,
    meaning="Air pressure in the tent.",
    label="Air pressure",
    metric="tomato_air_pressure_pascal",
    metric_factor=100.0,
    home_assistant="atmospheric_pressure",
    display_unit="hPa",
)
OUTPUTS_AND = (*OUTPUTS, FOGGER)
SENSORS_AND = (*SENSORS, PRESSURE)
WEB = Path(__file__).resolve().parents[2] / "host" / "tomato_host" / "service" / "web"


@pytest.fixture
def live() -> LiveState:
    """The newest records of a tent that has both."""
    seen = example("observation_v1") | {"pressure_hpa": 985.5}
    devices = example("device_status_v1")
    devices["outputs"]["root_fogger"] = "ON"
    filled = LiveState()
    filled.connected = True
    filled.update(json.dumps({"status": {"now": seen["ts"], "link": "up", "mode": "NORMAL"}}).encode())
    for record in (seen, devices, example("state_v1")):
        filled.update(json.dumps({"record": record}).encode())
    return filled


def test_metrics_take_them_up(live: LiveState) -> None:
    page = metrics_page(live, SENSORS_AND, OUTPUTS_AND)[0].decode()
    assert "# HELP tomato_air_pressure_pascal Air pressure in the tent.\n" in page
    assert "\ntomato_air_pressure_pascal 98550.0\n" in page
    assert 'tomato_sensor_last_reading_timestamp_seconds{sensor="pressure_hpa"}' in page
    assert 'tomato_output_on{output="root_fogger"} 1.0' in page
    today = metrics_page(live)[0].decode()
    assert "tomato_air_pressure" not in today and "root_fogger" not in today


def test_metrics_cover_the_registry(live: LiveState) -> None:
    page = metrics_page(live)[0].decode()
    seen = example("observation_v1")
    for row in SENSORS:
        if row.metric and seen[row.name] is not None:
            value = next(line for line in page.splitlines() if line.startswith(f"{row.metric} ")).split()[1]
            assert float(value) == pytest.approx(seen[row.name] * row.metric_factor)
    for output in OUTPUTS:
        wanted = float(example("device_status_v1")["outputs"][output.name] == "ON")
        assert f'tomato_output_on{{output="{output.name}"}} {wanted}' in page


def test_discovery_and_state_take_them_up(live: LiveState) -> None:
    parts = discovery("tent", "homeassistant", ["P1"], True, SENSORS_AND, OUTPUTS_AND)["components"]
    state = state_payload(live, 30.0, SENSORS_AND)
    pressure, fogger = parts["pressure_hpa"], parts["output_root_fogger"]
    assert (pressure["platform"], pressure["device_class"]) == ("sensor", "atmospheric_pressure")
    assert (pressure["name"], pressure["unit_of_measurement"]) == ("Air pressure", "hPa")
    assert (fogger["platform"], fogger["device_class"]) == ("binary_sensor", "moving")
    assert fogger["name"] == "Root fogger output"
    assert rendered(pressure["value_template"], state) == "985.5"
    assert rendered(fogger["value_template"], state) == "ON"
    assert "output_root_fogger" not in discovery("tent", "homeassistant", ["P1"], True)["components"]


def test_each_output_has_a_binary_sensor_of_its_device_class(live: LiveState) -> None:
    parts = discovery("tent", "homeassistant", [], commands=False)["components"]
    before = state_payload(LiveState(), 30.0)
    state = state_payload(live, 30.0)
    for row in OUTPUTS:
        part = parts[f"output_{row.name}"]
        assert part["device_class"] == row.home_assistant
        assert part["device_class"] in BINARY_SENSOR_CLASSES
        assert rendered(part["value_template"], state) == example("device_status_v1")["outputs"][row.name]
        assert rendered(part["value_template"], before) == "None", "Home Assistant reads that as unknown"
    names = [part["name"] for part in parts.values() if "name" in part]
    assert len(names) == len(set(names)), "two entities of one device are told apart by their names"


class Attributes(dict[str, Any]):
    """A mapping whose keys are attributes, too, as in Home Assistant's templates; an unknown one raises."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def rendered(template: str, state: dict[str, Any]) -> str:
    """What a value template makes of a state payload; its expressions are Python's as well."""
    value_json = json.loads(json.dumps(state), object_hook=Attributes)
    return str(eval(template.removeprefix("{{").removesuffix("}}").strip(), {"value_json": value_json}))


BINARY_SENSOR_CLASSES = {"heat", "light", "moving", "opening", "power", "running"}
"""Those of Home Assistant (homeassistant/components/binary_sensor) that fit an output."""


def test_the_device_list_takes_them_up() -> None:
    told = device_list(OUTPUTS_AND, SENSORS_AND)
    assert told["outputs"][-1]["name"] == "root_fogger" and told["outputs"][-1]["switchable"]
    assert told["sensors"][-1] == {
        "name": "pressure_hpa",
        "label": "Air pressure",
        "meaning": "Air pressure in the tent.",
        "unit": "hPa",
        "decimals": 0,
    }
    assert decimals(SENSOR_BY_NAME["air_temp_c"]) == 1 and decimals(SENSOR_BY_NAME["rh_pct"]) == 0


def test_the_dashboard_gets_its_names_from_the_api(tmp_path: Path) -> None:
    client = TestClient(create_app(LiveState(), History(tmp_path), ServiceSettings(), tmp_path))
    assert client.get("/api/devices").json() == device_list()
    page = "".join(path.read_text(encoding="utf-8") for path in WEB.glob("*.*") if path.suffix in (".html", ".js"))
    for row in OUTPUTS:
        if "_" in row.name:
            assert row.name not in page
    assert 'value="light"' not in page and "outputs.light" not in page


def test_what_may_be_switched_is_what_the_registry_says(tmp_path: Path) -> None:
    switchable = [row.name for row in OUTPUTS if row.switchable]
    assert list(get_args(SwitchableOutput)) == switchable
    client = TestClient(create_app(LiveState(), History(tmp_path), ServiceSettings(), tmp_path))
    schema = client.get("/openapi.json").json()["components"]["schemas"]["SwitchBody"]
    assert schema["properties"]["output"]["enum"] == switchable


def test_public_fields_take_them_up_and_no_text() -> None:
    env = create_model("WiderEnv", __base__=Env, pressure_hpa=(Percent | None, None), diary=(ShortText, ""))
    devices = create_model("WiderDevices", __base__=Devices, root_fogger=(OnOff, "OFF"), owner=(str | None, None))
    step = create_model("WiderStep", __base__=PlanStep, root_fogger=(float, 0.0))
    state = create_model("WiderState", __base__=StateV1, env=(env, ...), devices=(devices, ...))
    plan = create_model("WiderPlan", __base__=PlanV1, steps=(tuple[step, ...], ...))
    tree = public_fields(state, plan)
    assert tree["state_v1"]["env"]["pressure_hpa"] is KEEP and tree["plan_v1"]["steps"]["root_fogger"] is KEEP
    assert tree["state_v1"]["devices"]["root_fogger"] is KEEP
    record = {"env": {"pressure_hpa": 9.0, "diary": "at home"}, "devices": {"root_fogger": "ON", "owner": "Ana"}}
    assert Publisher().publish(record, tree["state_v1"]) == {
        "env": {"pressure_hpa": 9.0},
        "devices": {"root_fogger": "ON"},
    }


def test_public_fields_of_the_records_are_those_of_the_registry() -> None:
    assert set(PUBLIC["state_v1"]["devices"]) == {row.name for row in OUTPUTS} | {"mcu_connected", "last_reset_ts"}
    assert set(PUBLIC["plan_v1"]["steps"]) == {row.column for row in OUTPUTS} | {"start"}
    assert set(PUBLIC["state_v1"]["env"]) == set(Env.model_fields)
    assert set(PUBLIC["state_v1"]["plant"]) == {"leaf_temp_c", "leaf_air_delta_c", "leaf_vpd_kpa", "vision"}
    assert set(PUBLIC["state_v1"]["soil"]) == {"temp_c", "avg_moisture_pct", "zone_pattern", "probes"}
