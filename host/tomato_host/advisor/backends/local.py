"""The local model: a worker process with xllamacpp, started at the first question, replaced when it dies."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tomato_host.advisor.backends.chat import (
    BackendFault,
    ChatReply,
    ChatRequest,
    ReplyBuilder,
    error_text,
    openai_body,
)
from tomato_host.advisor.backends.model_files import file_sha256
from tomato_host.advisor.backends.process import LineProcess, python_module, scrubbed_environment
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.world.cancel import CancelToken, WorkCancelled

LOAD_DEADLINE_S = 180.0
CANCEL_CHECK_S = 0.005
"""How often the cancel token is looked at while nothing comes from the model."""
STOP_S = 0.05
"""How long the model may take to stop between two tokens; then its process is suspended and replaced."""
WORKER_LINE_BYTES_MAX = 65_536


class LocalModel:
    """Backend over one worker process. Not thread-safe: one question at a time, as the model itself."""

    def __init__(self, settings: AdvisorSettings, hash_cache: Path | None = None) -> None:
        self._settings = settings
        self._hash_cache = hash_cache
        self._worker: LineProcess | None = None
        self._number = 0
        self._hash: str | None = None
        self.loaded_s: float | None = None
        """How long the last load took; None before the first."""

    @property
    def name(self) -> str:
        """For display."""
        return self._settings.model_path.name if self._settings.model_path else "none"

    @property
    def sees(self) -> bool:
        """True with a projector file."""
        return self._settings.projector_path is not None

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights file; read once, and remembered in the cache file."""
        if self._hash is None:
            if self._settings.model_path is None or not self._settings.model_path.is_file():
                return "missing"
            self._hash = file_sha256(self._settings.model_path, self._hash_cache)
        return self._hash

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id while there is one."""
        return self._worker.pid if self._worker else None

    def load(self) -> None:
        """Start the worker and load the weights now, not at the first question. Raises BackendFault."""
        self._ready_worker(LOAD_DEADLINE_S)

    def chat(self, request: ChatRequest) -> ChatReply:
        """Ask the worker; starts one when there is none. A worker that fails in any way is ended."""
        started = time.monotonic()
        worker = self._ask(request)
        builder = ReplyBuilder(runtime_name())
        try:
            while (message := self._message(worker, started + request.deadline_s)).get("end") is None:
                builder.add(message.get("chunk"), time.monotonic() - started)
        except BackendFault as fault:
            # A refusal (a corrupt photo, say) is an answer; anything else leaves the worker in an unknown state.
            if "refused" not in str(fault):
                self.close()
            else:
                self._drain(worker)
            raise
        return builder.reply(time.monotonic() - started)

    def stream(self, request: ChatRequest, token: CancelToken) -> Iterator[str]:
        """The answer piece by piece; ends within `STOP_S` of the token's cancel with the processor free.

        A model that stops between two tokens keeps its worker; one that is in the middle of something long (a photo, a
        long prompt) is suspended at once and ended in the background. Raises BackendFault as `chat`.
        """
        started = time.monotonic()
        worker = self._ask(request)
        builder = ReplyBuilder(runtime_name())
        try:
            while (message := self._message(worker, started + request.deadline_s, token)).get("end") is None:
                piece = builder.add(message.get("chunk"), time.monotonic() - started)
                if piece and not token.is_cancelled:
                    yield piece
        except WorkCancelled:
            self._stop(worker)
        except BackendFault:
            self.close()
            raise
        except GeneratorExit:
            self._stop(worker)
            raise

    def close(self) -> None:
        """End the worker and give its memory back."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def _ask(self, request: ChatRequest) -> LineProcess:
        """A worker that works on the question."""
        worker = self._ready_worker(min(LOAD_DEADLINE_S, request.deadline_s))
        self._number += 1
        body = openai_body(request, model="local", dialect="llama_server")
        worker.send(json.dumps({"do": "chat", "number": self._number, "body": body}))
        return worker

    def _stop(self, worker: LineProcess) -> None:
        """End the generation under way: by a word, else by force."""
        worker.send(json.dumps({"do": "stop"}))
        try:
            while self._message(worker, time.monotonic() + STOP_S).get("end") is None:
                continue
        except BackendFault:
            worker.suspend()
            self._worker = None
            threading.Thread(target=worker.kill, name="model-reaper", daemon=True).start()

    def _drain(self, worker: LineProcess) -> None:
        try:
            while self._message(worker, time.monotonic() + 5.0).get("end") is None:
                continue
        except BackendFault:
            self.close()

    def _ready_worker(self, deadline_s: float) -> LineProcess:
        if self._worker is not None and not self._worker.ended and self._worker.fault is None:
            return self._worker
        self.close()
        if self._settings.model_path is None or not self._settings.model_path.is_file():
            raise BackendFault(f"model file {self._settings.model_path} is missing")
        self._worker = LineProcess(
            python_module("tomato_host.advisor.backends.worker"),
            env=scrubbed_environment({"OMP_NUM_THREADS": str(self._settings.threads)}),
            own_group=False,
            line_bytes_max=WORKER_LINE_BYTES_MAX,
            lines_waiting_max=8_192,
        )
        self._number += 1
        self._worker.send(json.dumps({"do": "load", "number": self._number, **self._load_parameters()}))
        try:
            message = self._message(self._worker, time.monotonic() + deadline_s)
        except BackendFault:
            self.close()
            raise
        self.loaded_s = float(message.get("loaded_s", 0.0))
        return self._worker

    def _load_parameters(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "model_path": str(settings.model_path),
            "projector_path": str(settings.projector_path) if settings.projector_path else None,
            "threads": settings.threads,
            "context_tokens": settings.context_tokens,
            "image_tokens_max": settings.image_tokens_max,
            "memory_mode": settings.memory_mode,
        }

    def _message(self, worker: LineProcess, deadline_at_s: float, token: CancelToken | None = None) -> dict[str, Any]:
        """The next message about the current question; older ones are dropped. Raises WorkCancelled by the token."""
        while True:
            left_s = max(0.001, deadline_at_s - time.monotonic())
            line = worker.read_line(left_s if token is None else min(CANCEL_CHECK_S, left_s))
            if token is not None:
                token.check()
            is_alive = not worker.ended and worker.fault is None
            if line is None and token is not None and is_alive and time.monotonic() < deadline_at_s:
                continue
            if line is None:
                if worker.fault is not None:
                    raise BackendFault(f"the model worker sent {worker.fault}")
                raise BackendFault("the model worker died" if worker.ended else "the model took too long")
            try:
                message = json.loads(line)
            except (ValueError, RecursionError) as fault:
                raise BackendFault("the model worker sent no JSON") from fault
            if not isinstance(message, dict) or message.get("number") != self._number:
                continue
            if "fault" in message:
                raise BackendFault(f"the model worker failed: {error_text(message['fault'])}")
            return message


def runtime_name() -> str:
    """Name and version of the library that runs the weights."""
    try:
        return f"xllamacpp {version('xllamacpp')}"
    except PackageNotFoundError:
        return "xllamacpp (not installed)"
