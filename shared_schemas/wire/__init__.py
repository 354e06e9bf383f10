"""Messages on the serial line: integer keys, units, scales and ranges. The generator and the host read these tables."""

from shared_schemas.wire.codes import (
    EVENTS,
    FAULTS,
    REASON_TABLE,
    REASONS,
    RESERVED_EVENTS,
    RESET_CAUSES,
    STATES,
    STATUSES,
    WEAKENED,
    WHY,
    WHY_TABLE,
    Code,
    Fault,
)
from shared_schemas.wire.configuration import CONFIG_KEYS, ConfigKey
from shared_schemas.wire.fields import FIELD_BY_NAME, FIELDS, Field
from shared_schemas.wire.messages import MESSAGE_BY_NAME, MESSAGES, Message
from shared_schemas.wire.schema_hash import SCHEMA_HASH

__all__ = [
    "CONFIG_KEYS",
    "EVENTS",
    "FAULTS",
    "FIELDS",
    "FIELD_BY_NAME",
    "MESSAGES",
    "MESSAGE_BY_NAME",
    "REASONS",
    "REASON_TABLE",
    "RESERVED_EVENTS",
    "RESET_CAUSES",
    "SCHEMA_HASH",
    "STATES",
    "STATUSES",
    "WEAKENED",
    "WHY",
    "WHY_TABLE",
    "Code",
    "ConfigKey",
    "Fault",
    "Field",
    "Message",
]
