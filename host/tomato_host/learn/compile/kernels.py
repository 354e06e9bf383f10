"""What blueprints compute, as torch functions of features and weights: the weights are inputs, so that one artifact
serves every block of its shape. `import torch` stands here: this file needs the extra [learn].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from tomato_host.brain.world_model.grown_block import MOST_STANDARD
from tomato_host.brain.world_model.grown_features import FEATURES

INPUTS = len(FEATURES)
Shapes = dict[str, tuple[int, ...]]


class Kernel(torch.nn.Module):  # type: ignore[misc]  # torch is checked nowhere
    """One form at one width. `forward(x [N, P], *weights)` gives typical errors [N]."""

    def __init__(self, form: str, width: int) -> None:
        super().__init__()
        self.form, self.width = form, width
        self.shapes: Shapes = {"mean": (INPUTS,), "scale": (INPUTS,)} | _SHAPES[form](width)

    def forward(self, x: Any, mean: Any, scale: Any, *weights: Any) -> Any:
        z = ((x - mean) / scale).clamp(-MOST_STANDARD, MOST_STANDARD)
        return _FORMS[self.form](z, *weights)

    def drawn(self, generator: Any) -> list[Any]:
        """Weights to start from, in the order of `shapes`; the last two make the output zero."""
        found = [torch.zeros(INPUTS), torch.ones(INPUTS)]
        for name, shape in list(self.shapes.items())[2:]:
            fan = shape[0] if len(shape) > 1 else 1
            start = torch.randn(shape, generator=generator) / fan**0.5
            found.append(torch.zeros(shape) if name in ("out", "bias") else start)
        return found


def _hidden(z: Any, w1: Any, b1: Any) -> Any:
    return torch.tanh(z @ w1 + b1)


_FORMS: dict[str, Callable[..., Any]] = {
    "network": lambda z, w1, b1, out, bias: _hidden(z, w1, b1) @ out + bias,
    "two-layer": lambda z, w1, b1, w2, b2, out, bias: torch.tanh(_hidden(z, w1, b1) @ w2 + b2) @ out + bias,
    "gated": lambda z, w1, b1, w2, b2, out, bias: (_hidden(z, w1, b1) * torch.sigmoid(z @ w2 + b2)) @ out + bias,
    "residual": lambda z, w1, b1, line, out, bias: _hidden(z, w1, b1) @ out + z @ line * 0.1 + bias,
    "periodic": lambda z, w1, b1, out, bias: torch.sin(z @ w1 + b1) @ out + bias,
    "normed": lambda z, w1, b1, out, bias: torch.nn.functional.layer_norm(z @ w1 + b1, b1.shape).tanh() @ out + bias,
    "mixture": lambda z, w1, b1, w2, b2, switch, out, bias: (
        torch.lerp(_hidden(z, w1, b1), _hidden(z, w2, b2), torch.sigmoid(z @ switch)[:, None]) @ out + bias
    ),
    "product": lambda z, w1, b1, w2, b2, out, bias: (_hidden(z, w1, b1) * _hidden(z, w2, b2)) @ out + bias,
}


def _one(w: int) -> Shapes:
    return {"w1": (INPUTS, w), "b1": (w,)}


def _end(w: int) -> Shapes:
    return {"out": (w,), "bias": ()}


def _two(w: int) -> Shapes:
    return {"w2": (INPUTS, w), "b2": (w,)}


_SHAPES: dict[str, Callable[[int], Shapes]] = {
    "network": lambda w: _one(w) | _end(w),
    "two-layer": lambda w: _one(w) | {"w2": (w, w), "b2": (w,)} | _end(w),
    "gated": lambda w: _one(w) | _two(w) | _end(w),
    "residual": lambda w: _one(w) | {"line": (INPUTS,)} | _end(w),
    "periodic": lambda w: _one(w) | _end(w),
    "normed": lambda w: _one(w) | _end(w),
    "mixture": lambda w: _one(w) | _two(w) | {"switch": (INPUTS,)} | _end(w),
    "product": lambda w: _one(w) | _two(w) | _end(w),
}


def kernel_of(key: str) -> Kernel:
    """The kernel of a job's key: `network-16`. Raises ValueError for a key that names none."""
    form, _, width = key.rpartition("-")
    if form not in _FORMS or not width.isdigit():
        raise ValueError(f"{key!r} names no kernel")
    return Kernel(form, int(width))
