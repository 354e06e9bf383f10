from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TelemetrySource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TELEMETRY_SOURCE_UNSPECIFIED: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_TRAINER: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_SLOTS: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_POLICY: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_OFFLINE: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_CATALOGUE: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_COMPILER: _ClassVar[TelemetrySource]
    TELEMETRY_SOURCE_BUS: _ClassVar[TelemetrySource]

class TelemetryLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TELEMETRY_LEVEL_UNSPECIFIED: _ClassVar[TelemetryLevel]
    TELEMETRY_LEVEL_INFO: _ClassVar[TelemetryLevel]
    TELEMETRY_LEVEL_WARNING: _ClassVar[TelemetryLevel]
    TELEMETRY_LEVEL_ALARM: _ClassVar[TelemetryLevel]
TELEMETRY_SOURCE_UNSPECIFIED: TelemetrySource
TELEMETRY_SOURCE_TRAINER: TelemetrySource
TELEMETRY_SOURCE_SLOTS: TelemetrySource
TELEMETRY_SOURCE_POLICY: TelemetrySource
TELEMETRY_SOURCE_OFFLINE: TelemetrySource
TELEMETRY_SOURCE_CATALOGUE: TelemetrySource
TELEMETRY_SOURCE_COMPILER: TelemetrySource
TELEMETRY_SOURCE_BUS: TelemetrySource
TELEMETRY_LEVEL_UNSPECIFIED: TelemetryLevel
TELEMETRY_LEVEL_INFO: TelemetryLevel
TELEMETRY_LEVEL_WARNING: TelemetryLevel
TELEMETRY_LEVEL_ALARM: TelemetryLevel

class TelemetryEvent(_message.Message):
    __slots__ = ("schema", "run_id", "sent_ms", "nonce", "source", "level", "name", "text", "values", "labels", "tag")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    schema: int
    run_id: int
    sent_ms: int
    nonce: int
    source: TelemetrySource
    level: TelemetryLevel
    name: str
    text: str
    values: _containers.ScalarMap[str, float]
    labels: _containers.ScalarMap[str, str]
    tag: bytes
    def __init__(self, schema: _Optional[int] = ..., run_id: _Optional[int] = ..., sent_ms: _Optional[int] = ..., nonce: _Optional[int] = ..., source: _Optional[_Union[TelemetrySource, str]] = ..., level: _Optional[_Union[TelemetryLevel, str]] = ..., name: _Optional[str] = ..., text: _Optional[str] = ..., values: _Optional[_Mapping[str, float]] = ..., labels: _Optional[_Mapping[str, str]] = ..., tag: _Optional[bytes] = ...) -> None: ...
