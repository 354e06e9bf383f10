"""What an earlier process left open is read from its actions and ledger events, under the names of every version."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.brain.guardrails.ledger_events import ALLOCATED, REFUNDED, SETTLED
from tomato_host.recovery.crash_recovery import read_interrupted_actions
from tomato_host.storage.dataset import Dataset

from shared_schemas.records import ActionV1, EventV1

NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
PRESENT, FORMER = (ALLOCATED, REFUNDED, SETTLED), ("books_drawn", "books_given_back", "books_settled")


def movement(name: str, **data: float) -> EventV1:
    return EventV1(
        schema_version="event_v1",
        ts=NOW,
        level="INFO",
        kind="board",
        name=name,
        text="WATER a-1",
        data={"action": "a-1", **data},
    )


@pytest.mark.parametrize("names", [PRESENT, FORMER], ids=["present", "0.1"])
def test_what_was_delivered_and_what_was_under_way(tmp_path: Path, names: tuple[str, str, str]) -> None:
    allocated, refunded, settled = names
    action = ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": NOW,
            "type": "WATER",
            "id": "a-1",
            "params": {"ml": 300.0},
            "safety": {"validated": True},
        }
    )
    with Dataset.open(tmp_path, fsync="never") as dataset:
        dataset.append(action)
        dataset.append(movement(allocated, drawn=150.0))
        dataset.append(movement(refunded, drawn=150.0))
        dataset.append(movement(allocated, drawn=150.0))
        dataset.append(movement(settled, drawn=150.0, delivered=140.0))
        dataset.append(movement(allocated, drawn=100.0))
    (left,) = read_interrupted_actions(tmp_path).interrupted
    assert (left.delivered, left.under_way) == (140.0, 100.0)
