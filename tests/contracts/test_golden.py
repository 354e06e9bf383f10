"""Yesterday's lines stay readable: golden/<version>.jsonl holds lines as past versions of the code wrote them.

Append a line when a record gains a field; never edit or remove one.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared_schemas.records import RECORDS, parse_record

GOLDEN = Path(__file__).parent / "golden"


def test_every_record_has_a_golden_file() -> None:
    assert {p.stem for p in GOLDEN.glob("*.jsonl")} == set(RECORDS)


@pytest.mark.parametrize("version", RECORDS)
def test_lines_of_the_past_are_read_and_keep_their_meaning(version: str) -> None:
    lines = (GOLDEN / f"{version}.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    for line in lines:
        record = parse_record(line)
        assert type(record) is RECORDS[version]
        now, then = json.loads(record.to_json()), json.loads(line)
        _holds(now, then, version)


def _holds(now: object, then: object, where: str) -> None:
    """Everything that the old line said is still said; new optional fields may come on top."""
    if isinstance(then, dict):
        assert isinstance(now, dict), where
        for key, value in then.items():
            assert key in now, f"{where}.{key} is gone"
            _holds(now[key], value, f"{where}.{key}")
    elif isinstance(then, list):
        assert isinstance(now, list) and len(now) == len(then), where
        for i, (a, b) in enumerate(zip(now, then, strict=True)):
            _holds(a, b, f"{where}[{i}]")
    else:
        assert now == then, where
