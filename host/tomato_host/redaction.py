"""What no log may hold: e-mail addresses, telephone numbers, tokens and passwords; as a processor of structlog."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "[redacted]"
SECRET_KEYS = re.compile(r"pass(word|wd)?|secret|token|authorization|api_?key|cookie|credential", re.IGNORECASE)
"""Names of values that are hidden whatever they look like."""
COUNTED = frozenset({"tokens", "token_count", "tokens_per_day"})
"""Numbers of a language model's tokens, which are no secrets."""

_EMAIL = r"[\w.+%'-]+@(?:[\w-]+\.)+[\w-]{2,}"
_TELEPHONE = (
    r"(?<![\w.])(?:\+|00)\d(?:[ ./()-]{0,2}\d){6,14}(?!\w)"  # international
    r"|(?<![\w.:+-])0\d{1,4}[ /-]\d(?:[ ./-]?\d){4,10}(?!\w)"  # with an area code
)
_BEARER = r"(?i:bearer|basic)\s+[\w.~+/=-]{8,}"
_NAMED = r"(?i:pass(?:word|wd)?|secret|token|api_?key)(?:\"?\s*[=:]\s*\"?)[^\s\"',;&]+"
_JWT = r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"
_LONG = r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}(?![\w-])"
_URL_USER = r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
_PATTERN = re.compile("|".join((_URL_USER, _EMAIL, _BEARER, _NAMED, _JWT, _TELEPHONE, _LONG)))


def redact(value: Any) -> Any:
    """The value without what identifies a person or opens a lock; containers are copied, everything else is as it was.

    A run of 32 or more letters and digits counts as a token. Ids of records are shorter, hashes are not logged whole.
    """
    if isinstance(value, str):
        return _PATTERN.sub(HIDDEN, value)
    if isinstance(value, bytes):
        return redact(value.decode(errors="replace"))
    if isinstance(value, Mapping):
        return {redact(key): _redacted(key, member) for key, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(member) for member in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def redact_event(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog; it stands before the one that renders."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: Any, value: Any) -> Any:
    named = isinstance(key, str) and key not in COUNTED and SECRET_KEYS.search(key)
    return HIDDEN if named and value is not None else redact(value)
