"""The borders: what the model's process cannot see, cannot open and cannot say."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tomato_host.advisor import advisor
from tomato_host.advisor.advisor import Advisor
from tomato_host.advisor.backends.chat import ChatRequest
from tomato_host.advisor.backends.local import LocalModel
from tomato_host.advisor.backends.model_files import file_sha256
from tomato_host.advisor.backends.process import LineProcess, scrubbed_environment
from tomato_host.advisor.chronicle import public_view
from tomato_host.advisor.evaluation.cancel_trials import members_of
from tomato_host.advisor.prompt_files import FOLDER, grammar, prompt
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.vision.verdict import VisionReply
from tomato_host.world.circuit_breaker import CircuitBreaker

from shared_schemas.records import ActionV1
from shared_schemas.records.action_v1 import Params
from tests.advisor.wakes import context

ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
ECHO = [sys.executable, "-uc", "import sys\nfor line in sys.stdin: print(line.strip() * 2, flush=True)"]


@pytest.fixture
def running(tiny_settings: AdvisorSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The process id of a worker that was started while secrets stood in our environment and a terminal was open."""
    monkeypatch.setenv("TOMATO_MQTT_PASSWORD", "do-not-leak")
    monkeypatch.setenv("TOMATO_LLM_API_KEY", "do-not-leak")
    serial_line, _other_end = os.openpty()
    os.set_inheritable(serial_line, False)
    model = LocalModel(tiny_settings)
    model.chat(ChatRequest("", "Look.", 'root ::= "a"', 8, 1, 0.0, 60.0))
    assert model.worker_pid is not None
    yield model.worker_pid
    model.close()
    os.close(serial_line)
    os.close(_other_end)


@ONLY_LINUX
def test_the_worker_inherits_no_secret_and_no_line(running: int) -> None:
    environment = Path(f"/proc/{running}/environ").read_bytes()
    assert b"do-not-leak" not in environment and b"OMP_WAIT_POLICY=passive" in environment
    open_files = [os.readlink(f) for f in Path(f"/proc/{running}/fd").iterdir() if f.is_symlink()]
    assert not [f for f in open_files if "/dev/tty" in f or "/dev/pts" in f or "ptmx" in f]


@ONLY_LINUX
def test_the_workers_loopback_port_opens_for_nobody(running: int) -> None:
    """The library cannot be had without a listener; it is on loopback and refuses whoever has not the random key."""
    sockets = {os.readlink(f) for f in Path(f"/proc/{running}/fd").iterdir() if f.is_symlink()}
    listening = [
        line.split()[1].split(":")
        for line in Path(f"/proc/{running}/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in sockets
    ]
    assert [address for address, _ in listening] == ["0100007F"]
    url = f"http://127.0.0.1:{int(listening[0][1], 16)}/v1/chat/completions"
    assert httpx.post(url, json={"messages": []}, trust_env=False).status_code == 401


def test_python_code_in_the_worker_can_open_no_connection_and_start_no_program() -> None:
    code = (
        "import sys, socket, subprocess, os\n"
        "from tomato_host.advisor.backends.worker import _forbid\n"
        "sys.addaudithook(_forbid)\n"
        "for action in (lambda: socket.create_connection(('127.0.0.1', 9)), lambda: subprocess.run(['true']),"
        " lambda: os.system('true')):\n"
        "    try:\n        action()\n"
        "    except PermissionError as fault:\n        print('refused', fault)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("refused the model worker may not use") == 3


def test_no_schema_of_the_advisor_holds_a_command() -> None:
    """Neither what the model fills in nor what may come back has room for an action."""
    assert not set(VisionReply.model_fields) & set(Params.model_fields)
    assert ActionV1 not in advisor.ALLOWED.values()
    code = "".join(path.read_text() for path in FOLDER.rglob("*.py"))
    for hand in ("tomato_host.board", "serial", "Guardrails", "submit(", "tomato_host.loop"):
        assert f"import {hand}" not in code and f"from {hand}" not in code, hand


def test_only_the_named_key_goes_to_the_desk_and_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOMATO_LLM_API_KEY", "key")
    monkeypatch.setenv("TOMATO_OTHER", "secret")
    assert "TOMATO_LLM_API_KEY" not in scrubbed_environment() and "TOMATO_OTHER" not in scrubbed_environment()
    for backend, there in (("none", False), ("http", True)):
        advisor = Advisor(AdvisorSettings(backend=backend))  # type: ignore[arg-type]
        assert ("TOMATO_LLM_API_KEY" in advisor._environment()) == there
        assert "TOMATO_OTHER" not in advisor._environment()
        advisor.close()


def test_every_prompt_names_itself_its_version_and_an_existing_grammar() -> None:
    names = sorted(path.stem for path in (FOLDER / "prompts").glob("*.md"))
    assert names == ["chronicle", "explanation", "hypothesis", "summary", "vision"]
    for name in names:
        page = prompt(name)
        assert page.version.isdigit() and grammar(page.grammar_name).text and len(page.sha256) == 64
        assert ("{{facts}}" in page.question) == (name != "vision")


def test_the_public_sees_the_four_texts_and_only_allowed_data() -> None:
    from tomato_host.advisor.backends.chat import NoBackend
    from tomato_host.advisor.memory import MemoryStore
    from tomato_host.advisor.pipeline import WakeResources, run_wake

    (event,) = run_wake(
        context(tasks=("summary",)), WakeResources(AdvisorSettings(), None, NoBackend(), MemoryStore(None))
    )
    public = public_view(event)  # type: ignore[arg-type]
    assert public is not None and public.text == event.text  # type: ignore[attr-defined]
    assert "fault" not in public.data and public.data["written_by"] == "template"
    assert public_view(event.model_copy(update={"name": "photo_missing"})) is None  # type: ignore[arg-type]


def test_a_line_process_speaks_is_suspended_resumed_and_killed() -> None:
    child = LineProcess(ECHO, env=scrubbed_environment(), own_group=True)
    child.send("ab")
    assert child.read_line(5.0) == b"abab"
    child.suspend()
    child.send("cd")
    assert child.read_line(0.2) is None
    child.resume()
    assert child.read_line(5.0) == b"cdcd"
    assert child.kill() is not None
    deadline = time.monotonic() + 5.0
    while not child.ended:
        assert time.monotonic() < deadline
    assert not child.send("ef") and child.read_line() is None


@ONLY_LINUX
@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)"], ids=["leaves", "is_killed"])
def test_a_suspended_group_does_not_outlive_the_brain(end: str) -> None:
    """The brain dies in the moment between suspending and killing."""
    code = (
        "import os, sys, time\n"
        "from tests.advisor.wakes import context\n"
        "from tomato_host.advisor.advisor import Advisor\n"
        "from tomato_host.advisor.settings import AdvisorSettings\n"
        "command = [sys.executable, '-m', 'tests.advisor.eager_worker']\n"
        "advisor = Advisor(AdvisorSettings(keep_loaded=True), command=command)\n"
        "advisor.wake(context(tasks=('summary',)))\n"
        "while advisor.status().state == 'working': advisor.poll(); time.sleep(0.002)\n"
        "advisor.wake(context('w-2', ('summary',)))\n"
        "while advisor.process_group is None: time.sleep(0.002)\n"
        "print(advisor.process_group, flush=True)\n"
        f"advisor.cancel('leak')\ntime.sleep(0.05)\n{end}\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    group = int(done.stdout)
    deadline = time.monotonic() + 5.0
    while members_of(group):
        assert time.monotonic() < deadline, "a suspended process was left behind"
        time.sleep(0.02)


def test_too_much_output_is_the_end_of_a_process() -> None:
    for code, why in (("print('x' * 99_999)", "longer than"), ("print('x\\n' * 9_999)", "lines waiting")):
        child = LineProcess([sys.executable, "-c", code], env=scrubbed_environment(), own_group=True)
        deadline = time.monotonic() + 10.0
        while child.fault is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert why in child.fault
        child.kill()


def test_the_hash_of_the_weights_is_the_files_own_and_is_read_once(tmp_path: Path) -> None:
    weights, cache = tmp_path / "w.gguf", tmp_path / "private" / "hashes.json"
    weights.write_bytes(b"weights")
    assert file_sha256(weights, cache) == hashlib.sha256(b"weights").hexdigest()
    stat = weights.stat()
    weights.write_bytes(b"changed")
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert file_sha256(weights, cache) == hashlib.sha256(b"weights").hexdigest(), "same name, size and time: the cache"
    assert file_sha256(weights) == hashlib.sha256(b"changed").hexdigest()
    cache.write_text("{broken")
    assert file_sha256(weights, cache) == hashlib.sha256(b"changed").hexdigest()


def test_a_failing_model_is_left_alone_for_longer_and_longer() -> None:
    breaker = CircuitBreaker(backoff_first_s=5.0, backoff_most_s=30.0, failures_to_open=4, rest_s=1000.0)
    pauses = []
    now = 0.0
    for _ in range(5):
        breaker.record_failure(now)
        pauses.append(breaker.not_before_s - now)
        now = breaker.not_before_s
    assert pauses == [5.0, 10.0, 20.0, 1000.0, 1000.0] and breaker.open
    assert not breaker.allows(now - 0.1) and breaker.allows(now)
    breaker.record_success()
    assert not breaker.open and breaker.allows(0.0)
