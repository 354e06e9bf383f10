"""Intent, effect, view and delta as plain JSON objects, and the only way to read one that came from outside.

The types are `TypedDict`s because these messages are JSON from end to end: they are hashed, compared and sent as they
are, a thousand a second, and a class would only be built to be taken apart again. `parse_intent` and `parse_draft`
are strict: an unknown key, a wrong type or another schema version is an error that names the field.

A minor step of the contract adds optional keys; a reader of an older minor version ignores none of them silently: it
refuses, and the message names both versions (`MESSAGE_VERSIONS`).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import ConfigDict, Field, FiniteFloat, TypeAdapter, with_config
from pydantic_core import from_json
from typing_extensions import TypedDict

from shared_schemas.records.base import Identifier

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict of these. NaN and infinity are refused where one enters."""
Payload = dict[str, Json]
Pointer = Annotated[str, Field(max_length=400, pattern=r"^(/[^/]*)*$")]
"""JSON Pointer, RFC 6901."""
Sequence = Annotated[int, Field(ge=0)]

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@with_config(STRICT)
class Intent(TypedDict):
    """What an agent wants to happen. `id` names it once and for all: submitted again, it has the same answer."""

    schema_version: Literal["intent_v1"]
    id: Identifier
    agent: Identifier
    kind: Identifier
    payload: NotRequired[Payload]
    context_seq: NotRequired[Sequence | None]
    """Number of the agent's view that it rests on; absent: staleness is not checked."""
    sim_time_s: NotRequired[FiniteFloat | None]
    """Absent: the world's time at arrival."""
    priority: NotRequired[int | None]
    deadline_ms: NotRequired[Annotated[int, Field(ge=0, le=3_600_000)] | None]
    tokens: NotRequired[Annotated[int, Field(ge=0)] | None]
    """Tokens of a language model that it cost."""
    shadow: NotRequired[bool]
    trace: NotRequired[str | None]


@with_config(STRICT)
class EffectDraft(TypedDict):
    """An event that a source emits without asking: a tick, a collision, a message. The host completes it."""

    schema_version: Literal["effect_draft_v1"]
    source: Identifier
    kind: Identifier
    payload: NotRequired[Payload]
    sim_time_s: NotRequired[FiniteFloat | None]
    priority: NotRequired[int | None]
    """Absent: the world's `default_priority`."""


@with_config(STRICT)
class Effect(TypedDict):
    """What happened, as the log has it; the whole of it stands inside the hash."""

    schema_version: Literal["effect_v1"]
    id: str
    world: str
    source: str
    kind: str
    payload: Payload
    sim_time_s: float
    priority: int
    req_id: str | None
    """Id of the intent that led to it."""


class PatchOp(TypedDict):
    """One operation of RFC 6902. The host emits add, remove and replace."""

    op: Literal["add", "remove", "replace"]
    path: str
    value: NotRequired[Json]


@with_config(STRICT)
class ObservationDelta(TypedDict):
    """How one agent's view changed: a patch on the view before, or a snapshot that replaces it."""

    schema_version: Literal["observation_delta_v1"]
    view_seq: int
    """The agent's own number; the global sequence stays in the host."""
    sim_time_s: float
    patch: list[PatchOp] | None
    snapshot: Json | None
    """Given where `patch` is null."""


MESSAGE_VERSIONS = ("intent_v1", "effect_draft_v1", "effect_v1", "observation_delta_v1")

_INTENT: TypeAdapter[Intent] = TypeAdapter(Intent)
_DRAFT: TypeAdapter[EffectDraft] = TypeAdapter(EffectDraft)


def parse_intent(raw: str | bytes) -> Intent:
    """Read an intent from JSON. Raises ValueError (pydantic.ValidationError is one) that names the field."""
    return _INTENT.validate_python(_finite(raw))


def parse_draft(raw: str | bytes) -> EffectDraft:
    """Read an event draft from JSON. Raises ValueError that names the field."""
    return _DRAFT.validate_python(_finite(raw))


def _finite(raw: str | bytes) -> Json:
    """The JSON value. Raises ValueError for anything else, NaN, infinity and numbers that overflow (1e999)."""
    value = from_json(raw, allow_inf_nan=False)
    json.dumps(value, allow_nan=False)
    return value


def message_schemas() -> dict[str, Payload]:
    """JSON Schema of each message by its version; committed, so that a breaking change shows in review."""
    types: tuple[tuple[str, Any], ...] = tuple(
        zip(MESSAGE_VERSIONS, (Intent, EffectDraft, Effect, ObservationDelta), strict=True)
    )
    return {version: TypeAdapter(message).json_schema() for version, message in types}
