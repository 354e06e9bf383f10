"""The project says which Python it is for, in every place that asks."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tomato import contract
from tomato.core.session import FIRMWARE
from tomato_host import __version__

ROOT = Path(__file__).resolve().parents[1]


def test_python_version_target_is_311() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11"
    assert project["tool"]["ruff"]["target-version"] == "py311"
    assert project["tool"]["mypy"]["python_version"] == "3.11"
    assert "3.11" in (ROOT / "README.md").read_text()


def test_distribution_and_command_have_their_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "tomato-host"
    assert project["scripts"]["tomato-host"] == "tomato_host.cli.main:main"


def test_the_version_exists_once() -> None:
    """In `tomato_host/__init__.py`; the distribution reads it there, the firmware has it from the generator."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    source = ROOT / project["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.+)"$', source.read_text(), re.M) == [__version__]
    assert FIRMWARE == contract.FIRMWARE_VERSION == __version__
    shown = subprocess.run([sys.executable, "-m", "tomato_host", "--version"], capture_output=True, text=True, cwd=ROOT)
    assert shown.stdout.strip() == f"tomato-host {__version__}"
    written = [
        path.relative_to(ROOT).as_posix()
        for folder in ("host", "firmware", "shared_schemas", "tools", "deploy", "pyproject.toml")
        for path in ([ROOT / folder] if (ROOT / folder).is_file() else sorted((ROOT / folder).rglob("*")))
        if path.suffix in (".py", ".toml", ".yml", ".yaml", ".service", ".json") and __version__ in path.read_text()
    ]
    # The second and the third are generated from the first; `make check-schemas` compares them.
    generated = ["firmware/tomato/contract.py", "shared_schemas/export/openapi.json"]
    assert written == ["host/tomato_host/__init__.py", *generated]
