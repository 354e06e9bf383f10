"""The local model when things go wrong: a broken file, a slow answer, a worker that talks nonsense."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tomato_host.advisor.backends import local
from tomato_host.advisor.backends.chat import BackendFault, ChatRequest, NoBackend
from tomato_host.advisor.backends.factory import backend_for
from tomato_host.advisor.backends.local import LocalModel
from tomato_host.advisor.backends.openai_http import HttpModel
from tomato_host.advisor.settings import AdvisorSettings

LONG = "root ::= line line line line line line line line line line line line line line\nline ::= [a-z]{120}"
"""A grammar that lets nobody stop early."""
ASK = ChatRequest("", "Look.", 'root ::= "a"', 8, 1, 0.0, 20.0)


def test_a_file_that_is_no_model_is_a_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(200))
    model = LocalModel(AdvisorSettings(backend="local", model_path=broken))
    with pytest.raises(BackendFault, match=r"worker (failed|died)"):
        model.chat(ASK)
    assert model.worker_pid is None and not model.sees


def test_a_missing_file_is_a_fault_before_anything_is_started(tmp_path: Path) -> None:
    model = LocalModel(AdvisorSettings(backend="local", model_path=tmp_path / "none.gguf"))
    with pytest.raises(BackendFault, match="missing"):
        model.chat(ASK)
    assert model.model_hash == "missing" and model.worker_pid is None


def test_an_answer_that_takes_too_long_ends_the_worker_and_the_next_question_gets_a_new_one(
    tiny_settings: AdvisorSettings,
) -> None:
    model = LocalModel(tiny_settings)
    try:
        model.chat(ASK)
        first = model.worker_pid
        endless = ChatRequest("", "Look.", LONG, 2_000, 1, 1.0, 0.05)
        with pytest.raises(BackendFault, match="too long"):
            model.chat(endless)
        assert model.worker_pid is None
        assert model.chat(ASK).text == "a" and model.worker_pid not in (None, first)
    finally:
        model.close()


def test_a_reply_that_the_token_limit_cut_off_says_so(tiny_settings: AdvisorSettings) -> None:
    model = LocalModel(tiny_settings)
    try:
        reply = model.chat(ChatRequest("", "Look.", LONG, 12, 1, 1.0, 20.0))
        assert not reply.finished and reply.completion_tokens == 12
    finally:
        model.close()


FAKE = """
import json, sys
for line in sys.stdin:
    command = json.loads(line)
    if command["do"] == "load":
        print(json.dumps({"number": command["number"], "loaded_s": 0.1}), flush=True)
    else:
        for said in json.loads(sys.argv[1]):
            print(said.replace("NUMBER", str(command["number"])), flush=True)
        if sys.argv[2] == "exit":
            sys.exit(3)
"""
CHUNK = '{"number": NUMBER, "chunk": {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}}'
END = '{"number": NUMBER, "end": true}'


@pytest.mark.parametrize(
    ("said", "then", "why"),
    [
        (["not json"], "wait", "no JSON"),
        (["[" * 5_000], "wait", "no JSON"),
        (['{"number": NUMBER, "fault": "out of memory"}'], "wait", "failed: out of memory"),
        ([CHUNK], "exit", "died"),
        (["x" * 100_000], "wait", "longer than"),
        (['{"number": NUMBER, "chunk": 7}'], "wait", "no object"),
        (['{"number": NUMBER, "chunk": {"error": "bad image"}}', END], "wait", "refused: bad image"),
        ([CHUNK.replace('"x"', '"' + "y" * 20_000 + '"'), END], "wait", "longer than"),
    ],
)
def test_every_nonsense_of_a_worker_is_a_fault(
    said: list[str], then: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in worker that loads and then misbehaves; answers to older questions are passed over."""
    (tmp_path / "w.gguf").write_bytes(b"w")
    argv = [sys.executable, "-c", FAKE, json.dumps([CHUNK.replace("NUMBER", "0"), *said]), then]
    monkeypatch.setattr(local, "python_module", lambda name: argv)
    model = LocalModel(AdvisorSettings(backend="local", model_path=tmp_path / "w.gguf"))
    try:
        with pytest.raises(BackendFault, match=why):
            model.chat(ASK)
        assert (model.worker_pid is not None) == ("refused" in why)
    finally:
        model.close()


def test_the_settings_choose_the_backend(tmp_path: Path) -> None:
    assert isinstance(backend_for(AdvisorSettings()), NoBackend)
    assert isinstance(backend_for(AdvisorSettings(backend="local", model_path=tmp_path)), LocalModel)
    http = backend_for(AdvisorSettings(backend="http", endpoint_model="qwen/2.5 vl:7b"))
    assert isinstance(http, HttpModel) and http.model_hash == "endpoint:qwen-2.5-vl:7b" and "127.0.0.1" in http.name
    http.close()
