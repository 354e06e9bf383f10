"""Every test that docs/safety.md names as a proof exists, and every row of the table names one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 4 and "`test_" in line]


def test_there_are_rows() -> None:
    assert len(ROWS) >= 25


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(?:test_\w+\.py::)?(test_\w+)`", PAGE))))
def test_the_named_test_exists(name: str) -> None:
    files = (file for folder in ("firmware_core", "mqtt") for file in (ROOT / "tests" / folder).glob("test_*.py"))
    assert any(re.search(rf"^def {name}\(", file.read_text(encoding="utf-8"), re.M) for file in files), name


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`(test_\w+\.py)", PAGE))))
def test_the_named_file_exists(file: str) -> None:
    assert (ROOT / "tests" / "firmware_core" / file).is_file()
