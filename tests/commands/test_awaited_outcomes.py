"""What came of a request is its second reply: delivered, cancelled by safe mode, refused by the board."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from tomato_host.board.events import Result
from tomato_host.commands.awaited_outcomes import AwaitedOutcomes, outcome_reply_id, outcome_sentence
from tomato_host.commands.inbox import Inbox, Reply, Request, new_request

from shared_schemas.records import ActionV1
from tests.integration.scenario_run import Actuator, run_scenario

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def action(kind: str = "WATER", outcome: dict[str, object] | None = None, **params: object) -> ActionV1:
    return ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": NOW,
            "type": kind,
            "origin": "person",
            "id": "h-1",
            "params": params,
            "outcome": outcome,
            "safety": {"validated": True},
        }
    )


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ({"status": "DONE", "delivered_ml": 149.6}, "150 of 150 ml delivered"),
        (
            {"status": "ABORTED", "delivered_ml": 40.0, "reason": "leak"},
            "cancelled by safe mode (leak): The leak sensor is wet; 40 of 150 ml delivered",
        ),
        (
            {"status": "REJECTED_BY_BOARD", "delivered_ml": 0.0, "reason": "low_confidence"},
            "cancelled by safe mode (low_confidence): The readings cannot be trusted; 0 of 150 ml delivered",
        ),
        (
            {"status": "REJECTED_BY_BOARD", "delivered_ml": 0.0, "reason": "day_budget"},
            "the board refused it (day_budget); 0 of 150 ml delivered",
        ),
        (
            {"status": "ABORTED", "reason": "link lost"},
            "the link to the board was lost; how much of 150 ml was delivered is not known",
        ),
    ],
)
def test_an_end_names_who_ended_it_and_what_was_delivered(outcome: dict[str, object], sentence: str) -> None:
    assert outcome_sentence(action(outcome=outcome, ml=150.0)) == sentence


def test_a_dose_is_answered_at_its_end_and_a_lamp_when_the_board_has_switched_it() -> None:
    waiting = AwaitedOutcomes({7: "h-1"}.get)
    accepted = Result(cmd_id=7, status="ACCEPTED", reason="none", delivered=0.0)
    waiting.add("r1", action(ml=150.0))
    assert waiting.on_event(accepted) is None
    done = waiting.on_event(action(outcome={"status": "DONE", "delivered_ml": 150.0}, ml=150.0))
    assert done is not None and done.ok and done.id == outcome_reply_id("r1")
    waiting.add("r2", action("SET_LIGHT", state="ON", seconds=1_800.0))
    lit = waiting.on_event(accepted)
    assert lit is not None and lit.text == "light is on, for 30 min"
    assert waiting.on_event(accepted) is None, "one answer"


class ReplyList:
    """In the place of the inbox: what the host would have written."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    is_flooded = False

    def pop_requests(self, enough: object = None) -> list[Request]:
        return []

    def reply(self, reply: Reply) -> None:
        self.replies.append(reply)

    def remove_stale_replies(self, now_s: float) -> int:
        return 0


def test_a_dose_by_hand_on_the_real_firmware_is_answered_with_what_flowed(tmp_path: Path) -> None:
    """The board's own RESULT ends in the second reply; the first is the verdict."""
    inbox = ReplyList()

    def water(person: Actuator) -> None:
        handler = person.supervisor.requests
        handler._inbox = cast(Inbox, inbox)
        proposal = action(ml=60.0).model_copy(update={"ts": person.supervisor.now(), "id": "h-2"})
        reply = person.supervisor.submit(new_request("action", "dry", action=proposal, outcome=True))
        assert reply.ok, reply.text

    run_scenario(tmp_path, "", 0.4, help_at=((0.2, water),))
    assert len(inbox.replies) == 1 and inbox.replies[0].ok
    delivered = inbox.replies[0].text
    assert delivered.endswith(" of 60 ml delivered") and 50 <= int(delivered.split()[0]) <= 65
