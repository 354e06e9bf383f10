"""Messages of the WebSocket: JSON or protobuf on the line, plain objects of one kind within (`stream.proto`).

A client's message is read into the same object from either encoding and then validated by the same rules, so that no
second way leads past a check. protobuf is imported when a client asks for it, and not before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, NotRequired

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from shared_schemas.records.base import Identifier
from shared_schemas.world.messages import STRICT, EffectDraft, Intent, parse_intent
from tomato_host.service.proposal_answers import why_invalid
from tomato_host.service.strict_json import parse_strict

Vector = Annotated[list[FiniteFloat], Field(min_length=1, max_length=3)]


class ClientMessageRefused(Exception):
    """A message that is none. The argument says what is wrong."""


@with_config(STRICT)
class Cancel(TypedDict):
    """Take a waiting intent back."""

    id: Identifier
    reason: NotRequired[Annotated[str, Field(max_length=200)]]


@with_config(STRICT)
class AgentMessage(TypedDict):
    """A message to the other agents, or to one of them."""

    text: Annotated[str, Field(min_length=1, max_length=1_000)]
    to: NotRequired[Identifier | None]


@with_config(STRICT)
class TimeTick(TypedDict):
    """The engine's clock."""

    sim_time_s: Annotated[FiniteFloat, Field(ge=0.0)]
    dt_s: NotRequired[Annotated[FiniteFloat, Field(ge=0.0, le=86_400.0)]]


@with_config(STRICT)
class Move(TypedDict):
    """Where a body is now."""

    body: Identifier
    position: Vector
    velocity: NotRequired[list[FiniteFloat]]


@with_config(STRICT)
class Collision(TypedDict):
    """Two bodies have touched."""

    a: Identifier
    b: Identifier
    position: NotRequired[list[FiniteFloat]]
    impulse: NotRequired[FiniteFloat]


@with_config(STRICT)
class Resync(TypedDict):
    """Send the whole view again."""


ADAPTERS: Mapping[str, TypeAdapter[Any]] = {
    "cancel": TypeAdapter(Cancel),
    "message": TypeAdapter(AgentMessage),
    "tick": TypeAdapter(TimeTick),
    "move": TypeAdapter(Move),
    "collision": TypeAdapter(Collision),
    "resync": TypeAdapter(Resync),
}
"""Everything but an intent, by the name of its field in ClientMessage."""
DRAFT_KINDS = {"message": "message", "tick": "time_tick", "move": "body_moved", "collision": "collision"}
"""Kinds of event that messages become."""


class ClientMessage(NamedTuple):
    """One message of a client, validated."""

    kind: str
    body: Any


def decode_client_message(data: str | bytes, agent: str) -> ClientMessage:
    """Read one frame: text is JSON, bytes are protobuf. Raises ClientMessageRefused."""
    message = _from_json(data) if isinstance(data, str) else _from_proto(data)
    if not isinstance(message, dict) or len(message) != 1:
        raise ClientMessageRefused("a message is an object with one member, whose key names the kind")
    ((kind, body),) = message.items()
    if not isinstance(body, dict):
        raise ClientMessageRefused(f"{kind} is an object")
    try:
        if kind == "intent":
            return ClientMessage(kind, intent_of(body, agent))
        if kind not in ADAPTERS:
            raise ClientMessageRefused(f"there is no message {kind[:60]!r}; known are intent, {', '.join(ADAPTERS)}")
        return ClientMessage(kind, ADAPTERS[kind].validate_python(body))
    except ValidationError as error:
        raise ClientMessageRefused(f"{kind}: {why_invalid(error)}") from None


def intent_of(body: Mapping[str, Any], agent: str) -> Intent:
    """An intent of this agent. Raises ClientMessageRefused for another agent or version, pydantic.ValidationError."""
    if body.get("agent", agent) != agent:
        raise ClientMessageRefused(f"this token is for {agent} and cannot submit for another agent")
    if body.get("schema_version", "intent_v1") != "intent_v1":
        raise ClientMessageRefused(f"this host speaks intent_v1, not {str(body['schema_version'])[:60]!r}")
    return parse_intent(json.dumps({**body, "schema_version": "intent_v1", "agent": agent}))


def draft_of(message: ClientMessage, agent: str) -> EffectDraft:
    """The event that a message emits."""
    body = dict(message.body)
    return {
        "schema_version": "effect_draft_v1",
        "source": agent,
        "kind": DRAFT_KINDS[message.kind],
        "sim_time_s": body.pop("sim_time_s", None),
        "payload": {key: value for key, value in body.items() if value is not None},
    }


def encode_server_message(message: Mapping[str, Any]) -> bytes:
    """An object with one member as the bytes of a ServerMessage."""
    from google.protobuf.json_format import ParseDict

    from shared_schemas.world.stream_pb2 import ServerMessage

    ((kind, body),) = message.items()
    known = {key: value for key, value in body.items() if value is not None}
    encoded: bytes = ParseDict({kind: known}, ServerMessage()).SerializeToString()
    return encoded


def _from_json(text: str) -> Any:
    try:
        return parse_strict(text)
    except json.JSONDecodeError as error:
        raise ClientMessageRefused(f"that is no JSON: {error.msg}") from None


def _from_proto(data: bytes) -> Any:
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

    from shared_schemas.world import stream_pb2

    try:
        message = MessageToDict(stream_pb2.ClientMessage.FromString(data), preserving_proto_field_name=True)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ClientMessageRefused(f"that is no ClientMessage: {error}"[:200]) from None
    intent = message.get("intent")
    if isinstance(intent, dict):
        if "context_seq" in intent:  # protobuf's JSON has 64 bits as text
            intent["context_seq"] = int(intent["context_seq"])
        intent["payload"] = _with_integers(intent.get("payload", {}))
    return message


def _with_integers(value: Any) -> Any:
    """protobuf's numbers are all doubles: whole ones become integers, as JSON has them."""
    if isinstance(value, dict):
        return {key: _with_integers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_integers(member) for member in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
