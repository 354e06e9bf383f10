from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RiskLevel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RISK_LEVEL_UNSPECIFIED: _ClassVar[RiskLevel]
    RISK_LEVEL_GREEN: _ClassVar[RiskLevel]
    RISK_LEVEL_YELLOW: _ClassVar[RiskLevel]
    RISK_LEVEL_ORANGE: _ClassVar[RiskLevel]
    RISK_LEVEL_RED: _ClassVar[RiskLevel]
    RISK_LEVEL_CRITICAL: _ClassVar[RiskLevel]

class ReasonCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_CODE_UNSPECIFIED: _ClassVar[ReasonCode]
    REASON_CODE_NOTHING_TO_DO: _ClassVar[ReasonCode]
    REASON_CODE_RESIDUAL_PERSISTS: _ClassVar[ReasonCode]
    REASON_CODE_STAGE_COMPLETE: _ClassVar[ReasonCode]
    REASON_CODE_GATE_FAILED: _ClassVar[ReasonCode]
    REASON_CODE_SKILL_LOST: _ClassVar[ReasonCode]
    REASON_CODE_LOSS_SPIKE: _ClassVar[ReasonCode]
    REASON_CODE_ISOLATION_VIOLATION: _ClassVar[ReasonCode]
    REASON_CODE_HOOK_BUDGET: _ClassVar[ReasonCode]
    REASON_CODE_TIMEOUT_INFERENCE: _ClassVar[ReasonCode]
    REASON_CODE_TIMEOUT_CATALOGUE: _ClassVar[ReasonCode]
    REASON_CODE_BLUEPRINT_QUARANTINE: _ClassVar[ReasonCode]
    REASON_CODE_ROLLBACK_DEADLINE: _ClassVar[ReasonCode]
    REASON_CODE_CONSERVATIVE_MODE: _ClassVar[ReasonCode]
    REASON_CODE_OPERATOR: _ClassVar[ReasonCode]
    REASON_CODE_RESOURCE_LIMIT: _ClassVar[ReasonCode]
    REASON_CODE_BREAKER_OPEN: _ClassVar[ReasonCode]

class SlotAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SLOT_ACTION_UNSPECIFIED: _ClassVar[SlotAction]
    SLOT_ACTION_GERMINATE: _ClassVar[SlotAction]
    SLOT_ACTION_TRAIN: _ClassVar[SlotAction]
    SLOT_ACTION_GRAFT: _ClassVar[SlotAction]
    SLOT_ACTION_STABILISE: _ClassVar[SlotAction]
    SLOT_ACTION_EVALUATE: _ClassVar[SlotAction]
    SLOT_ACTION_FINE_TUNE: _ClassVar[SlotAction]
    SLOT_ACTION_FOSSILISE: _ClassVar[SlotAction]
    SLOT_ACTION_CULL: _ClassVar[SlotAction]
    SLOT_ACTION_CANCEL: _ClassVar[SlotAction]
RISK_LEVEL_UNSPECIFIED: RiskLevel
RISK_LEVEL_GREEN: RiskLevel
RISK_LEVEL_YELLOW: RiskLevel
RISK_LEVEL_ORANGE: RiskLevel
RISK_LEVEL_RED: RiskLevel
RISK_LEVEL_CRITICAL: RiskLevel
REASON_CODE_UNSPECIFIED: ReasonCode
REASON_CODE_NOTHING_TO_DO: ReasonCode
REASON_CODE_RESIDUAL_PERSISTS: ReasonCode
REASON_CODE_STAGE_COMPLETE: ReasonCode
REASON_CODE_GATE_FAILED: ReasonCode
REASON_CODE_SKILL_LOST: ReasonCode
REASON_CODE_LOSS_SPIKE: ReasonCode
REASON_CODE_ISOLATION_VIOLATION: ReasonCode
REASON_CODE_HOOK_BUDGET: ReasonCode
REASON_CODE_TIMEOUT_INFERENCE: ReasonCode
REASON_CODE_TIMEOUT_CATALOGUE: ReasonCode
REASON_CODE_BLUEPRINT_QUARANTINE: ReasonCode
REASON_CODE_ROLLBACK_DEADLINE: ReasonCode
REASON_CODE_CONSERVATIVE_MODE: ReasonCode
REASON_CODE_OPERATOR: ReasonCode
REASON_CODE_RESOURCE_LIMIT: ReasonCode
REASON_CODE_BREAKER_OPEN: ReasonCode
SLOT_ACTION_UNSPECIFIED: SlotAction
SLOT_ACTION_GERMINATE: SlotAction
SLOT_ACTION_TRAIN: SlotAction
SLOT_ACTION_GRAFT: SlotAction
SLOT_ACTION_STABILISE: SlotAction
SLOT_ACTION_EVALUATE: SlotAction
SLOT_ACTION_FINE_TUNE: SlotAction
SLOT_ACTION_FOSSILISE: SlotAction
SLOT_ACTION_CULL: SlotAction
SLOT_ACTION_CANCEL: SlotAction

class SlotCommand(_message.Message):
    __slots__ = ("action", "slot", "blueprint", "parameters")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ACTION_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    BLUEPRINT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    action: SlotAction
    slot: str
    blueprint: int
    parameters: _containers.ScalarMap[str, float]
    def __init__(self, action: _Optional[_Union[SlotAction, str]] = ..., slot: _Optional[str] = ..., blueprint: _Optional[int] = ..., parameters: _Optional[_Mapping[str, float]] = ...) -> None: ...

class RollbackCommand(_message.Message):
    __slots__ = ("full", "to_epoch")
    FULL_FIELD_NUMBER: _ClassVar[int]
    TO_EPOCH_FIELD_NUMBER: _ClassVar[int]
    full: bool
    to_epoch: int
    def __init__(self, full: _Optional[bool] = ..., to_epoch: _Optional[int] = ...) -> None: ...

class OptimizerCommand(_message.Message):
    __slots__ = ("learning_rate_factor", "warm_up_epochs")
    LEARNING_RATE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    WARM_UP_EPOCHS_FIELD_NUMBER: _ClassVar[int]
    learning_rate_factor: float
    warm_up_epochs: int
    def __init__(self, learning_rate_factor: _Optional[float] = ..., warm_up_epochs: _Optional[int] = ...) -> None: ...

class CircuitBreakerCommand(_message.Message):
    __slots__ = ("breaker", "open")
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    breaker: str
    open: bool
    def __init__(self, breaker: _Optional[str] = ..., open: _Optional[bool] = ...) -> None: ...

class PauseCommand(_message.Message):
    __slots__ = ("epochs",)
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    epochs: int
    def __init__(self, epochs: _Optional[int] = ...) -> None: ...

class EmergencyCommand(_message.Message):
    __slots__ = ("conservative",)
    CONSERVATIVE_FIELD_NUMBER: _ClassVar[int]
    conservative: bool
    def __init__(self, conservative: _Optional[bool] = ...) -> None: ...

class AdaptationCommand(_message.Message):
    __slots__ = ("schema", "command_id", "sent_ms", "nonce", "issuer", "deadline_ms", "epoch", "policy_version", "risk", "reason", "slot", "rollback", "optimizer", "circuit_breaker", "pause", "emergency", "tag")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    ISSUER_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    ROLLBACK_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKER_FIELD_NUMBER: _ClassVar[int]
    PAUSE_FIELD_NUMBER: _ClassVar[int]
    EMERGENCY_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    schema: int
    command_id: int
    sent_ms: int
    nonce: int
    issuer: str
    deadline_ms: int
    epoch: int
    policy_version: int
    risk: RiskLevel
    reason: ReasonCode
    slot: SlotCommand
    rollback: RollbackCommand
    optimizer: OptimizerCommand
    circuit_breaker: CircuitBreakerCommand
    pause: PauseCommand
    emergency: EmergencyCommand
    tag: bytes
    def __init__(self, schema: _Optional[int] = ..., command_id: _Optional[int] = ..., sent_ms: _Optional[int] = ..., nonce: _Optional[int] = ..., issuer: _Optional[str] = ..., deadline_ms: _Optional[int] = ..., epoch: _Optional[int] = ..., policy_version: _Optional[int] = ..., risk: _Optional[_Union[RiskLevel, str]] = ..., reason: _Optional[_Union[ReasonCode, str]] = ..., slot: _Optional[_Union[SlotCommand, _Mapping]] = ..., rollback: _Optional[_Union[RollbackCommand, _Mapping]] = ..., optimizer: _Optional[_Union[OptimizerCommand, _Mapping]] = ..., circuit_breaker: _Optional[_Union[CircuitBreakerCommand, _Mapping]] = ..., pause: _Optional[_Union[PauseCommand, _Mapping]] = ..., emergency: _Optional[_Union[EmergencyCommand, _Mapping]] = ..., tag: _Optional[bytes] = ...) -> None: ...
