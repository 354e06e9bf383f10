"""What an earlier process left open is read from its actions and ledger events, under the names of every version.

And the end that the board then reports is that of the action it belongs to.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.board.events import BoardEvent
from tomato_host.brain.guardrails.ledger_events import ALLOCATED, REFUNDED, SETTLED
from tomato_host.recovery.crash_recovery import InterruptedAction, InterruptedActions, read_interrupted_actions
from tomato_host.storage.dataset import Dataset

from shared_schemas.devices import OUTPUT_BY_NAME
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


FAN = OUTPUT_BY_NAME["circulation_fan"].wire_id


def hold(name: str, asked: datetime) -> InterruptedAction:
    """The fan's hold of 120 s that was under way when the process died."""
    action = ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": asked,
            "type": "SET_CIRCULATION_FAN",
            "id": name,
            "params": {"state": "ON", "seconds": 120.0},
            "safety": {"validated": True},
        }
    )
    return InterruptedAction(action, under_way=120.0)


@pytest.mark.parametrize(
    ("off_after_s", "belongs_to"),
    [(11.5, "person"), (4.0, "plan")],
    ids=["the pulse went on under the newer action", "it had ended before the newer one began"],
)
def test_the_end_of_a_pulse_belongs_to_the_newest_action_it_can_be_of(off_after_s: float, belongs_to: str) -> None:
    """A person's hold replaced the plan's, and the process died before it had settled the plan's."""
    left = InterruptedActions(interrupted=[hold("plan", NOW), hold("person", NOW + timedelta(seconds=6.5))])
    end = BoardEvent(1, 9, 23_498, 0.0, "pulse_end", FAN, 4_000)
    happened = NOW + timedelta(seconds=off_after_s)
    left.on_board_event(end, happened, happened + timedelta(seconds=20.0))
    (confirmed,) = [one for one in left.interrupted if one.confirmed]
    assert (confirmed.action.id, confirmed.delivered) == (belongs_to, 4.0)
