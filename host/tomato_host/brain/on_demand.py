"""Names of a package that are imported when they are first asked for.

Settings are read by every command of the command line, and stand in packages whose other names need numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def names_on_demand(package: str, module_of: Mapping[str, str]) -> Callable[[str], Any]:
    """A `__getattr__` for `package` (PEP 562): each name by the module of the package that defines it."""

    def find(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(__import__(f"{package}.{module_of[name]}", fromlist=[name]), name)

    return find
