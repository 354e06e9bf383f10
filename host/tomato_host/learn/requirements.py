"""What the learning loop needs on this machine, looked up without importing anything heavy."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import NamedTuple

from tomato_host.errors import TomatoError
from tomato_host.learn.keys import SigningKeys


class Requirement(NamedTuple):
    """One thing that the loop needs, or can use."""

    name: str
    needed: bool
    """Without it the loop does not run; else it runs with less."""
    present: bool
    text: str


def check_requirements() -> list[Requirement]:
    """All requirements, the needed ones first."""
    return [_keys(), _package("protobuf", True, "messages"), _package("torch", False, "networks; trees need none")]


def _package(name: str, needed: bool, use: str) -> Requirement:
    try:
        found = version(name) if find_spec({"protobuf": "google.protobuf"}.get(name, name)) else ""
    except (PackageNotFoundError, ModuleNotFoundError):
        found = ""
    text = f"{found}: {use}" if found else f"missing ({use}): pip install 'tomato-host[learn]'"
    return Requirement(name, needed, bool(found), text)


def _keys() -> Requirement:
    try:
        count = len(SigningKeys.from_environment().keys)
    except TomatoError as error:
        return Requirement("keys", True, False, f"{error.message} Next: {error.next_step}")
    return Requirement("keys", True, True, f"{count} in the environment, the first signs")
