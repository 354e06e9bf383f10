"""The compiling child: python -m tomato_host.learn.compile.child OUT KEY [aoti|exported]. Needs torch.

Writes the artifact to OUT and prints one line of JSON: kind and the reason for it. `import torch` comes after the
environment is set: one compile thread, so that the tent's other processes go on.
"""

from __future__ import annotations

import json
import os
import shutil
import sys


def compiler_missing() -> str:
    """Why AOTInductor cannot work on this machine; empty when it can."""
    return (
        ""
        if any(shutil.which(os.environ.get("CXX", name)) for name in ("g++", "c++", "clang++"))
        else "no C++ compiler"
    )


def build(key: str, out: str, wanted: str = "aoti") -> dict[str, str]:
    """Compile one kernel to a file; where AOTInductor cannot, the exported program, and the reason."""
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    import torch

    from tomato_host.learn.compile.kernels import INPUTS, kernel_of

    torch.set_num_threads(1)
    kernel = kernel_of(key)
    weights = kernel.drawn(torch.Generator().manual_seed(0))
    rows = torch.export.Dim("rows", min=2, max=1_000_000)
    shapes = ({0: rows}, None, None, tuple(None for _ in weights[2:]))
    program = torch.export.export(kernel, (torch.randn(8, INPUTS), *weights), dynamic_shapes=shapes)
    reason = compiler_missing() if wanted == "aoti" else "asked for"
    if not reason:
        try:
            torch._inductor.aoti_compile_and_package(program, package_path=out)
            return {"kind": "aoti", "reason": ""}
        except Exception as error:  # a compiler fails in many ways; the exported program serves
            reason = f"{type(error).__name__}: {error}"[:300]
    torch.export.save(program, out)
    return {"kind": "exported", "reason": reason}


if __name__ == "__main__":
    print(json.dumps(build(sys.argv[2], sys.argv[1], *sys.argv[3:4])), flush=True)
