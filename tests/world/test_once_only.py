"""Once only: whatever repeats, restarts and kills there are, an id has at most one effect and one answer."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tomato_host.brain.admission.answers import Answer
from tomato_host.errors import TomatoError
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.talk import LISTENER, TalkWorld

from tests.admission.cases import agent

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ("ann", "ben")
IDS = [f"i{i}" for i in range(6)]


def intent(name: str, intent_id: str, text: str) -> Any:
    return {"schema_version": "intent_v1", "id": intent_id, "agent": name, "kind": "say", "payload": {"text": text}}


class FailingLog(ChainedLog):
    """A log whose disk may be full."""

    full = False

    def append(self, *arguments: Any, **options: Any) -> int:
        if self.full:
            raise TomatoError("E-STORAGE-FULL", "no space left", "free some")
        return super().append(*arguments, **options)


class OnceOnly(RuleBasedStateMachine):
    """Submits, repeats, turns, cancels, fills the disk and restarts in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0
        self.log = FailingLog("w")
        self.answers: dict[tuple[str, str, str], str] = {}
        """Final answer by (agent, id, text), as it was first given."""
        self._start()

    def _start(self) -> None:
        self.host = Orchestrator("w", TalkWorld(), self.log, lambda: self.now_s, stopwatch=lambda: 0.0)
        for name in AGENTS:
            self.host.register_agent(agent(name, queue_most=3, quotas={"intents_per_hour": 12}), LISTENER)

    def _check(self, answer: Answer, text: str) -> None:
        if not answer.final:
            return
        key = (answer.agent, answer.id, text)
        assert self.answers.setdefault(key, answer.to_json()) == answer.to_json()

    @rule(name=st.sampled_from(AGENTS), intent_id=st.sampled_from(IDS), text=st.sampled_from(["x", "y", ""]))
    def submit(self, name: str, intent_id: str, text: str) -> None:
        answer = self.host.submit_intent(intent(name, intent_id, text), lambda one: self._check(one, text))
        if answer is not None:
            self._check(answer, text)

    @rule()
    def turn(self) -> None:
        self.host.run_turn()

    @rule(name=st.sampled_from(AGENTS), intent_id=st.sampled_from(IDS))
    def cancel(self, name: str, intent_id: str) -> None:
        self.host.cancel_intent(name, intent_id, "changed its mind")

    @rule(seconds=st.sampled_from([1.0, 3_600.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds if self.now_s < 60_000.0 else 0.0

    @rule(full=st.booleans())
    def disk(self, full: bool) -> None:
        self.log.full = full

    @rule()
    def restart(self) -> None:
        self.log.full = False
        self._start()

    @invariant()
    def one_effect_an_id(self) -> None:
        effects = Counter(
            (e.effect["source"], e.req_id) for e in self.log.entries_since(0) if e.effect["kind"] == "say"
        )
        assert all(count == 1 for count in effects.values()), effects
        assert len(self.host.state.document["said"]) == sum(effects.values())


OnceOnly.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOnceOnly = OnceOnly.TestCase

TEMPLATE = """
import sys
sys.path[:0] = [{root!r}, {root!r} + "/host"]
from tests.world.test_once_only import serve
serve(*sys.argv[1:])
"""
"""A process that has imported everything; each host is a fork of it, so that a start costs milliseconds."""


def serve(log: str, heard: str) -> None:
    """For each line `first last delay_s`: fork a host that works on those ids, and kill it after the delay."""
    print("ready", flush=True)
    for line in sys.stdin:
        first, last, delay_s = line.split()
        child = os.fork()
        if child == 0:
            work(Path(log), Path(heard), range(int(first), int(last)))
            os._exit(0)
        time.sleep(float(delay_s))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("killed", flush=True)


def note(client: int, answer: Answer) -> None:
    """What a client writes down when it hears an answer."""
    os.write(client, answer.to_json().encode() + b"\n")


def work(log: Path, heard: Path, numbers: range) -> None:
    """A host's whole life: read the log, submit, answer; each answer is written down by its client."""
    host = Orchestrator("w", TalkWorld(), ChainedLog("w", log), time.time)
    host.register_agent(agent("ann", queue_most=1_000), LISTENER)
    client = os.open(heard, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for number in numbers:
        name = f"i{number}"
        answered = host.submit_intent(intent("ann", name, f"hello {name}"), lambda one: note(client, one))
        if answered is not None:
            note(client, answered)
        if number % 3 == 0:
            host.run_turn()
    host.run_turn()


def kill_at_random(place: Path, times: int, seed: int) -> None:
    """Kill a host in the middle of its work, again and again; each new one is sent the last ids once more."""
    draw = random.Random(seed)
    log, heard = place / "log.jsonl", place / "answers.jsonl"
    command = [sys.executable, "-c", TEMPLATE.format(root=str(ROOT)), str(log), str(heard)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None and server.stdout.readline() == "ready\n"
        for number in range(times):
            first = max(0, number * 10 - 6)
            server.stdin.write(f"{first} {first + 16} {draw.random() * 0.1}\n")
            server.stdin.flush()
            assert server.stdout.readline() == "killed\n"
        server.stdin.close()
    final = ChainedLog("w", log)
    assert final.validate() == []
    effects = Counter(e.req_id for e in final.entries_since(0) if e.effect["kind"] == "say")
    assert 10 < len(effects) < times * 10 + 6, "killed in the middle: some began, not all ended"
    assert max(effects.values()) == 1, "an id has one effect at most"
    answers: dict[str, str] = {}
    for line in heard.read_text().splitlines():
        if line.endswith("}"):
            answer = Answer.from_json(line)
            assert answers.setdefault(answer.id, line) == line, "each retry has the same answer, byte for byte"
            assert effects[answer.id] == 1, "what was answered stands in the log"
    host = Orchestrator("w", TalkWorld(), final, time.time)
    host.register_agent(agent("ann"), LISTENER)
    for intent_id, line in answers.items():
        repeated = host.submit_intent(intent("ann", intent_id, f"hello {intent_id}"))
        assert repeated is not None and repeated.to_json() == line


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_at_random_moments(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 50, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_killed_a_thousand_times(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 1_000, seed=2)
