"""The import contracts hold the tree as it is, and each of them notices when it is broken on purpose."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CONTRACTS = (
    "The contract imports nothing of ours",
    "The brain imports the contract",
    "Imports point one way",
    "Errors, logs and the writing of whole files stand at the bottom",
    "torch is imported below learn only",
    "Dask is imported in parallel only",
    "No circle between files",
)
BREAKS = {
    "shared_schemas/broken_contract.py": "import tomato_host.errors\n",
    "host/tomato_host/brain/broken_purity.py": "import os\n",
    "host/tomato_host/loop/broken_order.py": "import tomato_host.app\n",
    "host/tomato_host/loop/broken_torch.py": "import torch\n",
    "host/tomato_host/loop/broken_dask.py": "import distributed\n",
    "host/tomato_host/service/broken_circle.py": "import tomato_host.service.broken_circle_back\n",
    "host/tomato_host/service/broken_circle_back.py": "import tomato_host.service.broken_circle\n",
}
"""One file for each contract but the fourth, which is broken by adding a line to errors.py."""


def lint(root: Path) -> str:
    """What import-linter says of a tree."""
    environment = {**os.environ, "PYTHONPATH": f"{root / 'host'}{os.pathsep}{root}", "COLUMNS": "200"}
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", code, "--no-cache"]
    done = subprocess.run(
        [*command, "--no-cache"], cwd=root, env=environment, capture_output=True, text=True, timeout=200
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    skip = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("host", "shared_schemas", "tools"):
        shutil.copytree(ROOT / name, root / name, ignore=skip)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_the_tree_keeps_every_contract_and_each_notices_when_it_is_broken(tree: Path) -> None:
    whole = lint(tree)
    assert all(name in whole for name in CONTRACTS) and "7 kept, 0 broken" in whole, whole
    for name, text in BREAKS.items():
        (tree / name).write_text(text)
    errors = tree / "host" / "tomato_host" / "errors.py"
    errors.write_text(errors.read_text() + "\nimport tomato_host.loop.clock  # noqa\n")
    broken = lint(tree)
    assert "0 kept, 7 broken" in broken, broken
