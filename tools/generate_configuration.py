"""Write docs/configuration.md from the settings models: every key with its meaning, unit, range and default.

The meaning is the docstring below the field; a key without one fails this script, and so `make lint`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from tomato_host.settings import Settings
from tomato_host.settings_relations import RELATIONS, STAGE, Relation

TARGET = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
HEAD = """# Configuration

`tomato-host run --config tomato.toml`. Every key has a default; a file names only what differs.
Unknown keys are refused by name.

Secrets (tokens, passwords of brokers and notification services) come from environment variables, never from this file.

A key that has moved is accepted under its old name for one season, with a warning that names the new one.

A file with a wrong value, or with two keys that contradict each other, is refused in one line (E-CONFIG-INVALID, exit
code 2) that names key, value and what is allowed; the orders that must hold between keys are listed
[at the end](#orders-between-keys).

This page is generated: `make schemas`.
"""
ORDERS = """
## Orders between keys

Each row holds when the file is loaded, for the keys it names and the defaults of the others. `stage` stands for the
value that the growth stage gives (docs/control.md). Numbers are in the unit of the right side.

| lower | | upper | else |
|---|---|---|---|
"""
UNITS = {
    "_ml": "ml",
    "_s": "s",
    "_ms": "ms",
    "_minutes": "min",
    "_h": "h",
    "_hours": "h",
    "_pct": "%",
    "_c": "degC",
    "_kpa": "kPa",
    "_ppm": "ppm",
    "_mb": "MB",
    "_kb": "KB",
    "_bytes": "bytes",
    "_deg": "degrees",
    "_per_umol": "lx s m2/umol",
    "_ml_per_pct": "ml/%",
    "_ml_per_day": "ml/day",
    "_s_per_day": "s/day",
    "_ml_per_hour": "ml/h",
    "_s_per_hour": "s/h",
    "_ml_per_pulse": "ml",
    "_per_hour": "1/h",
    "_per_minute": "1/min",
    "_every_s": "s",
    "_mb_per_day": "MB/day",
    "_mb_total": "MB",
    "_local_h": "h",
    "mb_per_day": "MB/day",
    "mb_total": "MB",
}
"""Unit by the end of a key's name; the longest ending counts."""


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


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Field name to the docstring that stands below it, joined to one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            value = text.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[field.target.id] = re.sub(r"\s+", " ", value.value).strip()
    return found


def _unit(key: str) -> str:
    endings = [end for end in UNITS if key.endswith(end)]
    return UNITS[max(endings, key=len)] if endings else ""


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """The model of a nested table, or of the rows of an array of tables."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None


def _table(name: str, model: type[BaseModel], default: BaseModel | None, missing: list[str]) -> list[str]:
    """One section, and the tables inside it."""
    text = re.sub(r"\s+", " ", inspect.getdoc(model) or "").strip()
    text = re.sub(r"^(Section|The table) `\[[a-z_.]+\]`( of the TOML file| of the settings file)?[:.,]? *", "", text)
    text = text[:1].upper() + text[1:]
    lines = [f"\n## `{name}`\n", text, "", "| key | meaning | unit | allowed | default |", "|---|---|---|---|---|"]
    schema, meanings, inner = model.model_json_schema(), _meanings(model), list[str]()
    for key, info in model.model_fields.items():
        field, nested = schema["properties"][key], _inner_model(info.annotation)
        if not meanings.get(key):
            missing.append(f"{name} {key}")
        value = getattr(default, key) if default is not None else info.default
        if nested is not None and isinstance(value, BaseModel):
            inner += _table(f"[{name.strip('[]')}.{key}]", nested, value, missing)
            continue
        if nested is not None:
            inner += _table(f"[[{name.strip('[]')}.{key}]]", nested, None, missing)
        kind, shown = _kind(field, schema), "required" if info.is_required() else _default(value)
        lines.append(f"| `{key}` | {meanings.get(key, '')} | {_unit(key)} | {kind} | {shown} |")
    return lines + inner


def render() -> tuple[str, list[str]]:
    """The whole page, and the keys that lack a meaning."""
    settings, missing, lines = Settings(), list[str](), list[str]()
    for name, info in Settings.model_fields.items():
        model = _inner_model(info.annotation)
        assert model is not None, name
        lines += _table(f"[{name}]", model, getattr(settings, name), missing)
    orders = "".join(_order(row) for row in RELATIONS)
    return HEAD + "\n".join(lines) + "\n" + ORDERS + orders, missing


def _order(row: Relation) -> str:
    sides = []
    for name in (row.low, row.high):
        if name.startswith(STAGE):
            sides.append("stage: `" + re.sub(r"\.[01]$", "", name.removeprefix(STAGE)) + "`")
        else:
            table, _, key = name.rpartition(".")
            sides.append(f"`[{table}] {key}`")
    low = sides[0] if row.factor == 1.0 else f"{sides[0]} x {row.factor:.4g}"
    return f"| {low} | {'below' if row.order == '<' else 'at most'} | {sides[1]} | {row.why} |\n"


def main() -> int:
    """Write, or with --check compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the page is not what the settings say")
    args = parser.parse_args()
    text, missing = render()
    if missing:
        print("keys without a meaning (write a docstring below the field):", *missing, sep="\n  ", file=sys.stderr)
        return 1
    if not args.check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET.name} is out of date; run: make schemas", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
