"""A person's command on its way to the running host and back."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from tomato_host.commands.inbox import (
    MAX_BATCH,
    MAX_BYTES,
    MAX_WAITING,
    Inbox,
    Reply,
    Request,
    later,
    new_request,
    submit,
    wait_reply,
)
from tomato_host.errors import TomatoError

from tests.control.states import NOON
from tests.guardrails.proposals import proposal


def test_a_request_arrives_once_and_its_answer_returns(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    request = new_request("action", "dry leaf", action=proposal("WATER", "h-1", origin="person", ml=50.0))
    submit(tmp_path, request)
    assert list(inbox.pop_requests()) == [request]
    assert list(inbox.pop_requests()) == []
    inbox.reply(Reply(id=request.id, ok=True, text="50 ml accepted", action=request.action))
    reply = wait_reply(tmp_path, request, 1.0)
    assert reply.ok and reply.action == request.action
    assert list((tmp_path / "inbox" / "replies").iterdir()) == []


def test_requests_come_in_the_order_they_were_made(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    made = [new_request("mode", "", mode="PAUSED", until=later(60.0)) for _ in range(5)]
    for request in reversed(made):
        submit(tmp_path, request)
    assert list(inbox.pop_requests()) == made


def test_a_flood_waits(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for _ in range(MAX_BATCH + 3):
        submit(tmp_path, new_request("acknowledge", ""))
    assert len(list(inbox.pop_requests())) == MAX_BATCH
    assert len(list(inbox.pop_requests())) == 3


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"id": "x"}', b"\xff\xfe", b"x" * (MAX_BYTES + 1)])
def test_a_bad_file_is_answered_and_removed(tmp_path: Path, raw: bytes) -> None:
    inbox = Inbox(tmp_path)
    (tmp_path / "inbox" / "20260601T100000_bad.json").write_bytes(raw)
    assert list(inbox.pop_requests()) == []
    answer = json.loads((tmp_path / "inbox" / "replies" / "bad.json").read_text())
    assert answer["ok"] is False and answer["text"]
    assert list(inbox.pop_requests()) == []


def test_half_written_files_are_left_alone(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    (tmp_path / "inbox" / ".20260601_x.json.123").write_text("{")
    (tmp_path / "inbox" / ".hidden.json").write_text("{")
    assert list(inbox.pop_requests()) == []
    assert (tmp_path / "inbox" / ".hidden.json").exists()


def test_silence_takes_the_request_back(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    request = new_request("acknowledge", "")
    submit(tmp_path, request)
    with pytest.raises(TomatoError, match="E-INBOX-SILENT"):
        wait_reply(tmp_path, request, 0.1)
    assert list(inbox.pop_requests()) == []


def test_no_host_has_ever_run_here(tmp_path: Path) -> None:
    with pytest.raises(TomatoError, match="E-INBOX-MISSING"):
        submit(tmp_path, new_request("acknowledge", ""))


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "inbox").write_text("a file, not a directory")
    with pytest.raises(TomatoError, match="E-INBOX-UNWRITABLE"):
        Inbox(tmp_path)


def test_old_replies_are_tidied(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.reply(Reply(id="old", ok=True, text=""))
    inbox.reply(Reply(id="new", ok=True, text=""))
    old = tmp_path / "inbox" / "replies" / "old.json"
    os.utime(old, (NOON.timestamp(), NOON.timestamp()))
    new = tmp_path / "inbox" / "replies" / "new.json"
    os.utime(new, (NOON.timestamp() + 700, NOON.timestamp() + 700))
    assert inbox.remove_stale_replies(NOON.timestamp() + 701) == 1
    assert new.exists() and not old.exists()


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    made = [new_request("acknowledge", str(n)) for n in range(40)]
    writers = [
        threading.Thread(target=lambda part=part: [submit(tmp_path, r) for r in part])
        for part in (made[:20], made[20:])
    ]
    for writer in writers:
        writer.start()
    seen: set[str] = set()
    while any(writer.is_alive() for writer in writers):
        seen |= {request.id for request in inbox.pop_requests()}
    for writer in writers:
        writer.join()
    while batch := list(inbox.pop_requests()):
        seen |= {request.id for request in batch}
    assert seen == {request.id for request in made}


def test_a_flood_of_programmes_keeps_no_person_waiting(tmp_path: Path) -> None:
    """Requests of people are read first, and a round ends when its time is over; nothing is lost."""
    inbox = Inbox(tmp_path)
    programme = proposal("STOP_ALL", "a", origin="api")
    for _ in range(30):
        submit(tmp_path, new_request("action", "flood", action=programme))
    mine = new_request("mode", "mine", mode="PAUSED")
    submit(tmp_path, mine)
    read: list[Request] = []
    for request in inbox.pop_requests(lambda: len(read) >= 5):
        read.append(request)
    assert read[0] == mine and len(read) == 5 and inbox.is_flooded
    rest = list(inbox.pop_requests())
    assert inbox.is_flooded and len(rest) == MAX_BATCH
    assert len(list(inbox.pop_requests())) == 31 - 5 - MAX_BATCH and not inbox.is_flooded


def test_a_full_inbox_refuses_a_programme_and_no_person(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    programme = new_request("action", "flood", action=proposal("STOP_ALL", "a", origin="api"))
    for number in range(MAX_WAITING):
        submit(tmp_path, programme.model_copy(update={"id": f"r{number}"}))
    with pytest.raises(TomatoError, match="E-INBOX-FULL"):
        submit(tmp_path, programme)
    mine = new_request("mode", "mine", mode="PAUSED")
    submit(tmp_path, mine)
    assert next(iter(inbox.pop_requests())) == mine
    assert len(list(inbox.pop_requests())) == MAX_BATCH
    submit(tmp_path, programme)


def test_a_simulation_reads_moments_in_its_own_time(tmp_path: Path) -> None:
    """An hour's pause in a tent that lives two weeks ago ended a day later: its time was that of the person's clock."""
    inbox = Inbox(tmp_path, own_time=lambda: NOON)
    pause = new_request("mode", "", mode="PAUSED", until=later(3_600.0))
    dose = new_request("action", "", action=proposal("WATER", "h-1", origin="person", ml=50.0))
    for request in (pause, dose):
        submit(tmp_path, request)
    paused, dosed = inbox.pop_requests()
    assert paused.ts == NOON and paused.until is not None and pause.until is not None
    assert paused.until - NOON == pause.until - pause.ts
    assert dosed.action is not None and dose.action is not None
    assert dosed.action.ts - dose.action.ts == NOON - dose.ts and dosed.action.params == dose.action.params
