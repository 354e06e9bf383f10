from shared_schemas.learn import lifecycle_pb2 as _lifecycle_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StateMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATE_METRIC_UNSPECIFIED: _ClassVar[StateMetric]
    STATE_METRIC_LOSS: _ClassVar[StateMetric]
    STATE_METRIC_HELD_OUT_ERROR: _ClassVar[StateMetric]
    STATE_METRIC_GRADIENT_NORM: _ClassVar[StateMetric]
    STATE_METRIC_BOUNDARY_MS: _ClassVar[StateMetric]
    STATE_METRIC_POLICY_MS: _ClassVar[StateMetric]
    STATE_METRIC_QUEUE_DEPTH: _ClassVar[StateMetric]
    STATE_METRIC_MEMORY_MB: _ClassVar[StateMetric]
    STATE_METRIC_LEARNING_RATE: _ClassVar[StateMetric]
    STATE_METRIC_DAYS_LEARNED: _ClassVar[StateMetric]
    STATE_METRIC_SCHEDULE_FREE: _ClassVar[StateMetric]
STATE_METRIC_UNSPECIFIED: StateMetric
STATE_METRIC_LOSS: StateMetric
STATE_METRIC_HELD_OUT_ERROR: StateMetric
STATE_METRIC_GRADIENT_NORM: StateMetric
STATE_METRIC_BOUNDARY_MS: StateMetric
STATE_METRIC_POLICY_MS: StateMetric
STATE_METRIC_QUEUE_DEPTH: StateMetric
STATE_METRIC_MEMORY_MB: StateMetric
STATE_METRIC_LEARNING_RATE: StateMetric
STATE_METRIC_DAYS_LEARNED: StateMetric
STATE_METRIC_SCHEDULE_FREE: StateMetric

class SlotState(_message.Message):
    __slots__ = ("slot", "stage", "blueprint", "share", "ramp", "loss", "gradient_norm", "held_out_error", "age_epochs", "violations")
    SLOT_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    BLUEPRINT_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    RAMP_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_NORM_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_ERROR_FIELD_NUMBER: _ClassVar[int]
    AGE_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    slot: str
    stage: _lifecycle_pb2.SlotStage
    blueprint: int
    share: float
    ramp: float
    loss: float
    gradient_norm: float
    held_out_error: float
    age_epochs: int
    violations: int
    def __init__(self, slot: _Optional[str] = ..., stage: _Optional[_Union[_lifecycle_pb2.SlotStage, str]] = ..., blueprint: _Optional[int] = ..., share: _Optional[float] = ..., ramp: _Optional[float] = ..., loss: _Optional[float] = ..., gradient_norm: _Optional[float] = ..., held_out_error: _Optional[float] = ..., age_epochs: _Optional[int] = ..., violations: _Optional[int] = ...) -> None: ...

class SystemStatePacket(_message.Message):
    __slots__ = ("schema", "run_id", "epoch", "sent_ms", "nonce", "metrics", "slots", "part", "parts", "tag")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    schema: int
    run_id: int
    epoch: int
    sent_ms: int
    nonce: int
    metrics: _containers.ScalarMap[int, float]
    slots: _containers.RepeatedCompositeFieldContainer[SlotState]
    part: int
    parts: int
    tag: bytes
    def __init__(self, schema: _Optional[int] = ..., run_id: _Optional[int] = ..., epoch: _Optional[int] = ..., sent_ms: _Optional[int] = ..., nonce: _Optional[int] = ..., metrics: _Optional[_Mapping[int, float]] = ..., slots: _Optional[_Iterable[_Union[SlotState, _Mapping]]] = ..., part: _Optional[int] = ..., parts: _Optional[int] = ..., tag: _Optional[bytes] = ...) -> None: ...
