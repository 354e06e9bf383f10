"""Every error a person can meet stands in docs/errors.md with a next step; nothing stands there that cannot happen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "host" / "tomato_host"
ROW = re.compile(r"^\| `?(?P<code>E-[A-Z0-9-]+)`? \| (?P<meaning>[^|]+) \| (?P<step>[^|]+) \|$", re.MULTILINE)
CODE = re.compile(r"E-[A-Z0-9]+(-[A-Z0-9]+)*")


def codes_in_source() -> set[str]:
    """Every string constant of the host that is an error code."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        if "vm" in path.relative_to(SOURCES).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value):
                found.add(node.value)
    return found


def documented() -> dict[str, tuple[str, str]]:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    return {row["code"]: (row["meaning"].strip(), row["step"].strip()) for row in ROW.finditer(text)}


def test_every_code_is_documented_with_a_next_step() -> None:
    missing = codes_in_source() - set(documented())
    assert not missing, f"add rows to docs/errors.md: {sorted(missing)}"
    assert all(meaning and step for meaning, step in documented().values())


def test_no_documented_code_is_dead() -> None:
    dead = set(documented()) - codes_in_source()
    assert not dead, f"nothing raises these any more: {sorted(dead)}"
