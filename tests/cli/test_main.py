"""The entry point: help for everybody, one clear line for a wrong word, and no slow imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tomato_host.cli.main import COMMANDS


def tomato_host(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    command = [sys.executable, "-m", "tomato_host", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_every_command() -> None:
    result = tomato_host("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert command.name in result.stdout


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_each_command_has_help(name: str) -> None:
    result = tomato_host(name, "--help")
    assert result.returncode == 0, result.stderr
    assert "Usage" in result.stdout


def test_an_unknown_command_is_named() -> None:
    result = tomato_host("watre")
    assert result.returncode == 2
    assert "watre" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_word_at_all_shows_the_help() -> None:
    result = tomato_host()
    assert "Usage" in result.stdout + result.stderr


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tomato_host.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('loaded:', [m for m in ('numpy', 'pydantic', 'fastapi', 'serial', 'duckdb') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "loaded: []" in result.stdout
