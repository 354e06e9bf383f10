"""Nodes that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bus.brokers import Node


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    nodes: list[Node] = []

    def begin(url: str, name: str, **more: Any) -> Node:
        nodes.append(Node(tmp_path / name, url, name, **more))
        return nodes[-1]

    yield begin
    for node in nodes:
        node.close()
