"""An entry of the journal is one of its kind: what is missing, foreign or out of range is refused with its name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from shared_schemas.records.journal_v1 import JournalV1

BASE = {"schema_version": "journal_v1", "ts": "2026-07-04T08:30:00+02:00", "id": "j-1", "by": "ana"}


def entry(**fields: Any) -> JournalV1:
    return JournalV1.model_validate({**BASE, **fields})


GOOD: tuple[dict[str, Any], ...] = (
    {"kind": "note", "text": "First flower."},
    {"kind": "note", "photo_sha256": "a" * 64},
    {"kind": "task", "task": "pruned"},
    {"kind": "task", "task": "fed", "feed_ml": 500.0, "ec_ms_cm": 1.8, "ph": 6.1},
    {"kind": "harvest", "harvest_g": 412.0, "fruit_count": 6},
    {"kind": "measurement", "ph": 5.9, "sample": "drain"},
)


@pytest.mark.parametrize("fields", GOOD, ids=lambda fields: "-".join(map(str, fields.values()))[:30])
def test_what_people_write_down_is_an_entry_and_returns_from_its_line(fields: dict[str, Any]) -> None:
    record = entry(**fields)
    assert JournalV1.from_json(record.to_json()) == record


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"kind": "note"}, "needs text or a photo"),
    ({"kind": "task", "text": "something"}, "needs what was done"),
    ({"kind": "task", "task": "pruned", "feed_ml": 100.0}, "belong to the task fed"),
    ({"kind": "harvest", "fruit_count": 3}, "needs its weight"),
    ({"kind": "harvest", "harvest_g": 10.0, "ph": 6.0}, "ph does not belong to a harvest"),
    ({"kind": "measurement", "text": "later"}, "needs ec_ms_cm, ph or feed_ml"),
    ({"kind": "harvest", "harvest_g": 0.0}, "harvest_g"),
    ({"kind": "measurement", "ph": 14.5}, "less than or equal to 12"),
    ({"kind": "measurement", "ec_ms_cm": -0.1}, "greater than or equal to 0"),
    ({"kind": "measurement", "ec_ms_cm": float("nan")}, "finite"),
    ({"kind": "dream", "text": "x"}, "kind"),
)


@pytest.mark.parametrize(("fields", "told"), BAD, ids=[told for _, told in BAD])
def test_what_is_wrong_is_named(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        entry(**fields)
    assert told in str(refused.value)


def test_a_withdrawn_entry_needs_nothing() -> None:
    assert entry(kind="note", withdrawn=True).withdrawn
