"""What the adversarial blueprints do. Run by `quarantine.py` in a limited child only; never imported elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

Rows = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _endless(x: Rows) -> Rows:
    while True:
        pass


def _memory(x: Rows) -> Rows:
    held = []
    while True:
        held.append(np.ones(4_000_000))


def _abort(x: Rows) -> Rows:
    os.abort()


def _write(x: Rows) -> Rows:
    with open("large", "wb") as file:
        while True:
            file.write(b"x" * 1_000_000)


def _recursion(x: Rows) -> Rows:
    return _recursion(x)


HOSTILE: dict[str, Callable[[Rows], Rows]] = {
    "nan-output": lambda x: np.where(np.arange(len(x)) > 3, np.nan, 0.0),
    "huge-output": lambda x: np.full(len(x), 1e30),
    "wrong-shape": lambda x: np.zeros(len(x) - 1),
    "endless-loop": _endless,
    "memory-eater": _memory,
    "abort": _abort,
    "file-writer": _write,
    "deep-recursion": _recursion,
}
