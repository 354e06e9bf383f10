"""Loading a compiled artifact. `import torch` stands here: this file needs the extra [learn].

AOTInductor's public loader compiles a C++ program at its first call only to warn (8 to 10 s); the loader below it takes
10 ms. It is torch's own class, not part of its interface: the version is pinned, a test calls it, and the public
loader is the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tomato_host.learn.catalogue import Artifact, Catalogue

Compiled = Callable[..., Any]
"""forward(x, *weights)"""


def load_artifact(path: Path, row: Artifact) -> Compiled:
    """The compiled function of a verified file. Raises ValueError for a kind that is none."""
    if row.kind == "exported":
        return torch.export.load(str(path)).module()  # type: ignore[no-any-return]
    if row.kind != "aoti":
        raise ValueError(f"artifact of kind {row.kind!r} is not a compiled function")
    try:
        return _direct(path)
    except (ImportError, AttributeError, TypeError):
        return torch._inductor.aoti_load_package(str(path))  # type: ignore[no-any-return]


def _direct(path: Path) -> Compiled:
    from torch._C._aoti import AOTIModelPackageLoader

    # torch looks at the ending.
    named = path if path.suffix == ".pt2" else path.with_suffix(".pt2")
    if named != path and not named.exists():
        named.hardlink_to(path)
    loader = AOTIModelPackageLoader(str(named), "model", False, 1, -1)

    def call(x: Any, *weights: Any) -> Any:
        return loader.boxed_run([x, *weights])[0]

    return call


def fetch_kernel(catalogue: Catalogue, blueprint: int) -> Compiled:
    """The compiled function of a blueprint, from the cache after the first time. Raises TomatoError."""
    return catalogue.fetch(blueprint, load_artifact)  # type: ignore[no-any-return]


class CompiledBlock(torch.nn.Module):  # type: ignore[misc]  # torch is checked nowhere
    """A compiled function with its weights, as a block to graft. New weights need no compilation."""

    def __init__(self, kernel: Compiled, weights: Sequence[Any]) -> None:
        super().__init__()
        self.kernel = kernel
        self.weights = list(weights)

    def swap(self, weights: Sequence[Any]) -> None:
        """Other weights of the same shapes. Raises ValueError for others."""
        if [tuple(one.shape) for one in weights] != [tuple(one.shape) for one in self.weights]:
            raise ValueError("weights of other shapes")
        self.weights = list(weights)

    def forward(self, x: Any) -> Any:
        return self.kernel(x, *self.weights)
