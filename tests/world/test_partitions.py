"""Partitions and failing adapters: who is cut off catches up, who fails disturbs nobody, and nothing is half done."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tomato_host.brain.admission.answers import Answer
from tomato_host.errors import TomatoError
from tomato_host.world.delta import apply
from tomato_host.world.distribution import MOST_QUEUED
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.world.test_once_only import FailingLog, intent
from tests.world.test_orchestrator import Stage


class LossyLink:
    """A client behind a network that loses whole stretches; it asks for the whole view when a number is missing."""

    def __init__(self, stage: Stage, name: str, seed: int) -> None:
        self.handle = stage.join(name, LISTENER)
        self._stage = stage
        self._random = Random(seed)
        self.cut = False
        self.seq = 0
        self.document: Any = None
        self.resent = 0

    def read(self) -> None:
        for one in self.handle.pop_observations():
            if one["schema_version"] != "observation_delta_v1" or self.cut:
                continue
            if one["patch"] is not None and one["view_seq"] != self.seq + 1:
                self.ask_again()
                continue
            self.document = one["snapshot"] if one["patch"] is None else apply(self.document, one["patch"])
            self.seq = one["view_seq"]
        self.cut = self._random.random() < (0.7 if self.cut else 0.1)

    def ask_again(self) -> None:
        self.resent += 1
        self._stage.host.observer(self.handle.name).resend(self._stage.clock.now_s)


@pytest.mark.parametrize("seed", range(5))
def test_who_was_cut_off_catches_up_and_nobody_waits_for_it(seed: int) -> None:
    stage = Stage(TalkWorld())
    links = [LossyLink(stage, name, seed * 10 + i) for i, name in enumerate(("ann", "ben", "cleo"))]
    for i in range(200):
        stage.clock.now_s += 0.1
        answer = stage.ask("ann", f"i{i}", "say", text=f"sentence {i}")
        assert answer.status == "accepted", "the others' lines are nobody's business"
        for link in links:
            link.read()
    for link in links:
        link.cut = False
        link.ask_again()
        link.read()
        assert link.document == stage.host.state.document
    assert sum(link.resent for link in links) > 10, "stretches were lost"


def test_a_client_that_never_reads_costs_a_bounded_memory() -> None:
    stage = Stage(TalkWorld())
    stage.join("ann", LISTENER)
    gone = stage.join("gone", LISTENER)
    for i in range(MOST_QUEUED):
        stage.clock.now_s += 0.1
        stage.ask("ann", f"i{i}", "say", text="x")
    assert len(stage.host.observer(gone.name).queue) <= MOST_QUEUED
    assert stage.host.observer(gone.name).dropped > 0


def test_an_adapter_that_fails_loses_nobodys_answer() -> None:
    stage = Stage(TalkWorld())
    heard: list[str] = []

    def fail(answer: Answer) -> None:
        raise ConnectionError("the socket is gone")

    for name, listener in (("ann", fail), ("ben", lambda answer: heard.append(answer.id))):
        stage.join(name, LISTENER)
        for i in range(3):
            stage.host.submit_intent(intent(name, f"{name}{i}", "hello"), listener)
    answers = stage.host.run_turn()
    assert len(answers) == 6 and heard == ["ben0", "ben1", "ben2"]
    again = stage.host.submit_intent(intent("ann", "ann0", "hello"))
    assert again is not None and again.status == "accepted", "its answer waits for the repeat"


def test_a_log_that_comes_and_goes_leaves_nothing_half_done() -> None:
    """Each intent that was answered stands in the log, none other does, and the same id works when the disk is back."""
    log = FailingLog("w")
    stage, random = Stage(TalkWorld(), log), Random(3)
    stage.join("ann", LISTENER, queue_most=100)
    accepted: set[str] = set()
    for i in range(150):
        log.full = random.random() < 0.4
        name = f"i{i % 50}"
        answer = stage.ask("ann", name, "say", text=f"hello {name}")
        assert (answer.code == "UNAVAILABLE") is (log.full and name not in accepted)
        if answer.code is None:
            accepted.add(name)
        said = {one.req_id for one in log.entries_since(0) if one.effect["kind"] == "say"}
        assert said == accepted and len(stage.host.state.document["said"]) == len(accepted)
    assert log.validate() == [] and len(accepted) > 40


def test_an_event_that_cannot_be_written_has_not_happened() -> None:
    log = FailingLog("w")
    stage = Stage(TalkWorld(), log)
    stage.join("ann", LISTENER)
    before = stage.host.state
    log.full = True
    with pytest.raises(TomatoError):
        stage.host.broadcast_event({"schema_version": "effect_draft_v1", "source": "ann", "kind": "say",
                                    "payload": {"text": "x"}})  # fmt: skip
    assert stage.host.state == before
    assert isinstance(log, ChainedLog) and log.validate() == []
