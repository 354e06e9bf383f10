"""event_v1: anything else worth remembering: link, board, mode, process, person."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Identifier, LongText, Record


class EventV1(Record):
    """One event with a level a notification rule can act on.

    Example:
        {"schema_version": "event_v1", "ts": "2026-02-14T13:17:00+01:00", "level": "WARNING", "kind": "link",
         "name": "link_down", "text": "Board vanished from its port; retrying.", "data": {"attempt": 1}}
    """

    schema_version: Literal["event_v1"]
    level: Literal["INFO", "WARNING", "ALARM"]
    kind: Literal[
        "link", "board", "mode", "process", "person", "weather", "model", "agent", "storage", "notification", "message"
    ]
    name: Identifier
    text: Annotated[LongText, Field(min_length=1)]
    data: dict[str, FiniteFloat | int | bool | str | None] = Field(default_factory=dict)
