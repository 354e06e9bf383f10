"""Three agents talk; one is interrupted, falls silent within 100 ms, and begins again on what it has heard.

Ann and Cleo write with a model (`ScriptedModel`, or a real one that the caller gives); Ben is a person, whose words
come at once. What Ann says the second time follows from her prompt, and that from her view.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.agents import AgentHandle
from tomato_host.world.document import Document
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.generation import Attempt, ScriptedModel, TextGenerator, TokenModel
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.talk import LISTENER, SAID, TalkWorld

TURN_S = 0.005
SILENT_MOST_MS = 100.0
INTERRUPTION = "Stop, the leak sensor is wet!"
INTERRUPTED_AFTER = 8
"""Pieces of Ann's first text before Ben speaks."""
NOTHING_YET = "Nothing was said yet."

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, `at_ms` after the begin. `view_seq`: the view that a text rests on."""

    at_ms: float
    who: str
    what: str
    text: str
    view_seq: int | None = None
    silent_ms: float | None = None


def prompt_of(view: Document) -> str:
    """What a speaker is asked, from what it has heard."""
    said = [f"{one['speaker']}: {one['text']}" for one in view.get("said", {}).values()]
    return "\n".join([*(said or [NOTHING_YET]), "Say in one sentence what should be done with the tomatoes."])


def scripted_reply(prompt: str) -> str:
    """What the scripted model says: a long text when nothing was said, else an answer to the last that was said."""
    *said, _ = prompt.split("\n")
    if said == [NOTHING_YET]:
        return "I think the tomatoes need water because the soil of the left pot is dry since the morning of today"
    speaker, _, last = said[-1].partition(": ")
    return f"I have heard {speaker} say {last!r} and so I look at that first."


class TalkDemo:
    """Runs the conversation in real time; a few seconds."""

    def __init__(self, model: TokenModel, interruption: str = INTERRUPTION, show: Show = lambda text: None) -> None:
        """`show` gets the pieces as they come."""
        self._began_s = time.monotonic()
        self._show = show
        self._model = model
        self._interruption = interruption
        self.host = Orchestrator("talk", TalkWorld(), ChainedLog("talk"), time.monotonic)
        self.moments: list[Moment] = []
        self._pieces = 0

    async def run(self) -> dict[str, Any]:
        """The whole conversation, JSON-ready."""
        turns = asyncio.create_task(self._turns())
        try:
            ann, ben, cleo = (self._join(name) for name in ("ann", "ben", "cleo"))
            text = asyncio.create_task(self._generate(ann, "ann-1"))
            while self._pieces < INTERRUPTED_AFTER and not text.done():
                await asyncio.sleep(TURN_S)
            await self._say(ben, "ben-1", self._interruption)
            await text
            await self._generate(cleo, "cleo-1")
        finally:
            turns.cancel()
        return self._result()

    def _result(self) -> dict[str, Any]:
        said = list(self.host.state.document["said"].values())
        silent_ms = [one.silent_ms for one in self.moments if one.silent_ms is not None]
        by_ann = [one.what for one in self.moments if one.who == "ann"]
        ok = (
            by_ann == ["begins", "interrupted", "begins", "says"]
            and max(silent_ms) <= SILENT_MOST_MS
            and [one["speaker"] for one in said] == ["ben", "ann", "cleo"]
            and not self.host.log.validate()
        )
        moments = [asdict(moment) for moment in self.moments]
        return {"ok": ok, "silent_ms": silent_ms, "said": said, "moments": moments}

    def _join(self, name: str) -> AgentHandle:
        record = AgentV1(
            schema_version="agent_v1", ts=NEVER, name=name, tent="talk", origin="api", policy="listener",
            interrupt="only_conflict",
        )  # fmt: skip
        return self.host.register_agent(record, LISTENER)

    async def _turns(self) -> None:
        while True:
            self.host.run_turn()
            await asyncio.sleep(TURN_S)

    async def _generate(self, speaker: AgentHandle, req_id: str) -> None:
        """Write a text, and say it once it is complete."""

        def on_begin(attempt: Attempt) -> None:
            self._note(Moment(0.0, speaker.name, "begins", "", attempt.view_seq))
            self._show(f"\n{speaker.name} (view {attempt.view_seq}): ")

        def on_piece(piece: str) -> None:
            self._pieces += 1
            self._show(piece)

        def on_end(attempt: Attempt) -> None:
            if attempt.ended != "complete":
                text = f"{attempt.text} - ({attempt.reason})"
                self._note(Moment(0.0, speaker.name, attempt.ended, text, attempt.view_seq, attempt.silent_ms))
                self._show(f" - {attempt.ended} after {attempt.silent_ms} ms: {attempt.reason}")

        writer = TextGenerator(speaker, self._model, prompt_of, (SAID,))
        last = await writer.run(req_id, on_piece, on_begin, on_end)
        if last.ended == "complete":
            await self._say(speaker, req_id, last.text, last.view_seq)

    async def _say(self, speaker: AgentHandle, req_id: str, text: str, view_seq: int | None = None) -> None:
        """Submit what is said, and wait until it is."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        speaker.submit_intent(
            {"schema_version": "intent_v1", "id": req_id, "agent": speaker.name, "kind": "say",
             "payload": {"text": text}, "context_seq": view_seq},
            answered.set_result,
        )  # fmt: skip
        what = "says" if (await answered).code is None else "refused"
        self._note(Moment(0.0, speaker.name, what, text, view_seq))
        if view_seq is None:
            self._show(f"\n{speaker.name}: {text}")

    def _note(self, moment: Moment) -> None:
        at_ms = round((time.monotonic() - self._began_s) * 1_000.0, 1)
        self.moments.append(Moment(at_ms, moment.who, moment.what, moment.text, moment.view_seq, moment.silent_ms))


def run_talk(
    model: TokenModel | None = None, interruption: str = INTERRUPTION, show: Show = lambda text: None
) -> dict[str, Any]:
    """Run the demo; without a model, a scripted one that yields a word every 25 ms."""
    return asyncio.run(TalkDemo(model or ScriptedModel(scripted_reply), interruption, show).run())
