"""Install the extra [learn] with torch's CPU build; where there is none, say what would be downloaded and ask.

python tools/install_learn.py          install; exit 2 where only a build with CUDA is found and LEARN=1 is not set
python tools/install_learn.py --check  exit 0 when it would install, install nothing
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TORCH = "torch==2.13.0"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def installed() -> bool:
    """Whether torch 2.13 is there already."""
    try:
        return version("torch").startswith("2.13.")
    except PackageNotFoundError:
        return False


def planned() -> list[dict[str, Any]]:
    """What pip would install for torch, as its report has it; empty when pip finds none."""
    command = [*PIP, "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", TORCH]
    done = subprocess.run(command, capture_output=True, text=True)
    return list(json.loads(done.stdout)["install"]) if done.returncode == 0 else []


def is_cpu_build(plan: list[dict[str, Any]]) -> bool:
    """A build without CUDA: its local version says so, or nothing of NVIDIA comes with it."""
    names = [one["metadata"]["name"].lower() for one in plan]
    torch = next((one["metadata"]["version"] for one in plan if one["metadata"]["name"] == "torch"), "")
    return torch.endswith("+cpu") or (bool(torch) and not any(name.startswith("nvidia") for name in names))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(argv).check
    if not installed():
        plan = planned()
        if not is_cpu_build(plan) and os.environ.get("LEARN") != "1":
            packages = ", ".join(f"{one['metadata']['name']} {one['metadata']['version']}" for one in plan) or TORCH
            print(f"pip finds no CPU build of {TORCH} for {platform.system()} {platform.machine()}.")
            print(f"It would download: {packages} (2.5 GB or more with CUDA).")
            print("Run `make test-learn LEARN=1` to install it all the same.")
            return 2
    if check:
        return 0
    return subprocess.run([*PIP, "install", "--quiet", TORCH, "-e", f"{ROOT}[learn,test-learn]"]).returncode


if __name__ == "__main__":
    raise SystemExit(main())
