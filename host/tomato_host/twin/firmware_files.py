"""Where the body's files and the MicroPython VM are: in a checkout, in an installed wheel, on PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tomato_host.errors import TomatoError

VM_DIR = Path(__file__).resolve().parent / "vm"


def firmware_dir() -> Path:
    """The directory with boot.py and main.py. Raises TomatoError `E-TWIN-NO-FIRMWARE`."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "_firmware", package.parents[1] / "firmware"):
        if (place / "main.py").is_file():
            return place
    raise TomatoError(
        "E-TWIN-NO-FIRMWARE",
        "The firmware files (boot.py, main.py) are not beside the host.",
        "Install tomato-host from its wheel, or run from a full checkout.",
    )


@cache
def micropython() -> str:
    """Path of a MicroPython VM that starts. Raises TomatoError `E-TWIN-NO-VM`."""
    beside = Path(sys.executable).parent / "micropython"
    candidates = [str(beside)] if beside.is_file() else []
    on_path = shutil.which("micropython")
    if on_path:
        candidates.append(on_path)
    for candidate in candidates:
        if _is_micropython(candidate):
            return candidate
    raise TomatoError(
        "E-TWIN-NO-VM",
        "No MicroPython VM was found.",
        "Run `pip install '.[sim]'`, or on a Raspberry Pi `apt install micropython`.",
    )


def _is_micropython(path: str) -> bool:
    """A `micropython` command proves itself by sys.implementation; a mere name proves nothing."""
    ask = "import sys; sys.stdout.write(sys.implementation.name)"
    try:
        answer = subprocess.run([path, "-c", ask], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout == b"micropython"
