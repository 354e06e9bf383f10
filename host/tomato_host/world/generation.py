"""Token by token: a generation that looks at its cancel token before each token, and a scripted model for tests.

A real model is an adapter with the same call: an iterable of tokens. What is generated after the cancel is never
handed on, so the delay from cancel to silence is at most the time of one token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from tomato_host.world.cancel import CancelToken


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """Yields given words at a fixed pace, as a language model does; the default pace is that of a small model."""

    words: Sequence[str]
    pace_s: float = 0.025

    async def generate(self, token: CancelToken) -> AsyncIterator[str]:
        """The words, one each `pace_s`; ends without a further word once the token is cancelled."""
        for word in self.words:
            await asyncio.sleep(self.pace_s)
            if token.is_cancelled:
                return
            yield word
