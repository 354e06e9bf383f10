from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClientMessage(_message.Message):
    __slots__ = ("intent", "cancel", "message", "tick", "move", "collision", "resync")
    INTENT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    COLLISION_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    intent: Intent
    cancel: Cancel
    message: Message
    tick: TimeTick
    move: Move
    collision: Collision
    resync: Resync
    def __init__(self, intent: _Optional[_Union[Intent, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., message: _Optional[_Union[Message, _Mapping]] = ..., tick: _Optional[_Union[TimeTick, _Mapping]] = ..., move: _Optional[_Union[Move, _Mapping]] = ..., collision: _Optional[_Union[Collision, _Mapping]] = ..., resync: _Optional[_Union[Resync, _Mapping]] = ...) -> None: ...

class Intent(_message.Message):
    __slots__ = ("id", "kind", "payload", "context_seq", "sim_time_s", "priority", "deadline_ms", "tokens", "shadow", "trace")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_SEQ_FIELD_NUMBER: _ClassVar[int]
    SIM_TIME_S_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SHADOW_FIELD_NUMBER: _ClassVar[int]
    TRACE_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    payload: _struct_pb2.Struct
    context_seq: int
    sim_time_s: float
    priority: int
    deadline_ms: int
    tokens: int
    shadow: bool
    trace: str
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., context_seq: _Optional[int] = ..., sim_time_s: _Optional[float] = ..., priority: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., tokens: _Optional[int] = ..., shadow: _Optional[bool] = ..., trace: _Optional[str] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("id", "reason")
    ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    id: str
    reason: str
    def __init__(self, id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("text", "to")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    text: str
    to: str
    def __init__(self, text: _Optional[str] = ..., to: _Optional[str] = ...) -> None: ...

class TimeTick(_message.Message):
    __slots__ = ("sim_time_s", "dt_s")
    SIM_TIME_S_FIELD_NUMBER: _ClassVar[int]
    DT_S_FIELD_NUMBER: _ClassVar[int]
    sim_time_s: float
    dt_s: float
    def __init__(self, sim_time_s: _Optional[float] = ..., dt_s: _Optional[float] = ...) -> None: ...

class Move(_message.Message):
    __slots__ = ("body", "position", "velocity")
    BODY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VELOCITY_FIELD_NUMBER: _ClassVar[int]
    body: str
    position: _containers.RepeatedScalarFieldContainer[float]
    velocity: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, body: _Optional[str] = ..., position: _Optional[_Iterable[float]] = ..., velocity: _Optional[_Iterable[float]] = ...) -> None: ...

class Collision(_message.Message):
    __slots__ = ("a", "b", "position", "impulse")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    IMPULSE_FIELD_NUMBER: _ClassVar[int]
    a: str
    b: str
    position: _containers.RepeatedScalarFieldContainer[float]
    impulse: float
    def __init__(self, a: _Optional[str] = ..., b: _Optional[str] = ..., position: _Optional[_Iterable[float]] = ..., impulse: _Optional[float] = ...) -> None: ...

class Resync(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("welcome", "observation", "effect", "answer", "error")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    OBSERVATION_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    observation: Observation
    effect: Effect
    answer: Answer
    error: Error
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., observation: _Optional[_Union[Observation, _Mapping]] = ..., effect: _Optional[_Union[Effect, _Mapping]] = ..., answer: _Optional[_Union[Answer, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("schema_version", "world", "agent")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    WORLD_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    schema_version: str
    world: str
    agent: str
    def __init__(self, schema_version: _Optional[str] = ..., world: _Optional[str] = ..., agent: _Optional[str] = ...) -> None: ...

class PatchOp(_message.Message):
    __slots__ = ("op", "path", "value")
    OP_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    op: str
    path: str
    value: _struct_pb2.Value
    def __init__(self, op: _Optional[str] = ..., path: _Optional[str] = ..., value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class Observation(_message.Message):
    __slots__ = ("schema_version", "view_seq", "sim_time_s", "patch", "snapshot")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    VIEW_SEQ_FIELD_NUMBER: _ClassVar[int]
    SIM_TIME_S_FIELD_NUMBER: _ClassVar[int]
    PATCH_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    schema_version: str
    view_seq: int
    sim_time_s: float
    patch: _containers.RepeatedCompositeFieldContainer[PatchOp]
    snapshot: _struct_pb2.Struct
    def __init__(self, schema_version: _Optional[str] = ..., view_seq: _Optional[int] = ..., sim_time_s: _Optional[float] = ..., patch: _Optional[_Iterable[_Union[PatchOp, _Mapping]]] = ..., snapshot: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Effect(_message.Message):
    __slots__ = ("schema_version", "id", "world", "source", "kind", "payload", "sim_time_s", "priority", "req_id")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    WORLD_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIM_TIME_S_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    REQ_ID_FIELD_NUMBER: _ClassVar[int]
    schema_version: str
    id: str
    world: str
    source: str
    kind: str
    payload: _struct_pb2.Struct
    sim_time_s: float
    priority: int
    req_id: str
    def __init__(self, schema_version: _Optional[str] = ..., id: _Optional[str] = ..., world: _Optional[str] = ..., source: _Optional[str] = ..., kind: _Optional[str] = ..., payload: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., sim_time_s: _Optional[float] = ..., priority: _Optional[int] = ..., req_id: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("schema_version", "agent", "id", "status", "code", "text", "value", "limit", "retry_after_s", "effect", "granted")
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    AGENT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    schema_version: str
    agent: str
    id: str
    status: str
    code: str
    text: str
    value: float
    limit: float
    retry_after_s: float
    effect: str
    granted: str
    def __init__(self, schema_version: _Optional[str] = ..., agent: _Optional[str] = ..., id: _Optional[str] = ..., status: _Optional[str] = ..., code: _Optional[str] = ..., text: _Optional[str] = ..., value: _Optional[float] = ..., limit: _Optional[float] = ..., retry_after_s: _Optional[float] = ..., effect: _Optional[str] = ..., granted: _Optional[str] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "text", "retry_after_s")
    CODE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    code: str
    text: str
    retry_after_s: float
    def __init__(self, code: _Optional[str] = ..., text: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...
