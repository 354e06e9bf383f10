"""A change of a published schema that would break a client is found, and needs a flag."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.schema_breaks import ACCEPTED, EXPORT, GOLDEN, ROOT, all_breaks, main, messages_of, proto_breaks

Change = Callable[[Any], object]


def changed(tmp_path: Path, name: str, change: Change) -> tuple[Path, Path]:
    """Copies of golden and exported schemas, one of the latter changed."""
    golden, export = tmp_path / "golden", tmp_path / "export"
    shutil.copytree(GOLDEN, golden, ignore=shutil.ignore_patterns("shared_schemas"))
    shutil.copytree(EXPORT, export)
    path = export / name
    schema = json.loads(path.read_text(encoding="utf-8"))
    change(schema)
    path.write_text(json.dumps(schema), encoding="utf-8")
    return golden, export


def test_todays_schemas_break_nobody() -> None:
    assert (GOLDEN / "openapi.json").exists() and (GOLDEN / "intent_v1.schema.json").exists()
    assert sorted(path.name for path in GOLDEN.rglob("*.proto")) != []
    assert all_breaks() == []


def of_water(api: Any) -> Any:
    return api["paths"]["/api/water"]["post"]


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("intent_v1.schema.json", lambda one: one["required"].append("deadline_ms"), "deadline_ms: needed now"),
        ("intent_v1.schema.json", lambda one: one["properties"].pop("trace"), "trace: gone"),
        ("intent_v1.schema.json", lambda one: one["properties"]["id"].update(maxLength=8), "maxLength is now 8"),
        ("intent_v1.schema.json", lambda one: one["properties"]["kind"].update(type="null"), "no longer takes string"),
        ("effect_v1.schema.json", lambda one: one["properties"].pop("sim_time_s"), "sim_time_s: gone"),
        ("effect_v1.schema.json", lambda one: one["required"].remove("id"), "id: may be missing now"),
        ("state_v1.schema.json", lambda one: one["properties"]["confidence"].update(type="null"), "may now be null"),
        ("openapi.json", lambda one: one["paths"].pop("/api/water"), "POST /api/water: gone"),
        ("openapi.json", lambda one: one["components"]["schemas"]["WaterBody"]["properties"]["ml"].update(maximum=10.0),
         "maximum is now 10"),
        ("openapi.json", lambda one: one["components"]["schemas"]["SwitchBody"]["required"].append("seconds"),
         "seconds: needed now"),
        ("openapi.json", lambda one: of_water(one)["parameters"][0].update(required=True), "is needed now"),
        ("openapi.json", lambda one: of_water(one)["responses"].pop("409"), "409 is no longer described"),
        ("openapi.json", lambda one: one["components"]["schemas"]["SwitchBody"]["properties"]["output"]["enum"].pop(),
         "no longer takes"),
    ],
)  # fmt: skip
def test_a_breaking_change_is_named_and_needs_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, change: Change, says: str
) -> None:
    golden, export = changed(tmp_path, name, change)
    for arguments in ([], ["--accept"]):
        assert main(arguments, golden, export) == 1
        shown = capsys.readouterr().out
        assert says in shown and "a breaking change needs a flag" in shown
    assert main(["--breaking", "a new kind of pump"], golden, export) == 0
    (noted,) = (golden / ACCEPTED).read_text().splitlines()
    assert says in noted and "a new kind of pump" in noted
    assert main([], golden, export) == 0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("intent_v1.schema.json", lambda one: one["properties"].update(colour={"type": "string"})),
        ("effect_v1.schema.json", lambda one: one["properties"].update(colour={"type": "string"})),
        ("effect_v1.schema.json", lambda one: one["required"].append("colour")),
        ("openapi.json", lambda one: one["paths"].update({"/api/new": one["paths"]["/api/water"]})),
        ("openapi.json", lambda one: one["components"]["schemas"]["WaterBody"]["properties"]["ml"].update(maximum=2e3)),
    ],
)
def test_an_addition_needs_none(tmp_path: Path, name: str, change: Change) -> None:
    golden, export = changed(tmp_path, name, change)
    assert main(["--accept"], golden, export) == 0
    assert (golden / name).read_text() == (export / name).read_text()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("string id = 1;", "string name = 1;", "Intent 1: was id"),
        ("string id = 1;", "bytes id = 1;", "Intent 1: was id"),
        ("string id = 1;", "repeated string id = 1;", "Intent 1: was id"),
        ("optional string trace = 10;", "", "Intent.trace: gone, and its number 10 is not reserved"),
        ("optional string trace = 10;", "reserved 10;", "Intent.trace: gone"),
        ("message Resync {}", "", "message tomato.world.v1.Resync: gone"),
        ("optional string trace = 10;", "optional string trace = 10; optional string colour = 11;", None),
    ],
)
def test_a_breaking_change_of_a_protobuf_message_is_named(tmp_path: Path, old: str, new: str, says: str | None) -> None:
    pytest.importorskip("grpc_tools", reason="the generator comes with the extra [dev]")
    before, after = tmp_path / "a" / "shared_schemas", tmp_path / "b" / "shared_schemas"
    for folder in (before, after):
        (folder / "world").mkdir(parents=True)
    text = (ROOT / "shared_schemas" / "world" / "stream.proto").read_text()
    assert old in text
    (before / "world" / "stream.proto").write_text(text)
    text = text.replace(old, new, 1)
    if old == "message Resync {}":
        text = text.replace("Resync resync = 7;", "")
    (after / "world" / "stream.proto").write_text(text)
    found = list(proto_breaks(messages_of(before), messages_of(after)))
    assert (found == []) if says is None else any(says in one for one in found), found
