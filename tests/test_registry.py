"""The registry of devices is the one place where an output is described: what follows from a row, and who names one."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from shared_schemas.devices import GAS, LAMP, MAT, MIST, OUTPUTS, PUMP, STIRRER, VENT, Output, budget_of, output_with

ROOT = Path(__file__).resolve().parent.parent
PROBE = Path(__file__).with_name("registry_probe.py")
PARTS = ("shared_schemas", "host/tomato_host", "firmware", "tools", "docs")

# -- what follows from a row ---------------------------------------------------------------------------------------

FOGGER = """    Output(7, "root_fogger", "relay", 120_000, 60_000, 300, 1_800, "s", "off", "fog",
           ("not_estop", "no_leak"), "Fog for bare roots.", max_dose=120_000,
           action="SET_ROOT_FOGGER", column="root_fogger", risk="risky", label="root fogger",
           added_later=True, carries_water=True, target_reading="rh_pct", ceiling_setting="rh_high_pct",
           explains=("rh_pct",), explains_for_s=120.0),
"""
PRESSURE = """    Sensor(14, "pressure_hpa", "hPa", 10, 300.0, 1_100.0, "BMP390", "Air pressure in the tent.",
           label="Air pressure", metric="tomato_air_pressure_pascal", metric_factor=100.0,
           home_assistant="atmospheric_pressure", display_unit="hPa"),
"""
PRESSURE_CHANNEL = """    Channel("pressure_hpa", 300.0, 1_100.0, 5.0, 1.0, 0.0, 90_000.0,
            _NEVER_LOW, _NEVER_HIGH, 60.0, 0, 1.0, 1.0, False),
"""
END_OF_CHANNELS = ')\n"""Every scalar sensor, in the order the estimator reads them."""'
PRESSURE_FIELD = "    pressure_hpa: FiniteFloat | None = None\n"
END_OF_OUTPUTS = ')\n# fmt: on\n"""All outputs, in wire order."""'
END_OF_SENSORS = ')\n# fmt: on\n"""All quantities the board reports, in wire order."""'


def copy_of_product(at: Path) -> Path:
    """A copy of the product in a folder of its own, without what was built from it."""
    for part in PARTS:
        shutil.copytree(ROOT / part, at / part, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules"))
    return at


def replace_once(path: Path, old: str, new: str) -> None:
    """Edit a file as a person would; an edit that does not apply fails."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


def run_in(tree: Path, *command: str, text: str = "") -> str:
    """Run a Python file against the tree alone; its output. The interpreter sees the tree before this installation."""
    paths = os.pathsep.join((str(tree / "host"), str(tree)))
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tree,
        input=text,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product with one more output and one more sensor: a row for each, a field for the reading, the generator."""
    tree = copy_of_product(tmp_path_factory.mktemp("extended"))
    devices = tree / "shared_schemas" / "devices.py"
    replace_once(devices, END_OF_OUTPUTS, FOGGER + END_OF_OUTPUTS)
    replace_once(devices, END_OF_SENSORS, PRESSURE + END_OF_SENSORS)
    observation = tree / "shared_schemas" / "records" / "observation_v1.py"
    replace_once(observation, "    door_open: bool | None\n", "    door_open: bool | None\n" + PRESSURE_FIELD)
    env = tree / "shared_schemas" / "records" / "state_v1.py"
    replace_once(env, "    light_lux: Lux | None = None\n", "    light_lux: Lux | None = None\n" + PRESSURE_FIELD)
    channels = tree / "host" / "tomato_host" / "brain" / "estimator" / "channels.py"
    replace_once(channels, END_OF_CHANNELS, PRESSURE_CHANNEL + END_OF_CHANNELS)
    run_in(tree, "tools/generate_schemas.py")
    return tree


@pytest.fixture(scope="module")
def said(extended: Path) -> dict[str, Any]:
    """What the extended product makes of its rows."""
    answer: dict[str, Any] = json.loads(run_in(extended, str(PROBE)))
    assert answer["outputs"][-1] == "root_fogger"
    return answer


def test_the_board_s_table_has_the_new_rows(extended: Path) -> None:
    contract = (extended / "firmware" / "tomato" / "contract.py").read_text(encoding="utf-8")
    assert "OUT_ROOT_FOGGER = 7" in contract
    assert "S_PRESSURE_HPA = 14" in contract
    assert "('pressure_hpa', 10, 3000, 11000)" in contract
    row = "('root_fogger', 120000, 60000, 300, 1800, 120000, 0, 0, 1, ('not_estop', 'no_leak'), 0"
    assert row in contract
    before = (ROOT / "firmware" / "tomato" / "contract.py").read_text(encoding="utf-8")
    schema_hash = re.compile(r"^SCHEMA_HASH = .*$", re.MULTILINE)
    assert schema_hash.findall(contract) != schema_hash.findall(before), "two tables must not pass for the same one"


def test_records_and_data_dictionary_have_the_new_rows(extended: Path) -> None:
    fields = (extended / "shared_schemas" / "records" / "device_fields.py").read_text(encoding="utf-8")
    for line in (
        '    SET_ROOT_FOGGER = "SET_ROOT_FOGGER"',
        '    ActionType.SET_ROOT_FOGGER: "root_fogger",',
        '    root_fogger: OnOff = "OFF"',
        "    root_fogger: Fraction = 0.0",
    ):
        assert line in fields.splitlines()
    dictionary = (extended / "docs" / "data_dictionary.md").read_text(encoding="utf-8")
    assert "Fog for bare roots." in dictionary
    assert "Air pressure in the tent." in dictionary


def test_guardrails_take_the_new_output_up(said: dict[str, Any]) -> None:
    assert said["limits"]["SET_ROOT_FOGGER"] == ["root_fogger", 300_000, 1_800_000]
    verdicts = said["verdicts"]
    assert verdicts["plain"] == {"allowed": True, "rule": None, "s": 60.0}
    assert verdicts["too_long"] == {
        "allowed": True,
        "rule": "hour_budget",
        "s": pytest.approx(5_000.0 * 300 / 3_600, abs=0.01),
    }
    assert verdicts["leak"]["rule"] == "environment"
    assert verdicts["too_humid"]["rule"] == "environment"
    assert verdicts["blind"]["rule"] == "quantity"
    assert verdicts["llm"]["rule"] == "permission", "a risky output is not for the language model"
    assert "root_fogger" in said["off_at_frost"]


def test_plan_estimator_and_whole_brain_take_the_new_output_up(said: dict[str, Any]) -> None:
    assert said["columns"].index("root_fogger") == said["columns"].index("co2_seconds") - 1, "relays before valves"
    assert said["controller"] == "mpc"
    assert {step["root_fogger"] for step in said["plan"]} == {0.0}, "no rule and no edit asks for it yet"
    assert said["excuses"]["root_fogger"] == [["rh_pct"], 120.0]
    assert said["tent"]["devices"]["root_fogger"] == "OFF"
    assert said["tent"]["step"]["root_fogger"] == 0.0


def test_observations_take_the_new_sensor_up(said: dict[str, Any]) -> None:
    assert said["tent"]["missing"]["pressure_hpa"] == "warming_up", "never read: it has no driver"


def test_a_reading_with_a_channel_is_stated_beside_the_probes(said: dict[str, Any]) -> None:
    assert said["tent"]["env"]["pressure_hpa"] == 1_004.0
    assert said["tent"]["env"]["air_temp_c"] is not None
    assert said["tent"]["probes"] == ["P1", "P2"]


@pytest.mark.parametrize("record", ["observation_v1", "state_v1", "device_status_v1", "plan_v1"])
def test_records_of_before_stay_valid(extended: Path, record: str) -> None:
    lines = (ROOT / "tests" / "contracts" / "golden" / f"{record}.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    kind = "".join(part.capitalize() for part in record.split("_"))
    code = (
        f"import json, sys, shared_schemas.records as r\nfor x in json.load(sys.stdin): r.{kind}.model_validate_json(x)"
    )
    run_in(extended, "-c", code, text=json.dumps(lines))


def test_a_sensor_without_a_field_is_on_the_wire_and_not_recorded(tmp_path: Path) -> None:
    tree = copy_of_product(tmp_path)
    replace_once(tree / "shared_schemas" / "devices.py", END_OF_SENSORS, PRESSURE + END_OF_SENSORS)
    run_in(tree, "tools/generate_schemas.py")
    assert "S_PRESSURE_HPA = 14" in (tree / "firmware" / "tomato" / "contract.py").read_text(encoding="utf-8")
    assert "pressure_hpa" not in json.loads(run_in(tree, str(PROBE)))["tent"]["missing"]


def test_the_new_rows_change_no_plan(said: dict[str, Any]) -> None:
    plain = json.loads(run_in(ROOT, str(PROBE)))
    assert [{k: v for k, v in step.items() if k != "root_fogger"} for step in said["plan"]] == plain["plan"]
    assert said["asked"] == plain["asked"]
    assert any(step["humidifier"] > 0.0 for step in plain["plan"])
    assert {kind: row for kind, row in said["limits"].items() if kind != "SET_ROOT_FOGGER"} == plain["limits"]


def test_an_output_of_another_name_is_planned_with_alike(tmp_path: Path) -> None:
    """The planner and the world model know what an output does (`MIST`, `VENT`, ...), not how it is called: renamed in
    the files that `product_files_naming` finds, and nowhere else, it gets the same plan."""
    tree = copy_of_product(tmp_path)
    naming = {*product_files_naming(MIST), "shared_schemas/devices.py"}
    for name in sorted(naming):
        path = tree / name
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\bhumidifier\b(?!_)", "mister", text).replace("SET_HUMIDIFIER", "SET_MISTER")
        path.write_text(text, encoding="utf-8")
    run_in(tree, "tools/generate_schemas.py")
    renamed = json.loads(run_in(tree, str(PROBE)))
    plain = json.loads(run_in(ROOT, str(PROBE)))
    assert "mister" in renamed["columns"]
    assert "humidifier" not in json.dumps(renamed)
    assert (
        json.loads(json.dumps(renamed).replace("mister", "humidifier").replace("SET_MISTER", "SET_HUMIDIFIER")) == plain
    )


def test_parts_of_the_tent_s_physics_are_played_by_one_output_each() -> None:
    parts = (LAMP, STIRRER, VENT, MIST, MAT, PUMP, GAS)
    assert sorted(row.wire_id for row in parts) == list(range(len(OUTPUTS)))
    with pytest.raises(ValueError, match="no output has"):
        output_with(kind="relay", only_in_light=True)


def test_budget_keys_are_bounded_by_their_own_row() -> None:
    assert budget_of("water_ml_per_day") == PUMP.day_budget
    assert budget_of("water_ml_per_hour") == PUMP.hour_budget
    assert budget_of("co2_s_per_day") == GAS.day_budget
    with pytest.raises(KeyError):
        budget_of("tea_ml_per_day")


# -- who names an output -------------------------------------------------------------------------------------------

GOAL = 8
DERIVED = {
    "shared_schemas/devices.py",
    "shared_schemas/records/device_fields.py",
    "firmware/tomato/contract.py",
}
"""The registry itself and what is generated from it."""


def names_in(source: str) -> set[str]:
    """Names of outputs that a Python file names: as a string, a constant, an enum member, a field or a parameter.

    A comment and a docstring may speak of an output. Whole strings count, and parts of short ones where the word can
    mean nothing else (`light` alone is an ordinary word: as a part of a string it does not count).
    """
    found: set[str] = set()
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        found |= {row.name for row in OUTPUTS if _names(row, token, before)}
        before = token.string
    return found


def _names(row: Output, token: tokenize.TokenInfo, before: str) -> bool:
    stem = row.name.rsplit("_", 1)[0]
    constants = {row.name.upper(), stem.upper(), row.action}
    if token.type == tokenize.STRING:
        text = token.string.strip("rbfRBF").strip("\"'")
        if text == row.name or text in constants:
            return True
        telling = "_" in row.name or row.name == "humidifier"
        short = len(text) < 200 and '"""' not in token.string
        return telling and short and re.search(rf"\b{row.name}\b", text) is not None
    if token.type != tokenize.NAME:
        return False
    if token.string in constants or ("_" in row.name and token.string == row.name):
        return True
    return token.string == row.name and before == "."


def product_files() -> list[Path]:
    """Every Python file of host, contract and firmware, without registry and generated files."""
    folders = ("host", "shared_schemas", "firmware")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts]
    return sorted(path for path in found if path.relative_to(ROOT).as_posix() not in DERIVED)


@cache
def named_in_product() -> dict[str, set[str]]:
    """Path of each product file -> the outputs that it names."""
    return {p.relative_to(ROOT).as_posix(): names_in(p.read_text(encoding="utf-8")) for p in product_files()}


def product_files_naming(row: Output) -> list[str]:
    """Paths of the product files that name an output."""
    return [path for path, names in named_in_product().items() if row.name in names]


def test_the_counting_rule_sees_what_it_must_and_nothing_else() -> None:
    assert names_in('x = f("water_pump")') == {"water_pump"}
    assert names_in("y = ActionType.WATER") == {"water_pump"}
    assert names_in("on = outputs.light == 1") == {"light"}
    assert names_in("plan[:, EXHAUST] = 0.0") == {"exhaust_fan"}
    assert names_in("Step(heater_mat=1.0)") == {"heater_mat"}
    assert names_in('text = "the humidifier stays off"') == {"humidifier"}
    assert names_in('kind = "SET_CIRCULATION_FAN"') == {"circulation_fan"}
    assert names_in('"""The humidifier and the water_pump."""\nlight = 3  # humidifier\n') == set()
    assert names_in('text = "light hours"') == set()


def test_few_product_files_name_a_given_output() -> None:
    """At most 8 product files for each output: strings, constants and enum members of it count.

    Files that name an output for good reason: the rules and the timer (policy), learned coefficients and texts that are
    named after it, the faults that block it.
    """
    naming: dict[str, list[str]] = {row.name: [] for row in OUTPUTS}
    for path, names in named_in_product().items():
        for name in names:
            naming[name].append(path)
    assert all("host/tomato_host/brain/control/rules.py" in files for files in naming.values()), "the rule sees nothing"
    too_many = {name: files for name, files in naming.items() if len(files) > GOAL}
    assert not too_many, too_many


@pytest.mark.parametrize("folder", ["guardrails", "estimator", "safe_mode", "execution", "control/planner"])
def test_packages_that_derive_everything_name_no_output(folder: str) -> None:
    naming = {
        path.name: names_in(path.read_text(encoding="utf-8"))
        for path in (ROOT / "host" / "tomato_host" / "brain" / folder).glob("*.py")
    }
    assert not {name: found for name, found in naming.items() if found}


# -- the guide in CONTRIBUTING -------------------------------------------------------------------------------------


def test_the_guide_lists_few_files_and_all_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    guide = text.split("## Add an output, a sensor, a controller", 1)[1].split("\n## ", 1)[0]
    sections = dict(part.split("\n", 1) for part in guide.split("\n### ")[1:])
    assert set(sections) == {"An output", "A sensor", "A controller"}
    for title, body in sections.items():
        files = dict.fromkeys(re.findall(r"^(?:\d+\.|-) `([^`]+)`", body, flags=re.MULTILINE))
        counted = [name for name in files if not name.startswith("firmware/tomato/boards/")]
        assert 0 < len(counted) <= GOAL, (title, counted)
        for name in files:
            assert list(ROOT.glob(name)), f"{title}: {name} does not exist"
