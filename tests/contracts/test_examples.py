"""The example in every docstring is a valid record, and every record refuses what no record may hold."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from shared_schemas.records import RECORDS, parse_record
from tests.contracts.examples import example, parsed


@pytest.mark.parametrize("version", RECORDS)
def test_example_payload_is_valid_and_stable(version: str) -> None:
    payload = example(version)
    assert payload["schema_version"] == version
    record = parse_record(json.dumps(payload))
    assert type(record) is RECORDS[version]
    line = record.to_json()
    assert parse_record(line) == record
    assert parse_record(line).to_json() == line


@pytest.mark.parametrize("version", RECORDS)
def test_every_record_is_strict_frozen_versioned_and_stamped(version: str) -> None:
    record = parsed(version)
    with pytest.raises(ValidationError, match="frozen"):
        record.ts = record.ts
    for name in ("schema_version", "ts"):
        with pytest.raises(ValidationError, match=name):
            parsed(version, **{name: ...})
    with pytest.raises(ValidationError, match="unexpected_field"):
        parsed(version, unexpected_field=1)
    with pytest.raises(ValidationError, match="ts"):
        parsed(version, ts="2026-02-14T10:00:00")


@pytest.mark.parametrize("line", ["{}", "[]", "17", '{"schema_version": "state_v0"}', '{"schema_version": null}'])
def test_line_of_unknown_kind_is_refused_with_the_known_kinds(line: str) -> None:
    with pytest.raises(ValueError, match="state_v1"):
        parse_record(line)


def test_torn_line_is_refused() -> None:
    with pytest.raises(ValueError):
        parse_record(json.dumps(example("state_v1"))[:-5])
