"""What is asked of a model and what comes back: the one format of all backends."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any, Protocol

REPLY_BYTES_MAX = 16_384
"""More than any of the advisor's formats needs; a longer reply is cut off and refused."""


class BackendFault(Exception):
    """The model could not answer: absent, dead, too slow, or it refused the request. The argument says which."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question. `photo_jpeg` is None for text. `grammar` is GBNF, `json_schema` its weaker twin."""

    instructions: str
    question: str
    grammar: str
    max_tokens: int
    seed: int
    temperature: float
    deadline_s: float
    photo_jpeg: bytes | None = None
    json_schema: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """One answer with what it cost. `finished` is False when the token limit cut it off."""

    text: str
    finished: bool
    runtime: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    first_token_s: float | None = None
    duration_s: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)


class Backend(Protocol):
    """Anything that answers a ChatRequest. It gets text and one photo and has no other way to anything."""

    @property
    def name(self) -> str:
        """For display."""

    @property
    def sees(self) -> bool:
        """True when photos may be asked about."""

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights, or a stable name for a model we cannot read."""

    def chat(self, request: ChatRequest) -> ChatReply:
        """Answer, or raise BackendFault. Nothing else may be raised."""

    def close(self) -> None:
        """Free memory and processes."""


class NoBackend:
    """No model: every question ends in a fault that the caller answers with its template."""

    name = "none"
    sees = False
    model_hash = "none"

    def chat(self, request: ChatRequest) -> ChatReply:
        """Always a fault."""
        raise BackendFault("no model is configured")

    def close(self) -> None:
        """Nothing to free."""


def openai_body(request: ChatRequest, *, model: str, dialect: str) -> dict[str, Any]:
    """The request in the OpenAI-compatible shape that llama-server, xllamacpp and Ollama read."""
    content: str | list[dict[str, Any]] = request.question
    if request.photo_jpeg is not None:
        content = [
            {"type": "image_url", "image_url": {"url": _data_url(request.photo_jpeg)}},
            {"type": "text", "text": request.question},
        ]
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "system", "content": request.instructions}, {"role": "user", "content": content}],
        "max_tokens": request.max_tokens,
        "seed": request.seed,
        "temperature": request.temperature,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if dialect == "llama_server":
        body["grammar"] = request.grammar
        body["cache_prompt"] = False
    elif request.json_schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": request.json_schema},
        }
    return body


def _data_url(photo_jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + b64encode(photo_jpeg).decode()


class ReplyBuilder:
    """Collects stream chunks of the OpenAI shape into one ChatReply; shared by worker and HTTP path."""

    def __init__(self, runtime: str) -> None:
        self._runtime = runtime
        self._pieces: list[str] = []
        self._bytes = 0
        self._finish: str | None = None
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, float] = {}
        self.first_token_s: float | None = None

    def add(self, chunk: Any, since_start_s: float) -> str:
        """Add one chunk; the text in it. Raises BackendFault on an error chunk, a wrong shape or too much text."""
        if not isinstance(chunk, dict):
            raise BackendFault("the model server sent a chunk that is no object")
        if "error" in chunk:
            raise BackendFault(f"the model server refused: {error_text(chunk['error'])}")
        choices, known = chunk.get("choices"), len(self._pieces)
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            self._add_choice(choices[0], since_start_s)
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        if isinstance(chunk.get("timings"), dict):
            self._timings = {k: float(v) for k, v in chunk["timings"].items() if isinstance(v, int | float)}
        return "".join(self._pieces[known:])

    def _add_choice(self, choice: dict[str, Any], since_start_s: float) -> None:
        delta = choice.get("delta")
        piece = delta.get("content") if isinstance(delta, dict) else None
        if isinstance(piece, str) and piece:
            if self.first_token_s is None:
                self.first_token_s = since_start_s
            self._bytes += len(piece)
            if self._bytes > REPLY_BYTES_MAX:
                raise BackendFault(f"the reply is longer than {REPLY_BYTES_MAX} bytes")
            self._pieces.append(piece)
        if isinstance(choice.get("finish_reason"), str):
            self._finish = choice["finish_reason"]

    def reply(self, duration_s: float) -> ChatReply:
        """The whole answer."""
        return ChatReply(
            text="".join(self._pieces),
            finished=self._finish == "stop",
            runtime=self._runtime,
            prompt_tokens=_count(self._usage.get("prompt_tokens", self._timings.get("prompt_n"))),
            completion_tokens=_count(self._usage.get("completion_tokens", self._timings.get("predicted_n"))),
            first_token_s=self.first_token_s,
            duration_s=duration_s,
            timings=self._timings,
        )


def error_text(error: Any) -> str:
    """A short, printable reason out of whatever a server calls an error."""
    text = error.get("message") if isinstance(error, dict) else error
    return "".join(c if c.isprintable() else " " for c in str(text))[:160]


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and 0 <= value < 1e9 else None
