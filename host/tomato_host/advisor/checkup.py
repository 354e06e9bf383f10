"""Is there a model, does it fit, does it answer? The figures behind `tomato-host llm`."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tomato_host.advisor.backends.chat import Backend, BackendFault, ChatRequest
from tomato_host.advisor.backends.factory import backend_for
from tomato_host.advisor.backends.model_files import (
    advice_when_absent,
    file_states,
    memory_free_gb,
    memory_needed_gb,
)
from tomato_host.advisor.prompt_files import grammar, prompt
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.advisor.text.facts import Fact, numbered
from tomato_host.advisor.vision.verdict import read_reply
from tomato_host.errors import TomatoError

EXTRAS = (("xllamacpp", "llm"), ("cv2", "camera"), ("rapidocr_onnxruntime", "ocr"))
FACTS = (Fact("air temperature", "24.3 °C"), Fact("mean soil moisture", "36.0 %"), Fact("water used today", "1600 ml"))


@dataclass(frozen=True, slots=True)
class QuestionTiming:
    """One question. Rates in tokens per second, None when the server does not count."""

    what: str
    first_token_s: float | None
    total_s: float
    prompt_per_s: float | None
    written_per_s: float | None


def status(settings: AdvisorSettings) -> dict[str, Any]:
    """What is configured and what is there; starts nothing."""
    files = [
        {"role": f.role, "path": str(f.path) if f.path else None, "bytes": f.size_bytes} for f in file_states(settings)
    ]
    wanted = [f for f in file_states(settings) if f.path is not None]
    complete = settings.backend != "local" or all(f.present for f in wanted)
    return {
        "enabled": settings.enabled,
        "backend": settings.backend,
        "endpoint": settings.endpoint_url if settings.backend == "http" else None,
        "files": files,
        "complete": complete,
        "memory_needed_gb": round(memory_needed_gb(settings), 1) if settings.backend == "local" else None,
        "memory_free_gb": memory_free_gb(),
        "extras": {extra: importlib.util.find_spec(module) is not None for module, extra in EXTRAS},
        "cameras": [camera.name for camera in settings.cameras],
        "advice": None if complete and settings.backend != "none" else advice_when_absent(settings.memory_mode),
    }


def require_model(settings: AdvisorSettings) -> Backend:
    """The configured backend. Raises TomatoError E-LLM-NONE, -FILES, -MEMORY or -RUNTIME, each with what to do."""
    if settings.backend == "none":
        raise TomatoError("E-LLM-NONE", "No language model is configured.", advice_when_absent(settings.memory_mode))
    if settings.backend == "local":
        _require_local(settings)
    return backend_for(settings)


def _require_local(settings: AdvisorSettings) -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise TomatoError("E-LLM-RUNTIME", "The model runtime is not installed.", "pip install '.[llm]'")
    missing = [f"{f.role} {f.path}" for f in file_states(settings) if f.path is not None and not f.present]
    if missing:
        raise TomatoError("E-LLM-FILES", f"Missing: {', '.join(missing)}.", advice_when_absent(settings.memory_mode))
    needed, free = memory_needed_gb(settings), memory_free_gb()
    if free is not None and needed > free:
        raise TomatoError(
            "E-LLM-MEMORY",
            f"The model needs about {needed:.1f} GB of memory, {free:.1f} GB are free.",
            "set agent.memory_mode = 'small', or choose a smaller quantisation",
        )


def check(backend: Backend, settings: AdvisorSettings) -> list[str]:
    """Ask one question of each kind. Returns what was found, one line each.

    Raises TomatoError E-LLM-ANSWER when the model does not answer or not in form.
    """
    lines = []
    for timing, fits in _questions(backend, settings):
        if not fits:
            raise TomatoError(
                "E-LLM-ANSWER", f"The answer about {timing.what} does not have the required form.",
                "use a server that understands GBNF grammars (llama-server), or another model",
            )  # fmt: skip
        lines.append(f"{timing.what}: answered in form within {timing.total_s:.1f} s")
    return lines


def bench(
    backend: Backend, settings: AdvisorSettings, rounds: int, report: Callable[[float], None] = lambda share: None
) -> list[QuestionTiming]:
    """Time questions of each kind; the first one of all includes loading the model. `report`: the share done."""
    timings = []
    for done in range(1, rounds + 1):
        timings += [timing for timing, _ in _questions(backend, settings)]
        report(done / rounds)
    return timings


def _questions(backend: Backend, settings: AdvisorSettings) -> list[tuple[QuestionTiming, bool]]:
    page = prompt("summary")
    text = ChatRequest(
        page.instructions, page.ask(numbered(FACTS)), grammar(page.grammar_name).text, 64, settings.seed,
        settings.temperature, settings.wake_deadline_s,
    )  # fmt: skip
    asked = [_timed("text", backend, text, lambda reply: bool(reply))]
    if backend.sees:
        asked.append(_timed("a photo", backend, _photo_question(settings), lambda reply: read_reply(reply) is not None))
    return asked


def _photo_question(settings: AdvisorSettings) -> ChatRequest:
    import cv2
    import numpy as np

    photo = np.full((480, 480, 3), (60, 70, 90), np.uint8)
    cv2.ellipse(photo, (240, 240), (120, 80), 30, 0, 360, (60, 160, 60), -1)
    page = prompt("vision")
    return ChatRequest(
        page.instructions, page.ask(), grammar(page.grammar_name).text, settings.vision_max_tokens, settings.seed,
        settings.temperature, settings.wake_deadline_s, bytes(cv2.imencode(".jpg", photo)[1].tobytes()),
    )  # fmt: skip


def _timed(what: str, backend: Backend, request: ChatRequest, fits: Any) -> tuple[QuestionTiming, bool]:
    started = time.monotonic()
    try:
        reply = backend.chat(request)
    except BackendFault as fault:
        raise TomatoError(
            "E-LLM-ANSWER", f"The model did not answer about {what}: {fault}.", "see `tomato-host llm status`"
        ) from fault
    timing = QuestionTiming(
        what, reply.first_token_s, time.monotonic() - started,
        reply.timings.get("prompt_per_second"), reply.timings.get("predicted_per_second"),
    )  # fmt: skip
    return timing, fits(reply.text)
