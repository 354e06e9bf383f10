"""Messages from outside: read strictly, whole or not at all, and their published schemas are those of the code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared_schemas.world.messages import MESSAGE_VERSIONS, message_schemas, parse_draft, parse_intent

EXPORT = Path(__file__).resolve().parents[2] / "shared_schemas" / "export"
INTENT: dict[str, Any] = {"schema_version": "intent_v1", "id": "i-1", "agent": "sitter", "kind": "water",
                          "payload": {"pot": "P1", "ml": 100.0}, "context_seq": 4}  # fmt: skip
OPTIONAL = ["torch", "jsonpatch", "pettingzoo", "google", "mcp", "opentelemetry", "gymnasium"]


def test_messages_read_as_they_are() -> None:
    assert parse_intent(json.dumps(INTENT)) == INTENT
    draft = {"schema_version": "effect_draft_v1", "source": "engine", "kind": "tick", "sim_time_s": 1.5}
    assert parse_draft(json.dumps(draft)) == draft


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"schema_version": "intent_v2"}, "intent_v1"),
        ({"extra": 1}, "extra"),
        ({"id": 5}, "id"),
        ({"id": "a b"}, "id"),
        ({"agent": ""}, "agent"),
        ({"context_seq": -1}, "context_seq"),
        ({"context_seq": True}, "context_seq"),
        ({"deadline_ms": 1e9}, "deadline_ms"),
        ({"payload": [1]}, "payload"),
    ],
)
def test_an_error_names_the_field(change: dict[str, Any], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        parse_intent(json.dumps({**INTENT, **change}))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_none_does_not_enter(number: str) -> None:
    text = json.dumps(INTENT).replace("100.0", number)
    with pytest.raises(ValueError, match=r"."):
        parse_intent(text)


def test_the_published_schemas_are_those_of_the_code() -> None:
    for version in MESSAGE_VERSIONS:
        published = json.loads((EXPORT / f"{version}.schema.json").read_text())
        assert published == message_schemas()[version], "make schemas"
        assert published["additionalProperties"] is False


def test_the_core_imports_without_the_extra() -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r}))\n" + "\n".join(
        f"import tomato_host.world.{name}" for name in ("orchestrator", "worlds.garden", "worlds.talk")
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
