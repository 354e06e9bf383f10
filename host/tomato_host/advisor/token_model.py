"""The advisor's model as a speaker of a shared world: its text piece by piece, silent as soon as it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from tomato_host.advisor.backends.chat import BackendFault, ChatRequest
from tomato_host.world.cancel import CancelToken
from tomato_host.world.generation import GenerationFailed

SENTENCE = 'root ::= word (" " word){11,39} "."\nword ::= [A-Za-z\']{1,12} ","?'
"""GBNF of something that can be said: twelve to forty words and no number."""
MAX_TOKENS = 120
DEADLINE_S = 60.0


class StreamingBackend(Protocol):
    """A backend that gives its answer piece by piece (`LocalModel`, `HttpModel`)."""

    def stream(self, request: ChatRequest, token: CancelToken) -> Iterator[str]:
        """The pieces; ends once the token is cancelled. Raises BackendFault."""


@dataclass(slots=True)
class BackendTokenModel:
    """`TokenModel` over a backend. The backend works in a thread of its own; one text at a time."""

    backend: StreamingBackend
    instructions: str
    seed: int = 1
    temperature: float = 0.7
    grammar: str = SENTENCE
    _texts: int = 0
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "model"))
    """One for all texts: a worker process ends with the thread that has started it, and a cancelled text may still be
    stopping when the next begins."""

    def close(self) -> None:
        """End the thread, and with it the worker process that it has started."""
        self._thread.shutdown()

    async def generate(self, prompt: str, token: CancelToken) -> AsyncIterator[str]:
        """As `TokenModel.generate`. Every text has a seed of its own, which follows from the first."""
        request = ChatRequest(
            self.instructions, prompt, self.grammar, MAX_TOKENS, self.seed + self._texts, self.temperature, DEADLINE_S
        )
        self._texts += 1
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | BackendFault | None] = asyncio.Queue()

        def produce() -> None:
            end: BackendFault | None = None
            try:
                for piece in self.backend.stream(request, token):
                    loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except BackendFault as fault:
                end = fault
            loop.call_soon_threadsafe(pieces.put_nowait, end)

        work = loop.run_in_executor(self._thread, produce)
        while (piece := await pieces.get()) is not None:
            if isinstance(piece, BackendFault):
                raise GenerationFailed(str(piece))
            if token.is_cancelled:
                break
            yield piece
        await work
