from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.planted_popen_gw0.planted import STEP, TABLE, Box, endless, twice


@cache
def four():
    return twice(2)


@pytest.fixture(scope="module")
def box():
    return Box().grown()


def test_twice():
    assert four() == 4


def test_twice_again():
    assert four() > 3


def test_step_and_table():
    assert STEP == 2 and TABLE == [1, 2]


@given(st.integers(0, 5))
def test_endless(value):
    assert endless(value) == 0


def test_box(box):
    assert box == [4, 5, 6]


def test_box_has_three(box):
    assert len(box) == 3
