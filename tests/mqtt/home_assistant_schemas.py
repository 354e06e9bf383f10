"""Home Assistant's own discovery schemas, run in a process of their own: `home_assistant_schemas.py HA VOLUPTUOUS`.

The schema code is the wheel's, unchanged; voluptuous is the real one. Everything else that it only imports (web
server, database, radios) is a stub here and is never called by a schema: STUBBED lists them, and an import of anything
else that is missing is an error. Standard input: components by name, each a discovery payload as one platform gets it.
Standard output: by name the error, or the keys that the schema does not know and drops.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import sys
import types
from collections.abc import Sequence
from typing import Any
from unittest.mock import MagicMock

STUBBED = frozenset(
    (
        "_winapi",
        "aiohttp",
        "aiohttp_fast_url_dispatcher",
        "aiohttp_zlib_ng",
        "astral",
        "async_interrupt",
        "atomicwrites",
        "attr",
        "awesomeversion",
        "bcrypt",
        "ciso8601",
        "cryptography",
        "fnv_hash_fast",
        "hass_nabucasa",
        "httpx",
        "ifaddr",
        "janus",
        "jwt",
        "lru",
        "multidict",
        "orjson",
        "org",
        "paho",
        "psutil_home_assistant",
        "requests",
        "slugify",
        "sqlalchemy",
        "ulid_transform",
        "voluptuous_serialize",
        "winreg",
        "yarl",
        "zeroconf",
    )
)
"""Imported by Home Assistant's modules and not used by any schema; a real one is taken where it is installed."""


class StubModule(types.ModuleType):
    """A module whose every name is a class, an exception or a mock, as its spelling suggests."""

    __path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made: Any = MagicMock(name=f"{self.__name__}.{name}")
        if name[0].isupper():
            bases = (Exception,) if name.endswith(("Error", "Exception")) else ()
            fields = {"__class_getitem__": classmethod(lambda cls, _: cls), "__init__": lambda *_, **__: None}
            made = type(name, bases, fields)
        setattr(self, name, made)
        return made


class StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder: asked only for what is not installed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] not in STUBBED:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def main() -> None:
    sys.path[:0] = sys.argv[1:3]
    sys.meta_path.append(StubFinder())
    out: dict[str, Any] = {}
    for name, payload in json.load(sys.stdin).items():
        platform = importlib.import_module(f"homeassistant.components.mqtt.{payload['platform']}")
        try:
            known = platform.DISCOVERY_SCHEMA(payload)
        except Exception as error:  # voluptuous.Invalid, and whatever a validator raises
            out[name] = {"error": f"{type(error).__name__}: {error}"}
            continue
        out[name] = {"dropped": sorted(set(payload) - set(known))}
        if payload["platform"] == "sensor":
            out[name] |= sensor_rules(payload)
    print(json.dumps(out))


def sensor_rules(payload: dict[str, Any]) -> dict[str, Any]:
    """What the sensor platform warns about at run time: units and state classes that do not fit the device class."""
    const = importlib.import_module("homeassistant.components.sensor.const")
    device_class = payload.get("device_class")
    if device_class is None:
        return {}
    units = const.DEVICE_CLASS_UNITS.get(device_class)
    classes = const.DEVICE_CLASS_STATE_CLASSES.get(device_class)
    wrong = []
    if units is not None and payload.get("unit_of_measurement") not in units:
        wrong.append(f"unit {payload.get('unit_of_measurement')} is none of {sorted(map(str, units))}")
    if classes is not None and payload.get("state_class") not in {None, *classes}:
        wrong.append(f"state class {payload.get('state_class')} is none of {sorted(classes)}")
    return {"warnings": wrong}


if __name__ == "__main__":
    main()
