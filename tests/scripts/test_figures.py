"""The figures of the code: what counts as code, comment, docstring, function, public name and duplicate."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "figures.py"
PORT = '''"""Purpose.

Theory.
"""

LIMIT = 3  # seconds
"""What LIMIT means."""


class Port:
    """A port."""

    # Why it is so.
    def read(self) -> int:
        return 1  # noqa: X

    def write(self) -> None:
        """Write."""

        def inner() -> None:
            pass

    def _hidden(self) -> None: ...
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in (
        ("host/tomato_host/board/port.py", PORT),
        ("host/tomato_host/app.py", "class Port: ...\nclass _Private: ...\n"),
        ("firmware/tomato/core/ring.py", "class _Private: ...\ndef push():\n    pass\n"),
        ("firmware/tomato/contract.py", "A = 1\n"),
        ("tests/test_x.py", "def test_x():\n    assert True\n"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def measured(*arguments: str) -> str:
    return subprocess.run([sys.executable, str(TOOL), *arguments], capture_output=True, text=True, check=True).stdout


def test_a_package_is_counted(tree: Path) -> None:
    board = json.loads(measured(str(tree), "--json"))["packages"]["board"]
    assert (board["files"], board["lines"]) == (1, len(PORT.splitlines()))
    # LIMIT, class, read, return, write, inner, pass, _hidden.
    assert board["code"] == 8
    assert board["docstring_lines"] == 7
    assert board["comments"] == 2, "a directive to a tool is no comment"
    assert (board["functions"], board["function_median"], board["function_longest"]) == (4, 2, 5)
    assert (board["public"], board["documented"]) == (3, 2), "the class, read and write; read has no docstring"


def test_duplicates_are_public_classes_of_the_product(tree: Path) -> None:
    found = json.loads(measured(str(tree), "--json"))
    assert found["class_names_twice"] == {"Port": ["host/tomato_host/app.py", "host/tomato_host/board/port.py"]}
    assert set(found["packages"]) == {"board", "tomato_host", "firmware", "generated", "tests"}
    assert found["product"]["files"] == 3, "neither tests nor generated files"


def test_the_table_names_every_package(tree: Path) -> None:
    text = measured(str(tree))
    assert "| board | 1 |" in text and "| **product** | 3 |" in text
    assert "Public class names that exist twice: 1 (Port 2)." in text
