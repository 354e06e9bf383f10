"""What code this is: whether a result stored earlier, or computed elsewhere, is what this process would compute."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

import numpy as np

import shared_schemas
import tomato_host
from tomato_host.twin.firmware_files import firmware_dir


@cache
def source_fingerprint() -> str:
    """sha256 over every source that a run may depend on, and the versions of Python and numpy.

    Raises TomatoError `E-TWIN-NO-FIRMWARE`.
    """
    digest = hashlib.sha256(f"{platform.python_version()} {np.__version__}".encode())
    packages = [Path(str(package.__file__)).parent for package in (tomato_host, shared_schemas)]
    for root in (*packages, firmware_dir()):
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root).as_posix()
            if not name.startswith("_firmware/"):  # where a wheel keeps what a checkout has beside the host
                digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
