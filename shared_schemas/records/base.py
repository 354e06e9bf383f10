"""What every durable record shares: strict, frozen, versioned, stamped with an aware time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

_set = object.__setattr__
"""Past the frozen class, as pydantic's own `model_construct` does."""
_named: dict[type, set[str]] = {}
"""The fields of each kind built by `from_checked`: all of them, so one set serves all its parts."""


class Part(BaseModel):
    """A named part of a record: strict (no coercion), frozen, unknown fields refused, no NaN or infinity."""

    # A process builds the validators of the kinds it meets, at the first one: no process meets them all.
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @classmethod
    def from_checked(cls, **values: Any) -> Self:
        """Build without validation, in a third of the time. Equal to the validated record, if it would be valid.

        For values of this process only, whose types and ranges their origin guarantees; every field must be named, in
        the order of the schema. What comes from a file, a line or a person goes through the constructor.
        """
        part = cls.__new__(cls)
        named = _named.get(cls)
        if named is None:
            named = _named[cls] = set(values)
        _set(part, "__dict__", values)
        _set(part, "__pydantic_fields_set__", named)
        _set(part, "__pydantic_extra__", None)
        _set(part, "__pydantic_private__", None)
        return part


def _iso_text_or_datetime(value: Any) -> Any:
    """Let ISO 8601 text pass in Python mode as it does in JSON mode; anything else stays strict."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value


Timestamp = Annotated[
    AwareDatetime, BeforeValidator(_iso_text_or_datetime), Field(description="ISO 8601 time with an offset.")
]
"""An aware time; a naive one is refused."""

Fraction = Annotated[FiniteFloat, Field(ge=0.0, le=1.0)]
Percent = Annotated[FiniteFloat, Field(ge=0.0, le=100.0)]
AirTempC = Annotated[FiniteFloat, Field(ge=-40.0, le=85.0)]
Co2Ppm = Annotated[FiniteFloat, Field(ge=0.0, le=40_000.0)]
Kpa = Annotated[FiniteFloat, Field(ge=0.0, le=60.0)]
Lux = Annotated[FiniteFloat, Field(ge=0.0, le=120_000.0)]
Identifier = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+$")]
ShortText = Annotated[str, Field(max_length=240)]
LongText = Annotated[str, Field(max_length=4_000)]

Mode = Literal["NORMAL", "CAUTION", "SAFE", "PAUSED"]
"""How far the brain trusts what it sees; `brain/safe_mode` sets it, the guardrails and the controllers obey it."""


def _tuple_from_list(value: Any) -> Any:
    """A JSON array arrives as a list; a frozen record holds a tuple."""
    return tuple(value) if isinstance(value, list) else value


Listed = BeforeValidator(_tuple_from_list)
"""Use as `Annotated[tuple[X, ...], Listed]`: accepts a list, stores a tuple."""


class Record(Part):
    """A line of the dataset. Every record names its schema version and its time."""

    ts: Timestamp

    def to_json(self) -> str:
        """One JSON line, fields in the order of the schema, nothing machine-dependent in it."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read one JSON line. Raises pydantic.ValidationError that names the field and the allowed range."""
        return cls.model_validate_json(line)
