from shared_schemas.learn import command_pb2 as _command_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REPORT_OUTCOME_UNSPECIFIED: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_IMPROVED: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_NEUTRAL: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_WORSE: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_ROLLED_BACK: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_CULLED: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_CENSORED: _ClassVar[ReportOutcome]
    REPORT_OUTCOME_UNKNOWN: _ClassVar[ReportOutcome]
REPORT_OUTCOME_UNSPECIFIED: ReportOutcome
REPORT_OUTCOME_IMPROVED: ReportOutcome
REPORT_OUTCOME_NEUTRAL: ReportOutcome
REPORT_OUTCOME_WORSE: ReportOutcome
REPORT_OUTCOME_ROLLED_BACK: ReportOutcome
REPORT_OUTCOME_CULLED: ReportOutcome
REPORT_OUTCOME_CENSORED: ReportOutcome
REPORT_OUTCOME_UNKNOWN: ReportOutcome

class ReportedState(_message.Message):
    __slots__ = ("feature_version", "features", "allowed_actions")
    FEATURE_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    feature_version: str
    features: _containers.RepeatedScalarFieldContainer[float]
    allowed_actions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, feature_version: _Optional[str] = ..., features: _Optional[_Iterable[float]] = ..., allowed_actions: _Optional[_Iterable[int]] = ...) -> None: ...

class ReportedChoice(_message.Message):
    __slots__ = ("action", "log_probability", "value", "deterministic")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    LOG_PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    DETERMINISTIC_FIELD_NUMBER: _ClassVar[int]
    action: int
    log_probability: float
    value: float
    deterministic: bool
    def __init__(self, action: _Optional[int] = ..., log_probability: _Optional[float] = ..., value: _Optional[float] = ..., deterministic: _Optional[bool] = ...) -> None: ...

class EpochOutcome(_message.Message):
    __slots__ = ("epoch", "metrics", "reward")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: float
        def __init__(self, key: _Optional[int] = ..., value: _Optional[float] = ...) -> None: ...
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    metrics: _containers.ScalarMap[int, float]
    reward: float
    def __init__(self, epoch: _Optional[int] = ..., metrics: _Optional[_Mapping[int, float]] = ..., reward: _Optional[float] = ...) -> None: ...

class FieldReport(_message.Message):
    __slots__ = ("schema", "report_id", "sent_ms", "nonce", "run_id", "command_id", "policy_version", "state", "choice", "next_state", "epochs", "outcome", "ends_episode", "risk", "slot", "blueprint", "tag")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    COMMAND_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    NEXT_STATE_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    ENDS_EPISODE_FIELD_NUMBER: _ClassVar[int]
    RISK_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    BLUEPRINT_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    schema: int
    report_id: int
    sent_ms: int
    nonce: int
    run_id: int
    command_id: int
    policy_version: int
    state: ReportedState
    choice: ReportedChoice
    next_state: ReportedState
    epochs: _containers.RepeatedCompositeFieldContainer[EpochOutcome]
    outcome: ReportOutcome
    ends_episode: bool
    risk: _command_pb2.RiskLevel
    slot: str
    blueprint: int
    tag: bytes
    def __init__(self, schema: _Optional[int] = ..., report_id: _Optional[int] = ..., sent_ms: _Optional[int] = ..., nonce: _Optional[int] = ..., run_id: _Optional[int] = ..., command_id: _Optional[int] = ..., policy_version: _Optional[int] = ..., state: _Optional[_Union[ReportedState, _Mapping]] = ..., choice: _Optional[_Union[ReportedChoice, _Mapping]] = ..., next_state: _Optional[_Union[ReportedState, _Mapping]] = ..., epochs: _Optional[_Iterable[_Union[EpochOutcome, _Mapping]]] = ..., outcome: _Optional[_Union[ReportOutcome, str]] = ..., ends_episode: _Optional[bool] = ..., risk: _Optional[_Union[_command_pb2.RiskLevel, str]] = ..., slot: _Optional[str] = ..., blueprint: _Optional[int] = ..., tag: _Optional[bytes] = ...) -> None: ...

class ReportReceipt(_message.Message):
    __slots__ = ("report_id", "sent_ms", "nonce", "checksum", "tag")
    REPORT_ID_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    report_id: int
    sent_ms: int
    nonce: int
    checksum: int
    tag: bytes
    def __init__(self, report_id: _Optional[int] = ..., sent_ms: _Optional[int] = ..., nonce: _Optional[int] = ..., checksum: _Optional[int] = ..., tag: _Optional[bytes] = ...) -> None: ...

class PolicyUpdate(_message.Message):
    __slots__ = ("schema", "policy_version", "replaces", "sent_ms", "nonce", "feature_version", "sha256", "weights", "validation", "tag")
    class ValidationEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPLACES_FIELD_NUMBER: _ClassVar[int]
    SENT_MS_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    schema: int
    policy_version: int
    replaces: int
    sent_ms: int
    nonce: int
    feature_version: str
    sha256: bytes
    weights: bytes
    validation: _containers.ScalarMap[str, float]
    tag: bytes
    def __init__(self, schema: _Optional[int] = ..., policy_version: _Optional[int] = ..., replaces: _Optional[int] = ..., sent_ms: _Optional[int] = ..., nonce: _Optional[int] = ..., feature_version: _Optional[str] = ..., sha256: _Optional[bytes] = ..., weights: _Optional[bytes] = ..., validation: _Optional[_Mapping[str, float]] = ..., tag: _Optional[bytes] = ...) -> None: ...
