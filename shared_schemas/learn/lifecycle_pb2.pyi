from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class SlotStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SLOT_STAGE_UNSPECIFIED: _ClassVar[SlotStage]
    SLOT_STAGE_DORMANT: _ClassVar[SlotStage]
    SLOT_STAGE_GERMINATED: _ClassVar[SlotStage]
    SLOT_STAGE_TRAINING: _ClassVar[SlotStage]
    SLOT_STAGE_BLENDING: _ClassVar[SlotStage]
    SLOT_STAGE_SHADOWING: _ClassVar[SlotStage]
    SLOT_STAGE_PROBATIONARY: _ClassVar[SlotStage]
    SLOT_STAGE_FOSSILIZED: _ClassVar[SlotStage]
    SLOT_STAGE_CULLED: _ClassVar[SlotStage]
    SLOT_STAGE_EMBARGOED: _ClassVar[SlotStage]
    SLOT_STAGE_RESETTING: _ClassVar[SlotStage]
    SLOT_STAGE_TERMINATED: _ClassVar[SlotStage]
SLOT_STAGE_UNSPECIFIED: SlotStage
SLOT_STAGE_DORMANT: SlotStage
SLOT_STAGE_GERMINATED: SlotStage
SLOT_STAGE_TRAINING: SlotStage
SLOT_STAGE_BLENDING: SlotStage
SLOT_STAGE_SHADOWING: SlotStage
SLOT_STAGE_PROBATIONARY: SlotStage
SLOT_STAGE_FOSSILIZED: SlotStage
SLOT_STAGE_CULLED: SlotStage
SLOT_STAGE_EMBARGOED: SlotStage
SLOT_STAGE_RESETTING: SlotStage
SLOT_STAGE_TERMINATED: SlotStage
