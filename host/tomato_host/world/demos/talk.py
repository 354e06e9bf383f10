"""Three agents talk; one is interrupted, falls silent within 100 ms, and begins again on what it has heard."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from tomato_host.brain.admission.tent_admission import NEVER
from tomato_host.world.agents import AgentHandle
from tomato_host.world.event_log import ChainedLog
from tomato_host.world.generation import ScriptedModel
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.worlds.talk import LISTENER, SAID, TalkWorld

TURN_S = 0.005
SILENT_MOST_MS = 100.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, `at_ms` after the begin."""

    at_ms: float
    who: str
    what: str
    text: str


class TalkDemo:
    """Runs the conversation in real time; a few seconds."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self.host = Orchestrator("talk", TalkWorld(), ChainedLog("talk"), time.monotonic)
        self.moments: list[Moment] = []
        self.silent_ms: list[float] = []
        """From each cancel to the end of the generation."""
        self._number = 0

    async def run(self) -> dict[str, Any]:
        """The whole conversation, JSON-ready."""
        turns = asyncio.create_task(self._turns())
        try:
            ann, ben, cleo = (self._join(name) for name in ("ann", "ben", "cleo"))
            long_speech = asyncio.create_task(
                self._speak(ann, "I think the tomatoes need water because " * 3, attempts=2)
            )
            await asyncio.sleep(0.3)
            await self._speak(ben, "Stop, the leak sensor is wet!")
            await long_speech
            await self._speak(cleo, "I will look under the tray.")
        finally:
            turns.cancel()
        said = list(self.host.state.document["said"].values())
        ok = bool(self.silent_ms) and max(self.silent_ms) <= SILENT_MOST_MS and not self.host.log.validate()
        moments = [asdict(moment) for moment in self.moments]
        return {"ok": ok, "silent_ms": self.silent_ms, "said": said, "moments": moments}

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

    async def _speak(self, speaker: AgentHandle, text: str, attempts: int = 1) -> None:
        """Generate word by word; when cancelled, begin again on what was said meanwhile."""
        for attempt in range(attempts):
            self._number += 1
            req_id = f"speech-{self._number}"
            token = speaker.begin_work(req_id, (SAID,))
            words = text.split() if attempt == 0 else ["Oh.", "Then", "no", "water", "today."]
            spoken = [word async for word in ScriptedModel(words).generate(token)]
            self.host.cancels.end(speaker.name, req_id)
            if token.cancelled_at_s is not None:
                self.silent_ms.append(round((time.monotonic() - token.cancelled_at_s) * 1_000.0, 1))
                self._note(speaker.name, "interrupted", " ".join(spoken) + f" - ({token.reason})")
                continue
            speaker.submit_intent(
                {"schema_version": "intent_v1", "id": req_id, "agent": speaker.name, "kind": "say",
                 "payload": {"text": " ".join(spoken)}}
            )  # fmt: skip
            self._note(speaker.name, "says", " ".join(spoken))
            await asyncio.sleep(4 * TURN_S)
            return

    def _note(self, who: str, what: str, text: str) -> None:
        self.moments.append(Moment(round((time.monotonic() - self._began_s) * 1_000.0, 1), who, what, text))


def run_talk() -> dict[str, Any]:
    """Run the demo."""
    return asyncio.run(TalkDemo().run())
