"""Texts token by token: whatever the model does, the agent is silent within 100 ms of a cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from tomato_host.world.agents import AgentHandle
from tomato_host.world.cancel import CancelToken
from tomato_host.world.circuit_breaker import CircuitBreaker
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.generation import Attempt, GenerationFailed, ScriptedModel, TextGenerator
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.talk import LISTENER, SAID, TalkWorld

from tests.world.served import agent

SILENT_MOST_MS = 100.0


def talk() -> tuple[Orchestrator, AgentHandle, AgentHandle]:
    host = Orchestrator("talk", TalkWorld(), ChainedLog("talk"), time.monotonic)
    ann, ben = (host.register_agent(agent(name, "talk", "listener"), LISTENER) for name in ("ann", "ben"))
    return host, ann, ben


def say(host: Orchestrator, speaker: AgentHandle, text: str) -> None:
    speaker.submit_intent(
        {"schema_version": "intent_v1", "id": f"{speaker.name}-{text}", "agent": speaker.name, "kind": "say",
         "payload": {"text": text}}
    )  # fmt: skip
    host.run_turn()


class SlowModel:
    """Takes ten seconds over its second piece."""

    async def generate(self, prompt: str, token: CancelToken) -> AsyncIterator[str]:
        yield "first"
        await asyncio.sleep(10.0)
        yield "second"


class BrokenModel:
    """Fails after one piece."""

    async def generate(self, prompt: str, token: CancelToken) -> AsyncIterator[str]:
        yield "first"
        raise GenerationFailed("out of memory")


def run_with(writer: TextGenerator, after_first: Callable[[], object]) -> Attempt:
    """Run one text; after its first piece something happens."""

    async def both() -> Attempt:
        begun = asyncio.Event()
        text = asyncio.create_task(writer.run("text-1", lambda piece: begun.set()))
        await begun.wait()
        after_first()
        return await text

    return asyncio.run(both())


def test_a_scripted_model_yields_at_its_pace() -> None:
    _, ann, _ = talk()
    moments: list[float] = []
    writer = TextGenerator(ann, ScriptedModel(lambda prompt: "one two three four five", 0.025), str, (SAID,))
    attempt = asyncio.run(writer.run("text-1", lambda piece: moments.append(time.monotonic())))
    assert attempt.ended == "complete" and attempt.text == "one two three four five"
    gaps = [later - earlier for earlier, later in pairwise(moments)]
    assert min(gaps) >= 0.02 and sorted(gaps)[len(gaps) // 2] <= 0.06


@pytest.mark.parametrize("model", [SlowModel(), ScriptedModel(lambda prompt: "word " * 100)])
def test_a_cancel_by_the_agent_silences_any_model_and_nothing_begins_again(
    model: SlowModel | ScriptedModel,
) -> None:
    _, ann, _ = talk()
    attempt = run_with(TextGenerator(ann, model, str, (SAID,)), lambda: ann.cancel("text-1", "enough"))
    assert (attempt.ended, attempt.number, attempt.reason) == ("cancelled", 1, "enough")
    assert attempt.silent_ms is not None and attempt.silent_ms <= SILENT_MOST_MS
    assert len(attempt.pieces) <= 2


def test_a_view_that_moves_on_begins_it_again_and_only_so_often() -> None:
    host, ann, ben = talk()
    seen: list[str] = []
    model = ScriptedModel(lambda prompt: seen.append(prompt) or "a b c d e f", 0.02)  # type: ignore[func-returns-value]
    attempt = run_with(
        TextGenerator(ann, model, lambda view: str(len(view.get("said", {}))), (SAID,)), lambda: say(host, ben, "no")
    )
    assert (attempt.ended, attempt.number, seen) == ("complete", 2, ["0", "1"])

    async def always_interrupted() -> Attempt:
        writer = TextGenerator(ann, model, str, (SAID,), most_attempts=3)
        return await writer.run("text-2", lambda piece: say(host, ben, f"{len(host.state.document['said'])}"))

    attempt = asyncio.run(always_interrupted())
    assert (attempt.ended, attempt.number) == ("interrupted", 3)


def test_a_model_that_fails_is_left_alone_for_a_while() -> None:
    _, ann, _ = talk()
    now_s = [0.0]
    writer = TextGenerator(
        ann, BrokenModel(), str, (SAID,), breaker=CircuitBreaker(1.0, 60.0, 3, 600.0), clock=lambda: now_s[0]
    )
    attempt = asyncio.run(writer.run("text-1"))
    assert (attempt.ended, attempt.reason) == ("failed", "out of memory")
    assert not ann.cancel("text-1"), "no work is left behind"
    assert asyncio.run(writer.run("text-2")).reason == "the model rests after failures"
    now_s[0] = 1.5
    assert asyncio.run(writer.run("text-3")).reason == "out of memory"
