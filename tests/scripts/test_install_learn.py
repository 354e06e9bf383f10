"""Setting up torch: a CPU build is installed, a build with CUDA is named and asked for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script() -> Any:
    spec = importlib.util.spec_from_file_location("install_learn", ROOT / "tools" / "install_learn.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plan(*packages: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"metadata": {"name": name, "version": version}} for name, version in packages]


CPU = plan(("torch", "2.13.0+cpu"), ("sympy", "1.14.0"))
PLAIN = plan(("torch", "2.13.0"), ("sympy", "1.14.0"))
CUDA = plan(("torch", "2.13.0"), ("nvidia-cublas", "13.0"), ("triton", "3.6"))


def test_a_cpu_build_is_told_from_one_with_cuda() -> None:
    module = script()
    assert module.is_cpu_build(CPU) and module.is_cpu_build(PLAIN)
    assert not module.is_cpu_build(CUDA) and not module.is_cpu_build([])


@pytest.mark.parametrize(("found", "learn", "code"), [(CPU, None, 0), (CUDA, None, 2), ([], None, 2), (CUDA, "1", 0)])
def test_a_build_with_cuda_is_named_and_asked_for(
    found: list[dict[str, Any]],
    learn: str | None,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = script()
    monkeypatch.setattr(module, "installed", lambda: False)
    monkeypatch.setattr(module, "planned", lambda: found)
    monkeypatch.delenv("LEARN", raising=False)
    if learn is not None:
        monkeypatch.setenv("LEARN", learn)
    assert module.main(["--check"]) == code
    said = capsys.readouterr().out
    assert ("LEARN=1" in said) is (code == 2)
    assert not found or code == 0 or "nvidia-cublas 13.0" in said
