"""Every record has a JSON Schema, the committed one is the one the code gives, and it says what the code enforces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared_schemas.records import RECORDS
from shared_schemas.world.messages import MESSAGE_VERSIONS
from tests.contracts.examples import example

EXPORT = Path(__file__).resolve().parents[2] / "shared_schemas" / "export"


def test_all_contracts_export_json_schema() -> None:
    committed = {p.name.removesuffix(".schema.json") for p in EXPORT.glob("*.schema.json")}
    assert committed == set(RECORDS) | set(MESSAGE_VERSIONS)
    for version, model in RECORDS.items():
        schema = json.loads((EXPORT / f"{version}.schema.json").read_text(encoding="utf-8"))
        assert schema == model.model_json_schema(mode="serialization"), f"{version}: run make schemas"
        assert schema["properties"]["schema_version"]["const"] == version
        assert {"schema_version", "ts"} <= set(schema["required"])
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize("version", RECORDS)
def test_schema_names_every_field_of_the_example(version: str) -> None:
    schema = RECORDS[version].model_json_schema()
    assert set(example(version)) <= set(schema["properties"])
    assert set(schema["required"]) <= set(example(version))
    _no_loose_objects(schema)


def _no_loose_objects(schema: dict[str, Any]) -> None:
    """No part of a record takes unknown fields."""
    for name, part in schema.get("$defs", {}).items():
        if part.get("type") == "object":
            assert part.get("additionalProperties") is False, name
