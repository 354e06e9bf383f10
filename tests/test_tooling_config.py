"""The tools that guard the code are configured, and CI runs what the README tells a person to run."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_pyproject_contains_pytest_and_ruff_sections() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["pytest"]["ini_options"]["testpaths"] == ["tests"]
    assert "--strict-markers" in tools["pytest"]["ini_options"]["addopts"]
    assert {"E", "F", "I"} <= set(tools["ruff"]["lint"]["select"])
    assert tools["mypy"]["strict"] is True
    assert tools["importlinter"]["root_packages"] == ["tomato_host", "shared_schemas"]


def test_ci_runs_the_readme_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
