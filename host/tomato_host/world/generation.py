"""Text of an agent, token by token: on a view, under a cancel token, and begun again on the view that made it stale.

A model is anything with `TokenModel.generate`; the real one is `advisor/token_model.py`, and `ScriptedModel` paces
words for demos and tests. What a model yields after the cancel is never handed on, so the delay from cancel to silence
is at most the time of one token, and at most `CHECK_S` where a model takes longer over one.

    begin_work (the view's number, what is read) -> prompt of that view -> tokens ... -> the text
                                    cancelled: the pieces are dropped, and it begins on the newest view
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tomato_host.world.agents import AgentHandle
from tomato_host.world.cancel import STALE, CancelToken
from tomato_host.world.circuit_breaker import CircuitBreaker
from tomato_host.world.document import Document

CHECK_S = 0.02
"""How often the token is looked at while a model works on one piece."""


class GenerationFailed(Exception):
    """The model gave no text. The argument says why."""


class TokenModel(Protocol):
    """A language model that can be interrupted."""

    def generate(self, prompt: str, token: CancelToken) -> AsyncIterator[str]:
        """Pieces of text, in order; ends early once the token is cancelled. Raises GenerationFailed."""


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """Yields the words of a reply at a fixed pace; the default pace is that of a small model."""

    reply: Callable[[str], str]
    """The whole text for a prompt."""
    pace_s: float = 0.025

    async def generate(self, prompt: str, token: CancelToken) -> AsyncIterator[str]:
        """The words with their spaces, one each `pace_s`."""
        for number, word in enumerate(self.reply(prompt).split()):
            await asyncio.sleep(self.pace_s)
            if token.is_cancelled:
                return
            yield word if number == 0 else f" {word}"


@dataclass(slots=True)
class Attempt:
    """One generation on one view."""

    view_seq: int
    number: int = 1
    pieces: list[str] = field(default_factory=list)
    ended: Literal["", "complete", "interrupted", "cancelled", "failed"] = ""
    """Interrupted: by its agent's view, which has moved on. Cancelled: by anything else, and not begun again."""
    reason: str = ""
    silent_ms: float | None = None
    """From the cancel until nothing more came; None when it was not interrupted."""

    @property
    def text(self) -> str:
        """What there is of it."""
        return "".join(self.pieces).strip()


OnAttempt = Callable[[Attempt], None]


@dataclass(frozen=True, slots=True)
class TextGenerator:
    """Texts of one agent by one model. Keeps no text: what is interrupted is gone."""

    agent: AgentHandle
    model: TokenModel
    prompt: Callable[[Document], str]
    """The prompt for a view of the agent."""
    reads: tuple[str, ...] = ("",)
    """Pointers into the view that a text rests on."""
    most_attempts: int = 3
    breaker: CircuitBreaker = field(default_factory=lambda: CircuitBreaker(1.0, 60.0, 3, 600.0))
    clock: Callable[[], float] = time.monotonic

    async def run(
        self,
        req_id: str,
        on_piece: Callable[[str], None] = lambda piece: None,
        on_begin: OnAttempt = lambda attempt: None,
        on_end: OnAttempt = lambda attempt: None,
    ) -> Attempt:
        """Generate until a text is complete; the last attempt says whether it is. `req_id`: of the intent to come.

        While the circuit of a model that fails is open it is not asked. The callbacks return at once.
        """
        for number in range(1, self.most_attempts + 1):
            attempt = Attempt(self.agent.view_seq, number)
            if not self.breaker.allows(self.clock()):
                attempt.ended, attempt.reason = "failed", "the model rests after failures"
                return attempt
            on_begin(attempt)
            await self._once(req_id, attempt, on_piece)
            on_end(attempt)
            if attempt.ended != "interrupted":
                break
        return attempt

    async def _once(self, req_id: str, attempt: Attempt, on_piece: Callable[[str], None]) -> None:
        view = self.agent.view
        token = self.agent.begin_work(req_id, self.reads)
        pieces = self.model.generate(self.prompt({} if view is None else view.document), token)
        try:
            while (piece := await _next_piece(pieces, token)) is not None:
                attempt.pieces.append(piece)
                on_piece(piece)
        except GenerationFailed as fault:
            attempt.ended, attempt.reason = "failed", str(fault)
            self.breaker.record_failure(self.clock())
            return
        finally:
            self.agent.end_work(req_id)
        if token.cancelled_at_s is not None:
            attempt.reason = token.reason or ""
            attempt.ended = "interrupted" if attempt.reason.startswith(STALE) else "cancelled"
            attempt.silent_ms = round((time.monotonic() - token.cancelled_at_s) * 1_000.0, 1)
        else:
            attempt.ended = "complete"
            self.breaker.record_success()


async def _next_piece(pieces: AsyncIterator[str], token: CancelToken) -> str | None:
    """The next piece; None at the end, and within `CHECK_S` of a cancel whatever the model does meanwhile."""
    coming = asyncio.ensure_future(anext(pieces, None))
    try:
        while not token.is_cancelled:
            done, _ = await asyncio.wait((coming,), timeout=CHECK_S)
            if done:
                return None if token.is_cancelled else coming.result()
        return None
    finally:
        coming.add_done_callback(_drop)
        coming.cancel()


def _drop(ended: asyncio.Future[str | None]) -> None:
    """What comes after the cancel, a failure too, is nobody's."""
    if not ended.cancelled():
        ended.exception()
