"""Write docs/configuration.md from the settings models, so that it lists every key with its range and default."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from tomato_host.settings import Settings

TARGET = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
HEAD = """# Configuration

`tomato-host run --config tomato.toml`. Every key has a default; a file names only what differs.
Unknown keys are refused by name.

Secrets (tokens, passwords of brokers and notification services) come from environment variables, never from this file.

This page is generated: `make schemas`.
"""


BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
"""JSON Schema's words for a bound, and ours."""


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow `$ref`, also inside a nullable."""
    if "$ref" in schema:
        found: dict[str, Any] = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        return found
    return schema


def _kind(field: dict[str, Any], root: dict[str, Any]) -> str:
    """Type and range in words."""
    if "anyOf" in field:
        return " or ".join(_kind(option, root) for option in field["anyOf"])
    field = _resolve(field, root)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    name = {"null": "none", "integer": "whole number", "string": "text", "boolean": "true or false"}.get(
        field.get("type", ""), field.get("type", "table")
    )
    bounds = [f"{word} {field[key]:g}" for key, word in BOUNDS.items() if key in field]
    return f"{name}, {', '.join(bounds)}" if bounds else name


def _default(value: Any) -> str:
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None:
        return "none"
    return f"`{value}`" if isinstance(value, int | float) else "see below"


def _table(name: str, schema: dict[str, Any], defaults: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """One section, and the tables inside it."""
    text = (schema.get("description") or "").strip().splitlines()
    lines = [f"\n## `[{name}]`\n", text[0] if text else "", "", "| key | allowed | default |", "|---|---|---|"]
    inner: list[str] = []
    for key, field in schema.get("properties", {}).items():
        found = _resolve(field, root)
        value = defaults.get(key)
        if found.get("type") == "object" and isinstance(value, dict) and "properties" in found:
            inner += _table(f"{name}.{key}", found, value, root)
            continue
        lines.append(f"| `{key}` | {_kind(field, root)} | {_default(value)} |")
    return lines + inner


def render() -> str:
    """The whole page."""
    root = Settings.model_json_schema()
    defaults = Settings().model_dump(mode="json")
    lines: list[str] = []
    for name, field in root["properties"].items():
        lines += _table(name, _resolve(field, root), defaults[name], root)
    return HEAD + "\n".join(lines) + "\n"


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the page is not what the settings say")
    args = parser.parse_args()
    text = render()
    if not args.check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is out of date; run: make schemas", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
