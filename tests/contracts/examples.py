"""The example payload of every record, read from its docstring, as the page for readers and the first test case."""

from __future__ import annotations

import copy
import inspect
import json
from typing import Any

from shared_schemas.records import RECORDS, Record


def example(version: str) -> dict[str, Any]:
    """A fresh copy of the example in the docstring of the record `version`."""
    doc = inspect.getdoc(RECORDS[version]) or ""
    found: dict[str, Any] = json.loads(doc[doc.index("{") : doc.rindex("}") + 1])
    return found


def parsed(version: str, **changes: Any) -> Record:
    """The example with some top-level fields changed, through the JSON parser. A change to `...` removes the field."""
    payload = copy.deepcopy(example(version))
    for name, value in changes.items():
        if value is ...:
            del payload[name]
        else:
            payload[name] = value
    return RECORDS[version].model_validate_json(json.dumps(payload))
