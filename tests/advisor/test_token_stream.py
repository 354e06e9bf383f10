"""The model's answer piece by piece: the same text as a whole, and a free processor within 100 ms of a cancel."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest
from tomato_host.advisor.backends import local
from tomato_host.advisor.backends.chat import BackendFault, ChatRequest
from tomato_host.advisor.backends.local import LocalModel
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.token_model import BackendTokenModel
from tomato_host.world.cancel import CancelToken
from tomato_host.world.generation import GenerationFailed

from tests.advisor.test_local_model import ASK, CHUNK, FAKE, LONG

SILENT_MOST_S = 0.1


def test_pieces_are_the_text_and_a_cancel_leaves_a_worker_that_answers(tiny_settings: AdvisorSettings) -> None:
    model = LocalModel(tiny_settings)
    long = ChatRequest("", "Look.", LONG, 60, 7, 1.0, 20.0)
    try:
        whole = model.chat(long)
        assert "".join(model.stream(long, CancelToken())) == whole.text
        worker, token = model.worker_pid, CancelToken()
        pieces = model.stream(ChatRequest("", "Look.", LONG, 2_000, 7, 1.0, 20.0), token)
        assert [next(pieces) for _ in range(5)]
        token.cancel("view 3 is the newest")
        assert list(pieces) == []
        assert token.cancelled_at_s is not None and time.monotonic() - token.cancelled_at_s < SILENT_MOST_S
        assert model.chat(ASK).text == "a" and model.worker_pid == worker
    finally:
        model.close()


def test_a_worker_that_does_not_stop_is_suspended_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.gguf").write_bytes(b"w")
    argv = [sys.executable, "-c", FAKE, json.dumps([CHUNK]), "wait"]
    monkeypatch.setattr(local, "python_module", lambda name: argv)
    model, token = LocalModel(AdvisorSettings(backend="local", model_path=tmp_path / "w.gguf")), CancelToken()
    try:
        pieces = model.stream(ASK, token)
        assert next(pieces) == "x"
        token.cancel("enough")
        assert list(pieces) == [] and model.worker_pid is None
        assert token.cancelled_at_s is not None and time.monotonic() - token.cancelled_at_s < SILENT_MOST_S
    finally:
        model.close()


def test_an_agents_model_hands_pieces_on_and_says_why_there_are_none(tiny_settings: AdvisorSettings) -> None:
    async def text_of(model: BackendTokenModel, token: CancelToken, most: int) -> list[str]:
        pieces = []
        async for piece in model.generate("Look.", token):
            pieces.append(piece)
            if len(pieces) == most:
                token.cancel("enough")
        return pieces

    backend = LocalModel(tiny_settings)
    model = BackendTokenModel(backend, "Speak.")
    try:
        assert len(asyncio.run(text_of(model, CancelToken(), 3))) == 3
        again = "".join(asyncio.run(text_of(model, CancelToken(), 1_000)))
        assert len(again.split()) >= 8, "it answers again, by the grammar"
    finally:
        model.close()
        backend.close()
    missing = LocalModel(AdvisorSettings(backend="local", model_path=Path("/nonexistent.gguf")))
    with pytest.raises(GenerationFailed, match="missing"):
        asyncio.run(text_of(BackendTokenModel(missing, ""), CancelToken(), 1))
    with pytest.raises(BackendFault, match="missing"):
        next(missing.stream(ASK, CancelToken()))
