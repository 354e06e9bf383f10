"""Packages of the brain whose names are imported when asked for: all of them are there, and no other."""

from __future__ import annotations

import importlib

import pytest


@pytest.mark.parametrize("package", ["control", "estimator", "guardrails", "safe_mode"])
def test_every_name_of_a_package_is_found_and_no_other(package: str) -> None:
    module = importlib.import_module(f"tomato_host.brain.{package}")
    found = {name: getattr(module, name) for name in module.__all__}
    assert all(thing.__name__ == name for name, thing in found.items())
    with pytest.raises(AttributeError, match=f"'tomato_host.brain.{package}' has no attribute 'Nothing'"):
        _ = module.Nothing
