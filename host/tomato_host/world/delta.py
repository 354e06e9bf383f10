"""The difference of two documents as JSON Patch (RFC 6902), and the strict application of one.

`delta` emits add, remove and replace only, never an operation that depends on an index of a list: pointers of a delta
are stable. For every pair of documents `apply(old, delta(old, new)) == new`, with types compared strictly: True is not
1, 1 is not 1.0 and null is not absence. Branches that both documents share are not entered.

A patch on the root itself (one of the two is no object) is a replacement at `""`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared_schemas.world.messages import PatchOp
from tomato_host.world.document import MISSING, escape, parse_pointer


def delta(old: Any, new: Any) -> list[PatchOp]:
    """Operations that turn `old` into `new`; empty when they are equal. Order: as the keys of `old`, then of `new`."""
    operations: list[PatchOp] = []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        _walk(old, new, "", operations)
    elif not same(old, new):
        operations.append({"op": "replace", "path": "", "value": new})
    return operations


def apply(document: Any, patch: Iterable[PatchOp]) -> Any:
    """The document after the patch; the one passed is not changed.

    Raises ValueError for an operation that does not fit: an unknown one, a path that is not there, an add into a value
    that is no object. Nothing of the patch is then applied.
    """
    for operation in patch:
        document = _applied(document, operation, parse_pointer(operation["path"]))
    return document


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values that tells True from 1 and 1 from 1.0."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


_AS_SENT = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
"""Made once: `json.dumps` with options makes an encoder at each call."""


def encoded_size(value: Any) -> int:
    """Bytes of a value as it is sent."""
    return len(_AS_SENT(value).encode())


def _walk(old: Mapping[str, Any], new: Mapping[str, Any], at: str, operations: list[PatchOp]) -> None:
    """Append what differs below one pair of objects."""
    for key, before in old.items():
        after = new.get(key, MISSING)
        if after is before:
            continue
        kind = type(before)
        if kind is type(after):
            if kind is dict:
                _walk(before, after, f"{at}/{escape(key)}", operations)
                continue
            if before == after and (kind is not list or same(before, after)):
                continue
        if after is MISSING:
            operations.append({"op": "remove", "path": f"{at}/{escape(key)}"})
        else:
            operations.append({"op": "replace", "path": f"{at}/{escape(key)}", "value": after})
    if new.keys() <= old.keys():
        return
    for key, after in new.items():
        if key not in old:
            operations.append({"op": "add", "path": f"{at}/{escape(key)}", "value": after})


def _applied(document: Any, operation: PatchOp, path: Sequence[str]) -> Any:
    op = operation["op"]
    if op not in ("add", "remove", "replace"):
        raise ValueError(f"operation {op!r} is not known")
    if op != "remove" and "value" not in operation:
        raise ValueError(f"{op} {operation['path']!r} has no value")
    if not path:
        if op == "remove":
            raise ValueError("the whole document cannot be removed")
        return operation["value"]
    return _applied_below(document, operation, path)


def _applied_below(document: Any, operation: PatchOp, path: Sequence[str]) -> Any:
    if not isinstance(document, Mapping):
        raise ValueError(f"{operation['path']!r} leads through a value that is no object")
    key, *rest = path
    if (rest or operation["op"] != "add") and key not in document:
        raise ValueError(f"{operation['path']!r} is not there")
    if rest:
        return {**document, key: _applied_below(document[key], operation, rest)}
    if operation["op"] == "remove":
        return {other: value for other, value in document.items() if other != key}
    return {**document, key: operation["value"]}
