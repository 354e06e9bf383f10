"""Deltas: whatever the documents, the patch applies and gives the new one, by our rules and by those of jsonpatch."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tomato_host.world.delta import apply, delta, same
from tomato_host.world.document import MISSING, assign, leaves, lookup, remove

KEYS = ["", "a", "b", "a/b", "m~n", "~1", "0", "-", "ä", " "]
LEAVES: list[Any] = [None, True, False, 0, 1, -0.0, 0.0, 1.0, 1.5, "", "1", "x", [], [1], [1.0], [None], [{"a": 1}], {}]


def random_document(random: Random, depth: int = 3) -> dict[str, Any]:
    """A small object over few keys, so that two of them share many paths."""
    document = {}
    for key in random.sample(KEYS, random.randrange(5)):
        nested = depth > 0 and random.random() < 0.5
        document[key] = random_document(random, depth - 1) if nested else copy.deepcopy(random.choice(LEAVES))
    return document


def check(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The patch applies, gives the new document and leaves the old one as it was."""
    before = copy.deepcopy(old)
    patch = delta(old, new)
    assert same(apply(old, patch), new)
    assert same(old, before), "the old document is not changed"
    assert (patch == []) is same(old, new)


def check_with_oracle(cases: int, seed: int) -> None:
    """jsonpatch applies our patch to the same result."""
    jsonpatch = pytest.importorskip("jsonpatch", reason="extra [world] is not installed")
    random = Random(seed)
    for _ in range(cases):
        old, new = random_document(random), random_document(random)
        check(old, new)
        assert same(jsonpatch.apply_patch(copy.deepcopy(old), delta(old, new)), new)


def test_it_agrees_with_jsonpatch() -> None:
    check_with_oracle(3_000, seed=5)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_it_agrees_with_jsonpatch_a_hundred_thousand_times() -> None:
    check_with_oracle(100_000, seed=6)


@given(st.integers(0, 2**32), st.integers(0, 2**32))
@example(0, 0)
def test_any_pair(one: int, other: int) -> None:
    check(random_document(Random(one)), random_document(Random(other)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a": 1}, {"a": None}),
        ({"a": None}, {}),
        ({}, {"a": None}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": {"b": 1}}, {"a": [1]}),
        ({"a": [1]}, {"a": [1.0]}),
        ({"a": {}}, {"a": {"": {}}}),
        ({"a/b": {"m~n": 1}}, {"a/b": {"m~n": 2}}),
    ],
)
def test_what_such_patches_get_wrong(old: dict[str, Any], new: dict[str, Any]) -> None:
    """A known mistake: null taken for absence, a replace of a member that is not there, True taken for 1."""
    assert delta(old, new) != []
    check(old, new)


def test_pointers_are_stable() -> None:
    """A change of one probe is one operation at its own pointer, however many others come and go."""
    old = {"soil": {"P1": {"moisture_pct": 20.0}, "P2": {"moisture_pct": 30.0}}}
    new = {"soil": {"P0": {"moisture_pct": 1.0}, "P2": {"moisture_pct": 31.0}}}
    assert delta(old, new) == [
        {"op": "remove", "path": "/soil/P1"},
        {"op": "replace", "path": "/soil/P2/moisture_pct", "value": 31.0},
        {"op": "add", "path": "/soil/P0", "value": {"moisture_pct": 1.0}},
    ]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "remove", "path": "/b"},
        {"op": "add", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/a/c", "value": 1},
        {"op": "add", "path": "/l/0", "value": 1},
        {"op": "add", "path": "b", "value": 1},
        {"op": "add", "path": "/b"},
        {"op": "remove", "path": ""},
        {"op": "move", "from": "/a", "path": "/b"},
    ],
)
def test_a_patch_that_does_not_fit_is_refused_whole(operation: Any) -> None:
    document = {"a": 1, "l": [1]}
    with pytest.raises(ValueError, match=r"."):
        apply(document, [{"op": "replace", "path": "/a", "value": 2}, operation])
    assert document == {"a": 1, "l": [1]}


def test_documents_share_what_is_not_changed() -> None:
    old: dict[str, Any] = {"soil": {"P1": {"m": 1}, "P2": {"m": 2}}, "air": {"t": 20}}
    new = assign(old, "/soil/P1/m", 5)
    assert lookup(new, "/soil/P1/m") == 5 and lookup(old, "/soil/P1/m") == 1
    assert new["air"] is old["air"] and new["soil"]["P2"] is old["soil"]["P2"]
    assert assign(old, "/a/b/c", 1)["a"] == {"b": {"c": 1}}
    assert remove(old, "/soil/P1") == {"soil": {"P2": {"m": 2}}, "air": {"t": 20}}
    assert remove(old, "/soil/P9") is old and assign(old, "/soil", old["soil"]) is old
    assert lookup(old, "/soil/P9/m") is MISSING and lookup({"a": None}, "/a") is None
    assert dict(leaves(old)) == {"/soil/P1/m": 1, "/soil/P2/m": 2, "/air/t": 20}
