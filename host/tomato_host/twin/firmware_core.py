"""The firmware's deciding core on CPython: the same files that a MicroPython VM or a real board runs.

The firmware imports itself under the name `tomato`. The package is registered under that name from `firmware_dir()`,
which finds it in a checkout and in an installed wheel alike; `sys.path` stays as it is, so that nothing else that is
called `tomato` can be taken for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import firmware_dir

PACKAGE = "tomato"


@dataclass(frozen=True, slots=True)
class FirmwareCore:
    """What a simulator needs of the firmware. The modules are MicroPython's: they carry no types."""

    contract: Any
    """`tomato.contract`: the numbers of messages, fields, outputs, sensors, faults and limits."""
    board: Any
    """`tomato.core.board` with the class `Core`."""
    check_message: Any
    """(message type, message) -> 0, or the reason to refuse it, as the session checks every message first."""
    capacitive: Any
    """The driver of the soil probes, which needs nothing of the hardware but an ADC."""
    config: dict[str, Any]
    """The virtual board's fitted sensors and its own CONFIG defaults."""
    provision: Any
    """(store) -> None: what a new board's flash holds before its first boot."""


@cache
def load_core() -> FirmwareCore:
    """The core. Raises TomatoError `E-TWIN-NO-FIRMWARE` when it is not there, or something else is called `tomato`."""
    home = firmware_dir() / PACKAGE
    _register(home)
    board, slots, configuration, boards, virtual, wellformed = (
        importlib.import_module(f"{PACKAGE}.{name}")
        for name in ("core.board", "core.slots", "core.configuration", "boards", "boards.virtual", "core.wellformed")
    )
    config: dict[str, Any] = boards.config_of(virtual)

    def provision(store: Any) -> None:
        if slots.provision(store):
            configuration.Configuration(store, config["defaults"]).save()

    return FirmwareCore(
        contract=importlib.import_module(f"{PACKAGE}.contract"),
        board=board,
        check_message=wellformed.check_message,
        capacitive=_file_alone(home / "hal" / "sensors" / "capacitive.py"),
        config=config,
        provision=provision,
    )


def _register(home: Path) -> None:
    """Make the firmware's package known under its own name, once."""
    known = sys.modules.get(PACKAGE)
    if known is not None:
        if home in (Path(place).resolve() for place in known.__path__):
            return
        raise TomatoError(
            "E-TWIN-NO-FIRMWARE",
            f"Another Python package named {PACKAGE!r} is loaded ({known.__file__}).",
            "Run tomato-host in an environment of its own.",
        )
    spec = importlib.util.spec_from_file_location(PACKAGE, home / "__init__.py", submodule_search_locations=[str(home)])
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


def _file_alone(path: Path) -> ModuleType:
    """One driver without its package, whose own file wants the hardware."""
    spec = importlib.util.spec_from_file_location(f"_{PACKAGE}_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
