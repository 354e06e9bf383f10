"""The model's files: where they are, what they weigh, what to fetch when there are none."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.atomic_file import replace_file

GIB = 1024**3

WANTED = (
    ("Qwen2.5-VL-7B-Instruct-Q4_K_M.gguf", 4.7),
    ("mmproj-Qwen2.5-VL-7B-Instruct-f16.gguf", 1.4),
)
"""The target model: file name and size in GB."""

MEMORY_NEEDED_GB = {"fast": 9.5, "small": 5.8}
"""Measured with 7B dimensions, Q4_K weights and 256 image tokens."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of the model: `size_bytes` is None when it is not there."""

    role: str
    path: Path | None
    size_bytes: int | None

    @property
    def present(self) -> bool:
        """True when it can be read."""
        return self.size_bytes is not None


def file_states(settings: AdvisorSettings) -> tuple[ModelFile, ...]:
    """Weights and projector as configured."""
    return (
        ModelFile("weights", settings.model_path, _size(settings.model_path)),
        ModelFile("projector (mmproj)", settings.projector_path, _size(settings.projector_path)),
    )


def advice_when_absent(memory_mode: str) -> str:
    """What has to be downloaded, in one line."""
    names = " and ".join(f"{name} ({size:.1f} GB)" for name, size in WANTED)
    return (
        f"download {names}, set advisor.model_path and advisor.projector_path to them and advisor.backend = 'local';"
        f" memory mode {memory_mode} needs {MEMORY_NEEDED_GB[memory_mode]} GB free"
    )


def memory_free_gb() -> float | None:
    """Free memory in GB (Linux: MemAvailable); None where the system does not report it."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 / 1e9
    except OSError:
        return None
    return None


def memory_needed_gb(settings: AdvisorSettings) -> float:
    """An estimate from the files: weights (twice when repacked for speed), projector and a gigabyte for the context."""
    weights, projector = (state.size_bytes or 0 for state in file_states(settings))
    factor = 1.0 if settings.memory_mode == "small" else 1.75
    context = 1.0 * GIB * min(1.0, weights / GIB)
    return (weights * factor + projector + context) / 1e9


def file_sha256(path: Path, cache: Path | None = None) -> str:
    """SHA-256 of a file; a second or two per gigabyte, so `cache` (JSON) keeps it by path, size and change time."""
    stat = os.stat(path)
    key = f"{path}:{stat.st_size}:{stat.st_mtime_ns}"
    known = _read_hashes(cache)
    if key not in known:
        with open(path, "rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        if cache is not None:
            replace_file(cache, json.dumps(known).encode(), parents=True)
    return known[key]


def _read_hashes(cache: Path | None) -> dict[str, str]:
    """A cache that cannot be read is an empty one."""
    try:
        raw = json.loads(cache.read_text()) if cache is not None else {}
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in raw.items() if isinstance(v, str)} if isinstance(raw, dict) else {}


def _size(path: Path | None) -> int | None:
    return path.stat().st_size if path is not None and path.is_file() else None
