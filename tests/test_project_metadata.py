"""The project says which Python it is for, in every place that asks."""

import tomllib
from pathlib import Path

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
